"""All neurons of a network over time, in ngspice and in the torch twin.

In ngspice a network runs in one of two ways. Whole: crossbars, mirrors and neurons in one deck for each image. Layer by
layer: bit lines are held at virtual ground, mirrors drive the membranes, and membranes reach the next word lines
through buffers, so nothing flows back and a layer is exact on its own. Each neuron is then driven by the current that
its crossbar, wires included, delivers at the waveforms that the layer before had in ngspice: errors add up from layer
to layer as they do in one circuit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import cast

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from PySpice.Spice.Netlist import Circuit
from torch import Tensor

from memsim.circuits import (
    CrossbarLayer,
    PairArray,
    couple,
    membrane,
    network_circuit,
    neuron_instance,
    pulsed_population,
    sampled_population,
    waveform_names,
)
from memsim.circuits.cell import nodes_of
from memsim.circuits.stimuli import Stimulus
from memsim.errors import InputError, SimulationError
from memsim.networks import MemristiveNetwork
from memsim.networks.circuit_neurons import CircuitNeuron
from memsim.networks.drives import LinesOverTime, WordLines
from memsim.networks.gates import Identity, constant_gain
from memsim.networks.layer import Layer
from memsim.networks.lines import Pool, Upsample
from memsim.networks.network import INPUT, Arriving
from memsim.networks.skips import CURRENT, SPIKE
from memsim.networks.synapses import Dense, Synapse
from memsim.spice import Job, deck, simulate_many
from memsim.surrogate import CompiledCircuit, Coupling
from memsim.verify.tiles import not_circuits

Array = NDArray[np.float64]
Waves = dict[str, Array]
"""Potentials and states of the neurons of one layer, each [image, time, neuron], named as in the neuron's circuit."""
Driven = tuple[Circuit, Mapping[str, Stimulus]]
"""A circuit and what its sources do."""
Currents = Sequence[Tensor] | None
"""Into the neurons of each layer, [time, batch, neurons] in A, where they are known beforehand."""
Advance = Callable[[int], None]
"""Told how many neurons have been simulated since the last call."""
PACK = 16
"""Neurons in a deck: enough that starting ngspice does not count, few enough that none waits for another's steps."""
DECKS = 64
"""Decks whose waveforms are held at once, as ngspice wrote them."""
TIMEOUT = 600.0


def twin(
    network: MemristiveNetwork, lines: WordLines, times: Array, currents: Currents = None
) -> list[Waves]:
    """Layer by layer in torch, in float64."""
    step = float(times[1] - times[0])
    layers: list[Waves] = []

    def fire(number: int, arriving: Arriving | None) -> Tensor:
        cell, layer = network.cells[number], network.chain[number]
        compiled = CompiledCircuit(
            cell.circuit.circuit(), inputs=(cell.circuit.source,), stepper=network.study.stepper
        )
        parameters = {name: torch.from_numpy(p) for name, p in neuron_values(network, number).items()}
        matrix = None if layer.recurrent is None else layer.recurrent.matrix()
        coupling = None
        if matrix is not None and layer.tau is not None:
            coupling = Coupling(matrix, cell.output, layer.tau, cell.rest)
        current = _current(number, arriving, currents)
        waves, _ = compiled(current, dt=step, parameters=parameters, coupling=coupling)
        layers.append({name: wave.transpose(0, 1).numpy() for name, wave in waves.items()})
        return waves[cell.output] - cell.rest

    _each_layer(network, lines, times, fire, currents)
    return layers


def _each_layer(
    network: MemristiveNetwork,
    lines: WordLines,
    times: Array,
    fire: Callable[[int, Arriving | None], Tensor],
    currents: Currents,
) -> None:
    with torch.no_grad():
        if currents is None:
            network.flow(lines.over(times), fire, dt=float(times[1] - times[0]))
        else:
            for number in range(len(currents)):
                fire(number, None)


def _current(number: int, arriving: Arriving | None, currents: Currents) -> Tensor:
    if arriving is not None:
        return arriving.current()
    assert currents is not None  # noqa: S101 - one of the two is there
    return currents[number]


def neuron_values(network: MemristiveNetwork, number: int) -> dict[str, Array]:
    """Circuit parameters in which the neurons of a layer differ, [neurons] each."""
    parameters = cast("CircuitNeuron", network.chain[number].neuron).parameters_by_name()
    return {name: values.detach().double().numpy() for name, values in parameters.items()}


def relative(network: MemristiveNetwork, number: int, waves: Waves) -> Array:
    """Outputs of a layer relative to rest, which is what the next word lines follow [V]."""
    cell = network.cells[number]
    return waves[cell.output] - cell.rest


def layer_by_layer(
    network: MemristiveNetwork, lines: WordLines, times: Array, advance: Advance, currents: Currents = None
) -> list[Waves]:
    """In ngspice, some neurons of some images in each deck."""
    layers: list[Waves] = []

    def fire(number: int, arriving: Arriving | None) -> Tensor:
        if arriving is not None and not number and _is_pulsed(network):
            (synapse, signal) = arriving.synapses[0]
            gains = synapse(cast("LinesOverTime", signal).lines.amplitude).transpose(1, 2).numpy()
            layers.append(_pulsed(network, lines, gains, times, advance))
        else:
            current = _current(number, arriving, currents)
            layers.append(_sampled(network, number, current.permute(1, 2, 0).numpy(), times, advance))
        return torch.from_numpy(relative(network, number, layers[-1])).transpose(0, 1)

    _each_layer(network, lines, times, fire, currents)
    return layers


def _is_pulsed(network: MemristiveNetwork) -> bool:
    """Whether the currents of the first layer are pulses of the drive, and nothing else."""
    first = network.chain[0]
    plain = isinstance(first.gate, Identity) and first.delay is None and not first.connections
    return plain and network.synapses[0].bias is None


def whole(network: MemristiveNetwork, lines: WordLines, times: Array, advance: Advance) -> list[Waves]:
    """In ngspice, the network in one deck for each image.

    Raises:
        InputError: a network that is not one circuit of dense layers with ideal wires.
    """
    cells = [cell.circuit for cell in network.cells]
    names = [
        [
            waveform_names(cell, membrane(number, index), neuron_instance(number, index))
            for index in range(math.prod(layer.shape))
        ]
        for number, (layer, cell) in enumerate(zip(network.synapses, cells, strict=True), start=1)
    ]
    save = [wave for layer in names for neuron in layer for wave in neuron.values()]
    jobs = []
    for number in range(len(lines.amplitude)):
        circuit, stimuli = whole_circuit(network, lines, number)
        jobs.append(Job(circuit, stimuli, float(times[-1]), float(times[1]), save=save, timeout=TIMEOUT))
    results = _simulated(jobs, [sum(len(layer) for layer in names)] * len(jobs), advance)
    collected = [_collected([(result, layer) for result in results], times) for layer in names]
    return [
        {name: wave.reshape(len(jobs), -1, len(times)).swapaxes(1, 2) for name, wave in waves.items()}
        for waves in collected
    ]


def whole_circuit(network: MemristiveNetwork, lines: WordLines, number: int = 0) -> Driven:
    """The network as one circuit, while input `number` of a batch is applied.

    Raises:
        InputError: a network that is not one circuit of dense layers with ideal wires.
    """
    reason = why_not_whole(network)
    if reason:
        raise InputError(f"the network cannot be simulated whole: {reason}; simulate it layer by layer")
    width = lines.amplitude.shape[-1]
    layers = [_crossbar_layer(network, layer, width) for layer in range(len(network.synapses))]
    cells = [cell.circuit for cell in network.cells]
    if lines.shared:
        return network_circuit(layers, cells, lines.amplitude[number, 0].tolist()), {"vdrive": lines.shared}
    stimuli = {f"vdrive{row}": stimulus for row, stimulus in enumerate(lines.stimuli(number))}
    return network_circuit(layers, cells, width), stimuli


def network_deck(network: MemristiveNetwork, image: Tensor) -> str:
    """The network with one input applied as a deck of its own, which runs with plain ngspice.

    Args:
        network: the network.
        image: [inputs], or [slots, inputs] in the time domain; in [0, 1].

    Raises:
        InputError: a network that is not one circuit of dense layers with ideal wires, or rate coding.
    """
    circuit, stimuli = whole_circuit(network, network.drive(image[None]))
    outputs = [membrane(len(network.synapses), index) for index in range(math.prod(network.chain[-1].shape))]
    shown = [nodes_of(network.cells[-1].circuit, node)[-1] for node in outputs]
    return deck(
        circuit,
        stimuli=stimuli,
        stop=network.study.window,
        step=network.study.step / 10,
        plot=[f"v({node})" for node in shown],
    )


def why_not_whole(network: MemristiveNetwork) -> str:
    """What keeps a network from being one circuit of ours; empty where nothing does."""
    tiles = not_circuits(network)
    if tiles:
        return f"{tiles[0]} is read through converters"
    for layer, synapse in zip(network.chain, network.synapses, strict=True):
        reasons = {
            "it has convolutional layers": not isinstance(synapse, Dense),
            "it averages over windows": isinstance(layer.resampling, Pool),
            "several of its word lines follow one pixel": isinstance(layer.resampling, Upsample),
            "it has delays": layer.delay is not None,
            f"{layer.gate_name} is no circuit": mirror_gain(network, layer) is None,
            "it adds outputs to outputs": any(join.place == SPIKE for join in layer.connections),
        }
        for reason in [reason for reason, holds in reasons.items() if holds]:
            return reason
    for crossbar in network.crossbars:
        hardware = crossbar.hardware
        if hardware.wired or hardware.signs != "pairs" or hardware.slices != 1:
            return "its crossbars are more than pairs of cells on ideal wires"
    return ""


def _crossbar_layer(network: MemristiveNetwork, number: int, width: int) -> CrossbarLayer:
    layer, synapse = network.chain[number], network.synapses[number]
    own = [(number + 1, _array(layer.recurrent, layer.tau))] if layer.recurrent is not None else []
    gain = mirror_gain(network, layer)
    names = [INPUT, *(one.name for one in network.chain)]
    # lines of the input that the parts of it are
    parts = {name: part(torch.arange(width)).tolist() for name, part in network.parts.items()}
    driving = dict.fromkeys(parts, 0) | {name: index for index, name in enumerate(names)}
    joined = [
        (driving[join.source], _array(join.synapse, lines=parts.get(join.source), gain=gain))
        for join in layer.connections
        if join.synapse
    ]
    copies = [driving[join.source] for join in layer.connections if join.of == CURRENT]
    return CrossbarLayer(
        *_conductances(synapse, gain),
        neurons=neuron_values(network, number),
        bias=synapse.bias,
        source=None if layer.source is None else driving[layer.source],
        lines=None if layer.source is None else parts.get(layer.source),
        others=[*own, *joined],
        copies=copies,
    )


def _array(
    synapse: Synapse,
    tau: float | None = None,
    *,
    lines: Sequence[int] | None = None,
    gain: Tensor | None = None,
) -> PairArray:
    return PairArray(*_conductances(synapse, gain), tau=tau, lines=lines)


def _conductances(synapse: Synapse, gain: Tensor | None = None) -> tuple[Array, Array, float | Array]:
    """Of the pairs, and the mirror ratio behind them, times the gain of a gate."""
    crossbar = cast("Dense", synapse).crossbar
    plus, minus = (g.detach().double().numpy() for g in crossbar.conductances())
    return plus, minus, crossbar.mirror_ratio * (1.0 if gain is None else gain.double().numpy())


def mirror_gain(network: MemristiveNetwork, layer: Layer) -> Tensor | None:
    """What the gate of a layer multiplies its mirrors by; None of a gate that is no circuit."""
    return constant_gain(layer.gate, len(network.clock.times()))


def _pulsed(
    network: MemristiveNetwork, lines: WordLines, gains: Array, times: Array, advance: Advance
) -> Waves:
    """Neurons behind the first crossbar: `gains` [image, neuron, pulse] in S on pulses that all decks share."""
    shared = lines.shared
    pulses = [shared] if shared else [lines.drive.stimulus(unit) for unit in np.eye(lines.drive.slots)]
    stimuli = {f"vpulse{number}": pulse for number, pulse in enumerate(pulses)}

    def circuit(part: Array, values: Mapping[str, Array]) -> Driven:
        population = pulsed_population(network.cells[0].circuit, part, values)
        return _coupled(network, 0, population), stimuli

    return _packed(network, 0, gains, times, circuit, advance)


def _sampled(
    network: MemristiveNetwork, number: int, currents: Array, times: Array, advance: Advance
) -> Waves:
    """Neurons behind a later crossbar: `currents` [image, neuron, time] in A."""

    def circuit(part: Array, values: Mapping[str, Array]) -> Driven:
        population = sampled_population(network.cells[number].circuit, times, part, values)
        return _coupled(network, number, population), {}

    return _packed(network, number, currents, times, circuit, advance)


def _coupled(network: MemristiveNetwork, number: int, population: Circuit) -> Circuit:
    recurrent = network.chain[number].recurrent
    if recurrent is not None:
        couple(population, network.cells[number].circuit, _array(recurrent, network.chain[number].tau))
    return population


def _packed(  # noqa: PLR0917 - each used once
    network: MemristiveNetwork,
    number: int,
    drives: Array,
    times: Array,
    circuit: Callable[[Array, Mapping[str, Array]], Driven],
    advance: Advance,
) -> Waves:
    """Neurons of one layer with drives [image, neuron, ...], PACK in each deck, or all that hear each other."""
    images, neurons = drives.shape[:2]
    pack = PACK if network.chain[number].recurrent is None else neurons
    flat = drives.reshape(images * neurons, -1)
    values = {name: np.tile(own, images) for name, own in neuron_values(network, number).items()}
    names = [waveform_names(network.cells[number].circuit, f"mem_{i}", f"xn_{i}") for i in range(pack)]

    def job(start: int) -> Job:
        part = slice(start, start + pack)
        packed, stimuli = circuit(flat[part], {name: own[part] for name, own in values.items()})
        save = [wave for one in names[: len(flat[part])] for wave in one.values()]
        # as text: a circuit would be taken apart into one deck for each neuron
        text = deck(packed, stimuli=stimuli, stop=float(times[-1]), step=float(times[1]), save=save)
        return Job(text, trust=True, timeout=TIMEOUT)

    waves: list[Waves] = []
    for first in range(0, len(flat), pack * DECKS):
        starts = range(first, min(first + pack * DECKS, len(flat)), pack)
        present = [names[: len(flat[start : start + pack])] for start in starts]
        results = _simulated([job(start) for start in starts], [len(one) for one in present], advance)
        waves.append(_collected(zip(results, present, strict=True), times))
    return {
        name: np.concatenate([part[name] for part in waves]).reshape(images, neurons, -1).swapaxes(1, 2)
        for name in waves[0]
    }


def _simulated(jobs: Sequence[Job], neurons: Sequence[int], advance: Advance) -> list[xr.Dataset]:
    """Results of all jobs; `neurons` is how many each has.

    Raises:
        SimulationError: of the first job that failed.
    """
    reported = 0
    lock = Lock()

    def progress(done: int, total: int) -> None:
        nonlocal reported
        with lock:
            now = max(reported, round(sum(neurons) * done / total))
            advance(now - reported)
            reported = now

    results = simulate_many(jobs, progress=progress)
    for result in results:
        if isinstance(result, SimulationError):
            raise result
    return cast("list[xr.Dataset]", results)


def _collected(results: Iterable[tuple[xr.Dataset, Sequence[Mapping[str, str]]]], times: Array) -> Waves:
    """Waveforms of all neurons of some results on one grid, each [neuron, time]."""
    columns: dict[str, list[Array]] = {}
    for result, neurons in results:
        grid = result["time"].values
        for names in neurons:
            for name, found in names.items():
                columns.setdefault(name, []).append(np.interp(times, grid, result[found].values))
    return {name: np.stack(rows) for name, rows in columns.items()}
