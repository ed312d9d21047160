"""Memory that training takes, known before it starts.

Measured on 64 to 4096 neurons a layer, 6 to 101 steps and batches of 4 to 256: beside the weights, a batch keeps what
each neuron does at each step, and what each patch of a convolution holds, for the way back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from memsim.learn.study import Study
from memsim.memory import check_memory, format_bytes, is_large
from memsim.networks.geometry import Convolution, as_image, one_group, output_sides
from memsim.networks.layer_table import LayerTable
from memsim.networks.lines import Part, parts_of, resampling_of
from memsim.networks.network import INPUT
from memsim.networks.scans import LOCATION
from memsim.surrogate.fused.compiler import find_compiler

BYTES_A_WEIGHT = 24
"""Itself, its gradient, the two moments of the optimiser, and the conductances of its pair."""
BYTES_A_SAMPLE, BYTES_A_SAMPLE_IN_TORCH = 25, 60
"""Of one neuron at one step, in C and in torch operations."""
BYTES_A_SPIKE = 18
"""Measured: what one discrete neuron leaves at one step for the way back."""
BYTES_A_NORMALISED = 4
"""Measured: the current of one neuron at one step that its normalisation keeps, too."""
BYTES_A_PIXEL = 8
BYTES_A_PROCESS = 5e8
"""Of one more process that trains, with Python and torch."""
MOST_STEPS = 1e15


@dataclass(frozen=True)
class LayerSize:
    """Of an array: word lines, neurons, and the places at which it is used: one, or the pixels of an output.

    Attributes:
        arrays: how many of them lie side by side: the groups of a convolution.
        locations: that neurons are stepped over in the place of time; none of time.
    """

    rows: int
    columns: int
    places: int
    convolution: bool
    arrays: int = 1
    locations: int | None = None


def layer_sizes(
    shape: tuple[int, ...],
    classes: int,
    layers: Sequence[LayerTable],
    parts: Mapping[str, Part] | None = None,
    rails: int = 1,
    *,
    steps: int = 1,
) -> Iterator[LayerSize]:
    """Sizes of the layers of a network.

    Args:
        shape: of one input.
        classes: neurons of a layer that says nothing of its own.
        layers: all of them.
        parts: of the input, by name.
        rails: word lines of each channel of the input.
        steps: of time, which layers over locations have weights of.

    Raises:
        InputError: layers that do not fit.
    """
    known, before = {name: part.shape for name, part in (parts or {}).items()} | {INPUT: shape}, INPUT
    stepped: dict[str, int | None] = {}
    for number, layer in enumerate(layers, start=1):
        # what is not known is named when the network is made
        source = layer.fed_by(before, parts or {})[0]
        layout, shape = layer.layout, known.get(source, shape)
        of_input = source == INPUT or source in (parts or {})
        locations = None
        if layer.over == LOCATION:
            locations = stepped.get(source)
            if locations is None:
                locations, shape = math.prod(shape), (steps,)
        resampling = resampling_of(shape, layer.pool, layer.upsample)
        shape = shape if resampling is None else resampling.shape
        if isinstance(layout, Convolution):
            image, own = one_group(as_image(shape), layout, rails if of_input else 1)
            sides = output_sides(image, own)
            rows, places = image[0] * own.kernel**2, math.prod(sides)
            yield LayerSize(rows, own.channels, places, convolution=True, arrays=layout.groups)
            shape = (layout.channels, *sides)
        else:
            columns = classes if layout is None else layout
            yield LayerSize(math.prod(shape), columns, 1, convolution=False, locations=locations)
            shape = (columns,)
        before = layer.name or f"layer{number}"
        known[before], stepped[before] = shape, locations


def training_memory(shape: tuple[int, ...], classes: int, study: Study, *, rails: int = 1) -> float:
    """Bytes that training takes beside the program and its data; arrays and converters of stages take more."""
    steps = _samples(study)
    of_circuits = BYTES_A_SAMPLE if find_compiler() else BYTES_A_SAMPLE_IN_TORCH
    sample = BYTES_A_SPIKE if study.discrete else of_circuits
    needed, parts = 0.0, parts_of(shape, study.inputs, rails)
    sizes = layer_sizes(shape, classes, study.every_layer, parts, rails, steps=study.time_steps)
    for number, layer in enumerate(sizes):
        # the first layer of circuits is read once for each pulse
        instants = steps if number or study.discrete else study.drive.slots
        normalised = BYTES_A_NORMALISED if study.every_layer[number].norm else 0
        kept = (sample + normalised) * (layer.locations or steps) * layer.columns * layer.places
        if layer.convolution:
            kept += BYTES_A_PIXEL * instants * layer.rows * layer.places
        again = study.every_layer[number].recurrent * layer.columns
        one = BYTES_A_WEIGHT * (layer.rows + again) * layer.columns + study.batch * kept
        needed += layer.arrays * one
    return needed


def _samples(study: Study) -> float:
    """Of time, for each input."""
    return study.time_steps if study.discrete else min(study.window / study.step, MOST_STEPS) + 1


def check_training(shape: tuple[int, ...], classes: int, study: Study, *, rails: int = 1) -> str:
    """What to know before training starts: nothing, or that it takes a large part of the memory.

    Raises:
        InputError: it takes more than there is.
    """
    needed = training_memory(shape, classes, study, rails=rails)
    check_memory(
        f"training in batches of {study.batch} over {_samples(study) - 1:.3g} steps",
        needed,
        f"make batch{', steps' if study.discrete else ''} or hidden smaller"
        + ("" if study.discrete else ", or step longer"),
    )
    return f"training takes about {format_bytes(needed)} of memory" if is_large(needed) else ""
