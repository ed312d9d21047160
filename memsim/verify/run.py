"""Verifying a trained run, a few images at a time."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memsim.errors import InputError
from memsim.files import write_text
from memsim.learn import Run
from memsim.learn.evaluation import EVALUATION_SEED
from memsim.networks import MemristiveNetwork
from memsim.networks.drives import WordLines
from memsim.networks.network import Arriving, Outputs
from memsim.networks.nonidealities import realised
from memsim.networks.synapses import OnCrossbars
from memsim.spice import ngspice_version
from memsim.surrogate.coupling import lines as lines_of
from memsim.verify import engines
from memsim.verify.comparison import Batch, Evidence, Verification, amplitude, errors, summary
from memsim.verify.energy import neuron_energy, read_energy
from memsim.verify.engines import Advance, Array, Waves, relative
from memsim.verify.gates import digests_of
from memsim.verify.store import Store, key_of
from memsim.verify.tiles import currents_of, not_circuits, refined

RESULT = "verification.json"
FINE = 10
"""The twin is also run with steps this many times shorter than in training; ngspice uses the same.

Halving them again moves ngspice's waveforms by under 0.1 % of the spike amplitude; see tests/test_verify.py.
"""
IMAGES_AT_ONCE = 10
WHOLE_CELLS = 10_000
"""Largest number of memristive cells for which ngspice gets the network in one deck unless asked otherwise."""


def verify(
    run: Run,
    *,
    images: int = 50,
    whole: bool | None = None,
    folder: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evidence:
    """Simulate test images of a trained run in ngspice and in the twin at fine steps, and compare.

    Args:
        run: a trained run. Of one on hardware, neurons are verified, driven with the currents of its tiles; see
            memsim.verify.tiles.
        images: how many test images, from the first on.
        whole: the whole network in one deck for each image, or layer by layer; whole where left out and the network
            is small enough and has dense layers and ideal wires.
        folder: of the run, where batches of images are kept as they are done and found again; nowhere where left out.
        progress: called with neurons simulated in ngspice and neurons in all.

    Raises:
        InputError: fewer than one image or more than there are, neurons that are no circuits, a gate whose `fold` is
            not what it does, or a network that cannot be simulated whole.
        EngineNotFoundError: ngspice is missing or too old.
        SimulationError: a deck failed; the error of the first such one.
    """
    ngspice_version()
    available = len(run.data.test)
    if not 1 <= images <= available:
        raise InputError(f"images = {images} is out of range; allowed: 1 to {available}")
    network = _circuit(run)
    tried = tuple(digests_of(network))
    gates = tuple(layer.gate_name for layer in network.chain if engines.mirror_gain(network, layer) is None)
    chosen = is_small(network) if whole is None else whole
    store = None if folder is None else Store(folder, key_of(network, FINE, chosen, *tried))
    neurons = sum(int(np.prod(layer.shape)) for layer in network.synapses)
    count = _Count(neurons * images, progress)
    batches = []
    # a circuit has no read noise that a twin could share; everything else is as in the study's tests
    cells = run.study.nonidealities.test.model_copy(update={"read_noise": 0.0})
    with realised(network, cells, torch.Generator().manual_seed(EVALUATION_SEED)):
        for start in range(0, images, IMAGES_AT_ONCE):
            part = slice(start, min(start + IMAGES_AT_ONCE, images))
            name = f"images-{part.start}-to-{part.stop - 1}"
            batch = store.load(name) if store else None
            if batch is None:
                inputs, labels = run.data.test.batch(part)
                given = inputs if not_circuits(network) else inputs.double()
                lines = network.drive(given, torch.Generator().manual_seed(EVALUATION_SEED + start))
                batch = _batch(network, lines, labels.numpy(), chosen, count)
                if store:
                    store.save(name, batch)
            else:
                count(neurons * len(batch.labels))
            batches.append(batch)
    return Evidence(
        summary(batches, whole=chosen, gates=gates, not_circuits=not_circuits(network)),
        _times(network, FINE),
        np.concatenate([batch.ngspice for batch in batches]),
        np.concatenate([batch.twin for batch in batches]),
        np.concatenate([batch.labels for batch in batches]),
    )


def evidence_of(run: Run, folder: Path) -> Evidence | None:
    """What the last verification of a run saw, from the images kept in its folder; None where there was none.

    Images that were verified before the network was trained on are simulated again.
    """
    path = folder / RESULT
    if not path.exists():
        return None
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        images, whole = int(saved["images"]), bool(saved["whole"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}); delete it and verify again") from None
    return verify(run, images=images, whole=whole, folder=folder)


def is_small(network: MemristiveNetwork) -> bool:
    """Whether ngspice gets the network whole unless asked otherwise."""
    cells = sum(2 * crossbar.weight.numel() for crossbar in network.crossbars)
    return cells <= WHOLE_CELLS and not engines.why_not_whole(network)


def save_verification(verification: Verification, folder: Path) -> Path:
    """Write the result as JSON and return its path."""
    path = folder / RESULT
    write_text(path, json.dumps(asdict(verification), indent=2) + "\n")
    return path


class _Count:
    """Progress of many parts."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self.done, self.total, self.progress = 0, total, progress

    def __call__(self, more: int) -> None:
        self.done += more
        if self.progress:
            self.progress(self.done, self.total)


def _circuit(run: Run) -> MemristiveNetwork:
    """A copy of the network in float64, or as it was trained where converters see its numbers.

    Raises:
        InputError: a part that is no circuit, by name.
    """
    if not isinstance(run.network, MemristiveNetwork):
        raise InputError(
            f"the neurons of this run are {run.study.neuron!r}, which are discrete and no circuit; verify takes "
            "networks of circuits"
        )
    network = deepcopy(run.network)
    return network if not_circuits(network) else network.double()


def _batch(
    network: MemristiveNetwork,
    lines: WordLines,
    labels: NDArray,
    whole: bool,
    advance: Advance,
) -> Batch:
    times = _times(network, FINE)
    began = time.perf_counter()
    last = len(network.synapses) - 1
    currents = currents_of(network, lines) if not_circuits(network) else None
    fine = [refined(current, FINE) for current in currents] if currents else None
    coarse = relative(network, last, engines.twin(network, lines, _times(network, 1), currents)[-1])
    twin = engines.twin(network, lines, times, fine)
    seconds_twin = time.perf_counter() - began
    began, processor = time.perf_counter(), _children_seconds()
    if whole:
        spice = engines.whole(network, lines, times, advance)
    else:
        spice = engines.layer_by_layer(network, lines, times, advance, fine)
    seconds = [time.perf_counter() - began, _children_seconds() - processor, seconds_twin]
    pairs = [
        (relative(network, number, a), relative(network, number, b))
        for number, (a, b) in enumerate(zip(spice, twin, strict=True))
    ]
    mean, worst = (
        np.stack(column, axis=1) for column in zip(*(errors(*pair) for pair in pairs), strict=True)
    )
    output, output_twin = pairs[-1]
    coarse_error = np.abs(coarse - output[:, ::FINE]) / amplitude(output)
    return Batch(
        ngspice=output,
        twin=output_twin,
        labels=labels,
        class_ngspice=_answers(network, output, labels),
        class_twin=_answers(network, output_twin, labels),
        class_coarse=_answers(network, coarse, labels),
        mean_error=mean,
        worst_error=worst,
        coarse_error=coarse_error.max(axis=(1, 2)),
        energy_ngspice=_energy(network, lines, times, spice),
        energy_twin=_energy(network, lines, times, twin),
        seconds=np.array(seconds),
        neurons=np.array([a.shape[-1] for a, _ in pairs]),
    )


def _times(network: MemristiveNetwork, parts: int) -> Array:
    """Samples over the window, `parts` to each training step."""
    steps = round(network.clock.window / network.clock.step)
    return np.linspace(0.0, steps * network.clock.step, parts * steps + 1)


def _energy(network: MemristiveNetwork, lines: WordLines, times: Array, layers: list[Waves]) -> Array:
    """[image, layer, 2] in J: neurons, then synapses."""
    if not_circuits(network):
        return np.stack(
            [_of_neurons(network, number, times, waves) for number, waves in enumerate(layers)], axis=1
        )
    energies: list[Array] = []

    def fire(number: int, arriving: Arriving) -> Tensor:
        layer, cell = network.chain[number], network.cells[number].circuit
        outputs = torch.from_numpy(relative(network, number, layers[number])).transpose(0, 1)
        own = []
        if layer.recurrent is not None and layer.tau is not None:
            own = [(layer.recurrent, Outputs(lines_of(outputs, float(times[1] - times[0]), layer.tau)))]
        heat = neuron_energy(cell, layers[number], times, engines.neuron_values(network, number))
        reads = [
            read_energy(cast("OnCrossbars", synapse), signal.values.transpose(0, 1), times)
            for synapse, signal in [*arriving.synapses, *own]
        ]
        energies.append(np.array([heat, sum(reads)]).T)
        return outputs

    network.flow(lines.over(times), fire, dt=float(times[1] - times[0]))
    return np.stack(energies, axis=1)


def _of_neurons(network: MemristiveNetwork, number: int, times: Array, waves: Waves) -> Array:
    """[image, 2] in J of a layer behind an array that is no circuit."""
    heat = neuron_energy(network.cells[number].circuit, waves, times, engines.neuron_values(network, number))
    return np.stack([heat, np.zeros_like(heat)], axis=-1)


def _answers(network: MemristiveNetwork, waves: Array, labels: NDArray) -> NDArray:
    """Classes by the network's readout, or numbers where labels are numbers."""
    said = network.readout(torch.from_numpy(waves).transpose(0, 1))
    return said.numpy() if labels.dtype.kind == "f" else said.argmax(dim=1).numpy()


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
