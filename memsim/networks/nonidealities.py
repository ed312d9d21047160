"""Non-idealities of the crossbars of a whole network, while it trains or is tested."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from memsim.crossbar import Crossbar, Hardware, LognormalVariation, ReadNoise, StuckCells
from memsim.crossbar.nonidealities import Transform
from memsim.errors import InputError
from memsim.networks.network import Network
from memsim.networks.tables import NonidealityTable

MOST_STUCK = 100.0
"""Conductance of a stuck cell over the highest in use."""


@contextmanager
def realised(network: Network, table: NonidealityTable, generator: torch.Generator) -> Iterator[None]:
    """Hold the weights of a network on cells with these non-idealities.

    Everything random is drawn from `generator`, cells anew whenever weights have changed: at each update in training,
    once in a test. Afterwards the crossbars are what they were.

    Raises:
        InputError: non-idealities of a network without crossbars.
    """
    if table == NonidealityTable():
        yield
        return
    _check_crossbars(network, table)
    before = [(crossbar.hardware, crossbar.generator) for crossbar in network.crossbars]
    try:
        for crossbar in network.crossbars:
            crossbar.use(hardware(table, crossbar), generator)
        yield
    finally:
        for crossbar, (ideal, source) in zip(network.crossbars, before, strict=True):
            crossbar.use(ideal, source)


def _check_crossbars(network: Network, table: NonidealityTable) -> None:
    if network.crossbars:
        return
    usual = NonidealityTable()
    name, value = next(
        (name, value) for name, value in table.model_dump().items() if value != getattr(usual, name)
    )
    raise InputError(
        f"nonidealities: {name} = {value:g} changes nothing, because no weights of this network are cells of a "
        'crossbar; train it with synapse = "crossbar", or map it to a hardware card, whose own cells vary'
    )


def check_nonidealities(network: Network, table: NonidealityTable) -> None:
    """Raise InputError where stuck cells conduct more than those of the network could be short-circuited to."""
    stuck, highest = table.stuck_conductance, min((one.g_max for one in network.crossbars), default=math.inf)
    if stuck is not None and stuck > MOST_STUCK * highest:
        raise InputError(
            f"nonidealities: stuck_conductance = {stuck:g} S is out of range; allowed with cells of up to "
            f"{highest:g} S: at most {MOST_STUCK * highest:g} S"
        )


def hardware(table: NonidealityTable, crossbar: Crossbar) -> Hardware:
    """The arrays of a crossbar with these non-idealities."""
    transforms: list[Transform] = []
    if table.variation:
        transforms.append(LognormalVariation(table.variation))
    if table.stuck_rate:
        stuck = crossbar.g_max if table.stuck_conductance is None else table.stuck_conductance
        transforms.append(StuckCells(table.stuck_rate, stuck))
    return replace(
        crossbar.hardware,
        levels=table.levels,
        nonidealities=tuple(transforms),
        read_noise=ReadNoise(table.read_noise) if table.read_noise else None,
    )
