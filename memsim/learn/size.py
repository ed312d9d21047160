"""Memory that training takes, known before it starts.

Measured on 64 to 4096 neurons a layer, 6 to 101 steps and batches of 4 to 256: beside the weights, a batch keeps what
each neuron does at each step, and what each patch of a convolution holds, for the way back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from memsim.learn.study import Study
from memsim.memory import check_memory, format_bytes, is_large
from memsim.networks.geometry import Convolution, as_image, output_sides
from memsim.surrogate.fused.compiler import find_compiler

BYTES_A_WEIGHT = 24
"""Itself, its gradient, the two moments of the optimiser, and the conductances of its pair."""
BYTES_A_SAMPLE, BYTES_A_SAMPLE_IN_TORCH = 25, 60
"""Of one neuron at one step, in C and in torch operations."""
BYTES_A_SPIKE = 18
"""Measured: what one discrete neuron leaves at one step for the way back."""
BYTES_A_PIXEL = 8
BYTES_A_PROCESS = 5e8
"""Of one more process that trains, with Python and torch."""
MOST_STEPS = 1e15


@dataclass(frozen=True)
class LayerSize:
    """Word lines, bit lines, and the places at which they are used: one, or the pixels of a convolution's output."""

    rows: int
    columns: int
    places: int
    convolution: bool


def layer_sizes(
    shape: tuple[int, ...], classes: int, hidden: Sequence[int | Convolution]
) -> Iterator[LayerSize]:
    """Sizes of the layers of a network.

    Args:
        shape: of one input.
        classes: neurons of the last layer.
        hidden: layers before it.

    Raises:
        InputError: layers that do not fit.
    """
    for layer in (*hidden, classes):
        if isinstance(layer, Convolution):
            image = as_image(shape)
            sides = output_sides(image, layer)
            yield LayerSize(image[0] * layer.kernel**2, layer.channels, math.prod(sides), convolution=True)
            shape = (layer.channels, *sides)
        else:
            yield LayerSize(math.prod(shape), layer, 1, convolution=False)
            shape = (layer,)


def training_memory(shape: tuple[int, ...], classes: int, study: Study) -> float:
    """Bytes that training takes beside the program and its data; arrays and converters of stages take more."""
    steps = _samples(study)
    of_circuits = BYTES_A_SAMPLE if find_compiler() else BYTES_A_SAMPLE_IN_TORCH
    sample = BYTES_A_SPIKE if study.discrete else of_circuits
    needed = 0.0
    for number, layer in enumerate(layer_sizes(shape, classes, study.layouts)):
        # the first layer of circuits is read once for each pulse
        instants = steps if number or study.discrete else study.drive.slots
        kept = sample * steps * layer.columns * layer.places
        if layer.convolution:
            kept += BYTES_A_PIXEL * instants * layer.rows * layer.places
        again = study.every_layer[number].recurrent * layer.columns
        needed += BYTES_A_WEIGHT * (layer.rows + again) * layer.columns + study.batch * kept
    return needed


def _samples(study: Study) -> float:
    """Of time, for each input."""
    return study.time_steps if study.discrete else min(study.window / study.step, MOST_STEPS) + 1


def check_training(shape: tuple[int, ...], classes: int, study: Study) -> str:
    """What to know before training starts: nothing, or that it takes a large part of the memory.

    Raises:
        InputError: it takes more than there is.
    """
    needed = training_memory(shape, classes, study)
    check_memory(
        f"training in batches of {study.batch} over {_samples(study) - 1:.3g} steps",
        needed,
        f"make batch{', steps' if study.discrete else ''} or hidden smaller"
        + ("" if study.discrete else ", or step longer"),
    )
    return f"training takes about {format_bytes(needed)} of memory" if is_large(needed) else ""
