"""Mirror ratios that need no guessing: a calibration pass that gives each layer the swing that its neurons ask for.

Layer by layer, in order, the ratio r of the mirrors is set so that the peak potentials of a sample of inputs, at the
`QUANTILE` over neurons and inputs, are a share of the spike level: `HIDDEN` of those that drive other layers, `LAST` of
those that are read. Peaks grow with r, though not in proportion: r is multiplied by wanted over found until they agree.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from memsim.crossbar import Crossbar
from memsim.errors import ConvergenceError
from memsim.networks.layer import Layer
from memsim.networks.memristive import MemristiveNetwork

QUANTILE = 0.9
HIDDEN, LAST = 0.8, 0.25
WITHIN = 0.05
ROUNDS = 30
LARGEST_STEP = 4.0
"""A ratio is multiplied by no more than that in one round: neurons near their threshold answer steeply."""

SMALLEST = 1e-2
"""Of the ratio that suits neurons, what those get at least to whose outputs others are added, or they would be idle."""


def calibrate_gains(
    network: MemristiveNetwork, inputs: Tensor, generator: torch.Generator | None = None
) -> tuple[float, ...]:
    """Set the mirror ratio of each layer, and return them.

    Args:
        network: with its initial weights; changed.
        inputs: a sample of those that it will be trained with, [batch, ...].
        generator: source of the events of a drive that draws some.

    Raises:
        ConvergenceError: potentials that no ratio brings to the wanted ones. Where what is added to them from other
            layers is higher than that alone, the layer keeps its ratio, with a warning.
    """
    ratios = []
    for number, layer in enumerate(network.chain):
        share = LAST if number == len(network.chain) - 1 else HIDDEN
        first, wanted = ratio_of(layer), share * network.readout.level
        found = _calibrated(network, inputs, number, wanted, generator)
        if found is not None:
            if not _skipped_into(layer):
                raise ConvergenceError(
                    f"potentials of layer {layer.name!r} stay at {found:.3g} V where {wanted:.3g} V are wanted, "
                    "whatever the mirrors",
                    remedy="set synapses.mirror_ratio, or look at what the drive does.",
                )
            set_ratio(layer, first)
            warnings.warn(
                f"what skips into layer {layer.name!r} is {found:.3g} V high alone, where {wanted:.3g} V are wanted of "
                f"all; its mirrors have the ratio that suits its neurons, {first:g}; set synapses.mirror_ratio to "
                "choose another",
                stacklevel=2,
            )
        ratios.append(ratio_of(layer))
    return tuple(ratios)


def _calibrated(
    network: MemristiveNetwork,
    inputs: Tensor,
    number: int,
    wanted: float,
    generator: torch.Generator | None,
) -> float | None:
    """Set the ratio of a layer; None where its peak then is what is wanted, and else that peak [V]."""
    layer, found = network.chain[number], 0.0
    smallest = SMALLEST * ratio_of(layer) if _skipped_into(layer) else 0.0
    for _ in range(ROUNDS):
        found = _peak(network, inputs, number, generator)
        if ratio_of(layer) < smallest:
            break
        if abs(found / wanted - 1) <= WITHIN:
            return None
        factor = min(max(wanted / found if found else LARGEST_STEP, 1 / LARGEST_STEP), LARGEST_STEP)
        set_ratio(layer, factor * ratio_of(layer))
    return found


def _skipped_into(layer: Layer) -> bool:
    """Whether outputs of others are added to its own."""
    return any(join.synapse is None for join in layer.connections)


def ratio_of(layer: Layer) -> float:
    """Of the mirrors of a layer."""
    return _crossbars(layer)[0].mirror_ratio


def set_ratio(layer: Layer, ratio: float) -> None:
    """Give all mirrors that lead into a layer a ratio."""
    for crossbar in _crossbars(layer):
        crossbar.mirror_ratio = ratio


def _crossbars(layer: Layer) -> list[Crossbar]:
    return [module for module in layer.modules() if isinstance(module, Crossbar)]


def _peak(
    network: MemristiveNetwork, inputs: Tensor, number: int, generator: torch.Generator | None
) -> float:
    """At the quantile over neurons and inputs [V]."""
    with torch.no_grad():
        wave = network.waveforms(inputs, generator=generator, layers=number + 1)[-1]
    return float(wave.abs().amax(0).flatten().float().quantile(QUANTILE))
