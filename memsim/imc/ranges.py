"""A mapped network fitted to data before it is calibrated or trained: ranges of inputs, and steps of ADCs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.imc.converters import Adc
from memsim.imc.crossbars import MappedCrossbar
from memsim.imc.digital import run_watched
from memsim.imc.groups import GroupedLayers
from memsim.imc.layers import MappedLayer
from memsim.imc.mapping import evaluating, mapped_layers

STEPS_OF_AN_OCTAVE = 8
"""Steps of ADCs that are tried."""


def calibrate_inputs(
    model: nn.Module, inputs: Tensor, *, percentile: float = 100.0
) -> dict[str, tuple[float, float]]:
    """Set the range of inputs that each layer shows, layer by layer as inputs pass.

    Layers with negative inputs are then read twice for each vector, for what is positive and for what is negative.
    Inputs beyond the range are clipped; `observe` tells their share. Ranges of memristive networks are those of the
    sample that these were mapped with, and stay. Groups of a convolution that get nothing but zeros share the widest
    range of the others.

    Args:
        model: a mapped network; its ranges alone are changed, none if this fails.
        inputs: as it takes them, without labels.
        percentile: of inputs above zero and of those below, in each call of a layer, that lie within its range.

    Returns:
        Ranges by the names of layers.

    Raises:
        InputError: a percentile that is none, layers that get nothing but zeros, or an accumulator too narrow for
            inputs of both signs.
    """
    if not 0 < percentile <= 100:
        raise InputError(f"percentile = {percentile:g} is out of range; allowed: above 0, at most 100")
    held = {module.layer for module in model.modules() if isinstance(module, MappedCrossbar)}
    layers = {name: layer for name, layer in mapped_layers(model).items() if layer not in held}
    before = {name: layer.coding for name, layer in layers.items()}
    ranges = {name: _Range(percentile / 100) for name in layers}
    try:
        with evaluating(model):
            run_watched(model, inputs, [(layer, ranges[name]) for name, layer in layers.items()])
        for name, found in ranges.items():
            if not found.some:
                _share_range(layers[name], found, _beside(model, name, ranges))
    except BaseException:
        for name, layer in layers.items():
            layer.coding = before[name]
        raise
    return {name: (found.low, found.high) for name, found in ranges.items()}


def calibrate_steps(model: nn.Module, inputs: Tensor) -> Mapping[str, float]:
    """Set the step of the ADCs of each layer to the one with the least square error of what they read, as inputs pass.

    Fit the ranges of inputs first: sums follow them.

    Args:
        model: a mapped network.
        inputs: as it takes them, without labels.

    Returns:
        Steps in LSB by the names of layers.

    Raises:
        InputError: no layer that is read by ADCs.
    """
    layers = {name: layer for name, layer in mapped_layers(model).items() if layer.card.converter.adc}
    if not layers:
        raise InputError(
            "no layer is read by ADCs, so no step can be set; give a card with flash or sar converters"
        )
    errors = {name: _Errors() for name in layers}
    with evaluating(model):
        run_watched(model, inputs, [(layer, errors[name]) for name, layer in layers.items()])
    return {name: layer.card.step for name, layer in layers.items()}


def _beside(model: nn.Module, name: str, ranges: Mapping[str, _Range]) -> list[_Range]:
    """Ranges of the other groups of a convolution."""
    groups, _, _ = name.rpartition(".")
    beside = isinstance(model.get_submodule(groups.rpartition(".")[0]), GroupedLayers)
    return [found for other, found in ranges.items() if beside and other.rpartition(".")[0] == groups]


def _share_range(layer: MappedLayer, found: _Range, others: list[_Range]) -> None:
    """Give a group that gets no input the widest range of the others.

    Raises:
        InputError: none of them gets any, either.
    """
    found.low = min((other.low for other in others), default=0.0)
    found.high = max((other.high for other in others), default=0.0)
    if not found.some:
        raise InputError(f"{layer.name} gets no input but zero; give inputs that reach all layers")
    layer.fit_inputs(found.low, found.high)


class _Range:
    """Of the inputs of one layer, over all of its uses so far.

    Args:
        share: of inputs on either side of zero that lie within.
    """

    def __init__(self, share: float) -> None:
        self.share, self.low, self.high = share, 0.0, 0.0

    def __call__(self, module: nn.Module, given: tuple[Tensor, ...]) -> None:
        values = given[0].detach().flatten()
        self.high = max(self.high, self._end(values[values > 0]))
        self.low = min(self.low, -self._end(-values[values < 0]))
        if self.some:
            cast("MappedLayer", module).fit_inputs(self.low, self.high)

    @property
    def some(self) -> bool:
        """Whether there was any input but zero."""
        return self.high > self.low

    def _end(self, values: Tensor) -> float:
        count = len(values)
        return float(values.kthvalue(max(1, math.ceil(self.share * count))).values) if count else 0.0


class _Errors:
    """Of the reads of one layer by ADCs of each step, over all of its uses so far."""

    def __init__(self) -> None:
        self.errors: Tensor | None = None

    def __call__(self, module: nn.Module, given: tuple[Tensor, ...]) -> None:
        layer = cast("MappedLayer", module)
        sums = [layer.partial_sums(part, counts=counts) for part, counts in layer.shown(given[0])]
        tried = _steps(layer)
        found = torch.stack([sum((_error(layer, step, p) for p in sums), torch.zeros(())) for step in tried])
        self.errors = found if self.errors is None else self.errors + found
        layer.fit_step(tried[int(self.errors.argmin())])


def _steps(layer: MappedLayer) -> list[float]:
    """From the finest difference of sums to the one with which codes reach all sums."""
    card, finest = layer.card, layer.card.finest_step
    rows = min(layer.rows, card.array.rows)
    largest = rows * (card.cell.levels - 1) * layer.coding.pulses / 2 ** (card.converter.bits - 1)
    octaves = max(0.0, math.log2(largest / finest))
    return [
        finest * 2 ** (n / STEPS_OF_AN_OCTAVE) for n in range(math.ceil(octaves * STEPS_OF_AN_OCTAVE) + 1)
    ]


def _error(layer: MappedLayer, step: float, p: Tensor) -> Tensor:
    """Square error of sums as even ADCs read them."""
    even = Adc(bits=layer.card.converter.bits, step=step)
    return (even.reads(p, p.new_zeros(()), None) - p).double().square().sum()
