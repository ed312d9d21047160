"""What should be known of a chip before its numbers are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memsim.imc.cost.energy import Traffic, column_conductance
from memsim.imc.cost.floorplan import Floorplan
from memsim.imc.cost.latency import Stage
from memsim.units import format_si

RETICLE = 26e-3 * 33e-3
"""Largest field that a lithography scanner exposes [m2]."""


@dataclass(frozen=True)
class Currents:
    """Of the layer whose columns take most, in a read with as many spikes as its inputs have on average [A].

    Attributes:
        lsb: of one cell that is on, beyond one that is off, or of one level of several.
        column: at the end of one bit line.
        array: of all bit lines that are read at once.
    """

    lsb: float
    column: float
    array: float


def currents(plan: Floorplan, rates: Sequence[float]) -> Currents:
    """Of the reads of the network.

    Args:
        plan: of the chip.
        rates: share of word lines that are active, of each layer.
    """
    card = plan.card
    conductance = max(
        column_conductance(plan, layer, rate) / layer.row_tiles
        for layer, rate in zip(plan.layers, rates, strict=True)
    )
    column = card.cell.read_voltage * conductance
    return Currents(card.cell.lsb, column, column * card.array.columns / card.converter.columns)


def remarks(
    plan: Floorplan, flows: Sequence[Traffic], reads: Currents, area: float, slowest: Stage
) -> tuple[str, ...]:
    """What is unusual, in words.

    Args:
        plan: of the chip.
        flows: what each layer does.
        reads: currents of the largest reads.
        area: of the chip [m2].
        slowest: stage of the pipeline.
    """
    found = []
    most = plan.constants.line_current_most
    if reads.column > most:
        found.append(
            f"a column carries {format_si(reads.column, 'A', 2)} and an array {format_si(reads.array, 'A', 2)} "
            f"(1 LSB is {format_si(reads.lsb, 'A', 2)}), a bit line for years {format_si(most, 'A', 2)} at most; "
            "raise cell.resistance_on, or lower cell.read_voltage or array.rows"
        )
    if area > RETICLE:
        found.append(
            f"the chip of {area * 1e6:.0f} mm² is larger than the {RETICLE * 1e6:.0f} mm² that one exposure covers; "
            f"it takes {-(-area // RETICLE):.0f} dies, whose links are not counted"
        )
    spilled = [layer.shape.name for layer, flow in zip(plan.layers, flows, strict=True) if flow.spilled]
    if spilled:
        found.append(
            f"tiles.buffer_bits = {plan.card.tiles.buffer_bits} is too small for {', '.join(spilled)}, whose inputs go "
            "through the global buffer once more"
        )
    if plan.kept_bits:
        found.append(
            f"{plan.kept_bits} bits of events are kept in the global buffer until layers that need all of them begin"
        )
    if plan.passes > 1:
        found.append(
            f"the network takes {plan.tiles_needed} tiles, and the chip has {plan.tiles}; it is programmed "
            f"{plan.passes} times in each inference"
        )
    if plan.passes == 1 and slowest.entry:
        found.append(f"all layers wait for the {slowest.name}; raise {slowest.entry}")
    return tuple(found)
