"""What ngspice and the torch twin said of the same images, and how far apart they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from memsim.learn.metrics import r_squared

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LayerVerification:
    """One layer of neurons and the crossbar before it, over all images.

    Attributes:
        neurons: in the layer.
        mean_error, worst_error: of membrane potentials, in units of the layer's largest spike in the image.
        neurons_ngspice, neurons_twin: heat in the neurons' devices for one inference [J]; mean over images.
        synapses_ngspice, synapses_twin: what the word line drivers of the crossbar deliver [J]; 0 of what is no
            circuit.
    """

    neurons: int
    mean_error: float
    worst_error: float
    neurons_ngspice: float
    neurons_twin: float
    synapses_ngspice: float
    synapses_twin: float


@dataclass(frozen=True)
class Verification:
    """What ngspice and the twin said of the same images.

    Waveform errors compare membrane potentials of the output layer, in units of the largest spike amplitude
    (peak to peak over the window) of the image; `worst` is over all images, neurons and times. Energies are those of
    one inference in J, mean over images; see memsim.verify.energy for what is counted.

    Attributes:
        same_class: share of images; None where numbers are to be predicted, whose accuracies are R^2.
        whole: whether ngspice had the network in one deck for each image, or layer by layer.
        energy_difference: largest of all images, relative to the energy in ngspice.
        cpu_seconds_ngspice: of the ngspice processes alone.
        gates: that are more than a gain; ngspice got the currents that torch makes of them.
        not_circuits: arrays that are read through converters; neurons behind them were driven with the currents that
            they give, and energies are those of neurons.
    """

    images: int
    whole: bool
    same_class: float | None
    ngspice_accuracy: float
    twin_accuracy: float
    same_class_at_training_step: float | None
    mean_error: float
    worst_error: float
    worst_error_at_training_step: float
    energy_ngspice: float
    energy_twin: float
    energy_difference: float
    seconds_ngspice: float
    cpu_seconds_ngspice: float
    seconds_twin: float
    layers: tuple[LayerVerification, ...]
    gates: tuple[str, ...] = ()
    not_circuits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """Membrane potentials of the output layer, relative to rest: [image, time, neuron] in V at `times` [s]."""

    verification: Verification
    times: Array
    ngspice: Array
    twin: Array
    labels: NDArray


@dataclass(frozen=True)
class Batch:
    """A few images in both engines; arrays begin with [image].

    Attributes:
        ngspice, twin: membrane potentials of the output layer relative to rest, [image, time, neuron] in V.
        labels, class_ngspice, class_twin, class_coarse: classes, or numbers where these are to be predicted; `coarse`
            is the twin at its training step.
        mean_error, worst_error: of each layer, [image, layer].
        coarse_error: worst of the output layer.
        energy_ngspice, energy_twin: [image, layer, 2] in J: neurons, then synapses.
        seconds: wall time in ngspice, processor time in ngspice, wall time in the twin.
        neurons: of each layer, [layer].
    """

    ngspice: Array
    twin: Array
    labels: NDArray
    class_ngspice: NDArray
    class_twin: NDArray
    class_coarse: NDArray
    mean_error: Array
    worst_error: Array
    coarse_error: Array
    energy_ngspice: Array
    energy_twin: Array
    seconds: Array
    neurons: NDArray[np.int64]


def amplitude(waves: Array) -> Array:
    """Largest peak to peak over the window of each image, [image, 1, 1] in V."""
    return np.ptp(waves, axis=1).max(axis=1)[:, None, None]


def errors(spice: Array, twin: Array) -> tuple[Array, Array]:
    """Mean and worst difference of waveforms [image, time, neuron], [image] each, of the image's largest spike."""
    error = np.abs(twin - spice) / amplitude(spice)
    return error.mean(axis=(1, 2)), error.max(axis=(1, 2))


def summary(
    batches: list[Batch], *, whole: bool, gates: tuple[str, ...] = (), not_circuits: tuple[str, ...] = ()
) -> Verification:
    """All batches as one verification."""
    spice, twin, coarse = (_joined(batches, f"class_{name}") for name in ("ngspice", "twin", "coarse"))
    labels, mean, worst = (_joined(batches, name) for name in ("labels", "mean_error", "worst_error"))
    energy, energy_twin = (_joined(batches, f"energy_{name}") for name in ("ngspice", "twin"))
    total, total_twin = energy.sum(axis=(1, 2)), energy_twin.sum(axis=(1, 2))
    wall, processor, wall_twin = np.sum([batch.seconds for batch in batches], axis=0).tolist()
    layers = tuple(
        LayerVerification(
            neurons=int(neurons),
            mean_error=float(mean[:, number].mean()),
            worst_error=float(worst[:, number].max()),
            neurons_ngspice=float(energy[:, number, 0].mean()),
            neurons_twin=float(energy_twin[:, number, 0].mean()),
            synapses_ngspice=float(energy[:, number, 1].mean()),
            synapses_twin=float(energy_twin[:, number, 1].mean()),
        )
        for number, neurons in enumerate(batches[0].neurons)
    )
    numbers = labels.dtype.kind == "f"
    same, same_coarse = (None if numbers else float(np.mean(spice == other)) for other in (twin, coarse))
    accuracies = [
        _r_squared(said, labels) if numbers else float(np.mean(said == labels)) for said in (spice, twin)
    ]
    return Verification(
        images=len(labels),
        whole=whole,
        same_class=same,
        ngspice_accuracy=accuracies[0],
        twin_accuracy=accuracies[1],
        same_class_at_training_step=same_coarse,
        mean_error=layers[-1].mean_error,
        worst_error=layers[-1].worst_error,
        worst_error_at_training_step=float(_joined(batches, "coarse_error").max()),
        energy_ngspice=float(total.mean()),
        energy_twin=float(total_twin.mean()),
        energy_difference=float(np.max(np.abs(total_twin - total) / total)),
        seconds_ngspice=wall,
        cpu_seconds_ngspice=processor,
        seconds_twin=wall_twin,
        layers=layers,
        gates=gates,
        not_circuits=not_circuits,
    )


def _r_squared(said: Array, labels: NDArray) -> float:
    return r_squared(torch.from_numpy(said), torch.from_numpy(labels))


def _joined(batches: list[Batch], name: str) -> Array:
    """Of all batches, in rows: a sum's last digit depends on the order in memory, which files do not keep."""
    return np.ascontiguousarray(np.concatenate([getattr(batch, name) for batch in batches]))
