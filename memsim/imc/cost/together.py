"""A network on chips of several cards: each costs what its own layers cost, and they work as one pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from memsim.errors import InputError
from memsim.imc.cost.accounting import COMPLETE, Accounting
from memsim.imc.cost.model import cost
from memsim.imc.cost.results import Cost, LayerCost, Programming
from memsim.imc.hardware import HardwareCard
from memsim.imc.workloads import Workload

LINKS = "links between the chips of different cards are not counted"


def costs_of_cards(
    workload: Workload,
    card: HardwareCard,
    cards: Mapping[str, HardwareCard],
    *,
    accounting: Accounting = COMPLETE,
    skip_events: bool = False,
) -> list[Cost]:
    """What the layers of each card cost, one chip for each; digital parts are beside the first.

    Args:
        workload: the network.
        card: of layers that have none of their own.
        cards: of single layers, by the names that they have in the workload.
        accounting: what is charged.
        skip_events: whether arrays without any spike are not read.

    Raises:
        InputError: a card that is a whole chip by its memory or its number of tiles, beside others.
    """
    others = list(cards.values())
    every = [card, *(own for number, own in enumerate(others) if own not in others[:number])]
    whole = [one for one in every if one.memory is not None or one.tiles.on_chip is not None]
    if cards and whole:
        raise InputError(
            f"{whole[0].name} gives memory or tiles.on_chip, which are of a chip that holds all layers, and some are "
            "on other cards; leave these entries out, or give all layers one card"
        )
    found = []
    for one in every:
        layers = tuple(layer for layer in workload.layers if cards.get(layer.name, card) == one)
        share = workload.model_copy(update={"layers": layers, "parts": workload.parts if one is card else ()})
        found.append(cost(share, one, accounting=accounting, skip_events=skip_events))
    return found


def together(costs: Sequence[Cost]) -> Cost:
    """The cost of a network whose layers are on several chips; that of one where it is one.

    Chips leak as long as the slowest of them takes. The plan is that of the first.
    """
    first, *others = costs
    if not others:
        return first
    slowest = max(costs, key=lambda one: one.period)
    return replace(
        first,
        card=" + ".join(one.card for one in costs),
        technology=" + ".join(dict.fromkeys(one.technology for one in costs)),
        layers=tuple(layer for one in costs for layer in _leaking(one, slowest.period)),
        shared=_summed([one.shared for one in costs]),
        area=_summed([one.area for one in costs]),
        leakage_power=sum(one.leakage_power for one in costs),
        period=slowest.period,
        slowest=slowest.slowest,
        inference_time=sum(one.inference_time for one in costs),
        operations=sum(one.operations for one in costs),
        array_operations=sum(one.array_operations for one in costs),
        utilisation=_cells_in_use(costs),
        programming=_programmed(costs),
        currents=max((one.currents for one in costs), key=lambda reads: reads.column),
        remarks=(*(f"{text} ({one.card})" for one in costs for text in one.remarks), LINKS),
    )


def _leaking(one: Cost, period: float) -> list[LayerCost]:
    """Layers of a chip that waits for a slower one."""
    longer = period / one.period
    return [
        replace(layer, energy={**layer.energy, "leakage": layer.energy["leakage"] * longer})
        for layer in one.layers
    ]


def _summed(tables: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of each component."""
    return {name: sum(table.get(name, 0.0) for table in tables) for table in tables for name in table}


def _cells_in_use(costs: Sequence[Cost]) -> float:
    arrays = [(one.plan.tiles * one.plan.side**2, one.plan.card.array) for one in costs]
    cells = [count * array.rows * array.columns for count, array in arrays]
    return sum(one.utilisation * some for one, some in zip(costs, cells, strict=True)) / sum(cells)


def _programmed(costs: Sequence[Cost]) -> Programming | None:
    """All chips, one after the other; None where one does not say how."""
    known = [one.programming for one in costs if one.programming is not None]
    if len(known) < len(costs):
        return None
    return Programming(sum(one.energy for one in known), sum(one.time for one in known), 1)
