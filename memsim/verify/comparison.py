"""A trained network as a circuit: test images in ngspice beside the torch twin."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from memsim.circuits import membrane
from memsim.errors import InputError, SimulationError
from memsim.files import write_text
from memsim.learn import MemristiveNetwork, Run
from memsim.spice import Job, simulate_many

Array = NDArray[np.floating]
RESULT = "verification.json"
FINE = 10
"""The twin is also run with steps this many times shorter than in training; ngspice uses the same.

Halving them again moves ngspice's waveforms by under 0.1 % of the spike amplitude; see tests/test_verify.py.
"""


@dataclass(frozen=True)
class Verification:
    """What ngspice and the twin said of the same images.

    Waveform errors compare membrane potentials of the output layer, in units of the largest spike amplitude
    (peak to peak over the window) of the image; `worst` is over all images, neurons and times.
    """

    images: int
    same_class: float
    ngspice_accuracy: float
    twin_accuracy: float
    same_class_at_training_step: float
    mean_error: float
    worst_error: float
    worst_error_at_training_step: float
    seconds_ngspice: float
    seconds_twin: float


@dataclass(frozen=True)
class Evidence:
    """Membrane potentials of the output layer, relative to rest: [image, time, neuron] in V at `times` [s]."""

    verification: Verification
    times: Array
    ngspice: Array
    twin: Array
    labels: NDArray[np.int64]


def verify(run: Run, *, images: int = 50, progress: Callable[[int, int], None] | None = None) -> Evidence:
    """Simulate test images of a trained run in ngspice, the whole network in one deck each, and compare.

    Args:
        run: a trained run.
        images: how many test images, from the first on.
        progress: called with images done and images in all.

    Raises:
        InputError: fewer than one image or more than there are.
        SimulationError: a deck failed; the error of the first such image.
    """
    available = len(run.data.test_labels)
    if not 1 <= images <= available:
        raise InputError(f"images = {images} is out of range; allowed: 1 to {available}")
    pictures, labels = run.data.test_images[:images], run.data.test_labels[:images].numpy()
    began = time.perf_counter()
    coarse_times, coarse = twin_waveforms(run.network, pictures, run.study.step)
    times, fine = twin_waveforms(run.network, pictures, run.study.step / FINE)
    seconds_twin = time.perf_counter() - began
    began = time.perf_counter()
    spice = ngspice_waveforms(run.network, pictures, times, progress)
    seconds_ngspice = time.perf_counter() - began
    amplitude = np.ptp(spice, axis=1).max(axis=1)[:, None, None]
    error = np.abs(fine - spice) / amplitude
    coarse_error = np.abs(coarse - _resample(times, spice, coarse_times)) / amplitude
    truth, guess, coarse_guess = _classes(spice), _classes(fine), _classes(coarse)
    verification = Verification(
        images=images,
        same_class=float(np.mean(truth == guess)),
        ngspice_accuracy=float(np.mean(truth == labels)),
        twin_accuracy=float(np.mean(guess == labels)),
        same_class_at_training_step=float(np.mean(truth == coarse_guess)),
        mean_error=float(error.mean()),
        worst_error=float(error.max()),
        worst_error_at_training_step=float(coarse_error.max()),
        seconds_ngspice=seconds_ngspice,
        seconds_twin=seconds_twin,
    )
    return Evidence(verification, times, spice, fine, labels)


def save_verification(verification: Verification, folder: Path) -> Path:
    """Write the result as JSON and return its path."""
    path = folder / RESULT
    write_text(path, json.dumps(asdict(verification), indent=2) + "\n")
    return path


def twin_waveforms(network: MemristiveNetwork, images: torch.Tensor, step: float) -> tuple[Array, Array]:
    """Times [T] and output-layer potentials [image, T, neuron] of the twin, in float64."""
    with torch.no_grad():
        output = network.double().waveforms(images.double(), step=step)[-1]
    network.float()
    return np.arange(len(output)) * step, output.numpy().swapaxes(0, 1)


def ngspice_waveforms(
    network: MemristiveNetwork,
    images: torch.Tensor,
    times: Array,
    progress: Callable[[int, int], None] | None = None,
) -> Array:
    """Output-layer potentials [image, T, neuron] of ngspice at `times`, one deck an image, all cores."""
    step = float(times[1] - times[0])
    nodes = [f"v({membrane(len(network.crossbars), j)})" for j in range(network.crossbars[-1].weight.shape[1])]
    jobs = [
        Job(
            network.circuit(image),
            stimuli={"vdrive": network.stimulus},
            stop=float(times[-1]),
            step=step,
            save=nodes,
        )
        for image in images
    ]
    results = simulate_many(jobs, progress=progress)
    return np.stack([_on_grid(result, nodes, times) for result in results]) - network.neuron.initial_voltage


def _on_grid(result: xr.Dataset | SimulationError, nodes: list[str], times: Array) -> Array:
    if isinstance(result, SimulationError):
        raise result
    return np.stack([np.interp(times, result["time"], result[node]) for node in nodes], axis=1)


def _resample(times: Array, waves: Array, grid: Array) -> Array:
    """Waves at those of `times` that lie on `grid`, a subset of them."""
    return waves[:, np.searchsorted(times, grid - 0.5 * (times[1] - times[0]))]


def _classes(waves: Array) -> NDArray[np.int64]:
    """The network's readout: the neuron of the largest mean potential."""
    return waves.mean(axis=1).argmax(axis=1)
