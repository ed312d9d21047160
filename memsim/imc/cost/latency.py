"""Time of a layer for each inference.

Each vector takes, in cycles,

    read      m / copies                    m columns take turns at a converter
    digits    (m + m / slices) / copies     adds of digits and of steps
    sums      levels of the adder tree (cycles of an adder) / steps, of the arrays of a tile and of tiles
    tile      2 bits / width in and out of its buffers, and bits / wires of the tile
    chip      bits / bus_width (1 / share of the tiles + cycles of the wire)

One synchronous clock has the period of an array read of one pulse, so that a slow converter slows all of it down, or
that of digital parts, if it is longer; wires and adders take as many cycles as at `digital_clock`, and reads of many
pulses several. With decoupled clocks reads take as long as they do, and the rest has the period of the digital clock.

Layers work as a pipeline, and so do the digital unit and the memory off the chip: the slowest of all sets the period
between inferences, and one inference alone passes through all of them. A network that does not fit on its chip is no
pipeline: its layers wait for each other, and for the cells, which are written row by row in all arrays at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from memsim.imc.cost.energy import Traffic
from memsim.imc.cost.floorplan import Floorplan, LayerPlan
from memsim.imc.cost.sensing import conversion
from memsim.imc.workloads import DigitalPart


@dataclass(frozen=True)
class Stage:
    """Of the pipeline.

    Attributes:
        name: of a layer, or of what all layers share.
        seconds: that it takes for an inference.
        entry: of the card, that makes it faster; empty of a layer.
    """

    name: str
    seconds: float
    entry: str = ""


@dataclass(frozen=True)
class Cycles:
    """Cycles of one vector.

    Attributes:
        read: of arrays and converters.
        accumulate: of adders.
        tile: of buffers and wires of tiles.
        chip: of the global buffer and its wires.
    """

    read: float
    accumulate: float
    tile: float
    chip: float


def cycles(plan: Floorplan, layer: LayerPlan, flow: Traffic) -> Cycles:
    """Cycles of one vector in a layer."""
    columns = plan.card.converter.columns
    return Cycles(
        read=columns / layer.copies,
        accumulate=0.0 if plan.analog else _accumulate(plan, layer),
        tile=_tile(plan, layer, flow),
        chip=_chip(plan, layer, flow),
    )


def seconds(plan: Floorplan, layer: LayerPlan, flow: Traffic) -> float:
    """Time of a layer for one inference [s]; with skipped events, reads that do not take place take no time."""
    taken = cycles(plan, layer, flow)
    read, digital = periods(plan)
    accumulate = flow.awake * taken.accumulate * digital
    return flow.vectors * (flow.awake * taken.read * read + accumulate + (taken.tile + taken.chip) * digital)


def periods(plan: Floorplan) -> tuple[float, float]:
    """Of array reads, and of cycles of digital parts [s]."""
    read, clock = conversion(plan.card, plan.constants, plan.accounting), plan.card.clock
    if clock.kind == "decoupled":
        return read.duration, clock.digital_period
    cycle = max(read.period, clock.digital_period)
    return math.ceil(round(read.duration / cycle, 6)) * cycle, cycle


def digital_seconds(plan: Floorplan, part: DigitalPart) -> float:
    """Time of the digital unit for a part in one inference [s]."""
    _, period = periods(plan)
    return plan.steps * (part.macs + part.operations) / plan.card.digital.lanes * period


def programming_seconds(plan: Floorplan) -> float | None:
    """To write all arrays of the chip once, row by row [s]; None where the card does not say how a cell is written."""
    cell = plan.card.cell
    if cell.write_time is None:
        return None
    return plan.card.array.rows * cell.write_time * (cell.write_pulses or 1.0)


def _accumulate(plan: Floorplan, layer: LayerPlan) -> float:
    columns, slices = plan.card.converter.columns, plan.card.slices
    sums = plan.accounting.sums_share(columns, slices) * columns / slices
    add = math.ceil(plan.sum_bits * plan.constants.adder_delay / plan.constants.digital_clock)
    digits = columns if slices > 1 else 0
    inside = math.ceil(math.log2(min(layer.row_tiles, plan.side))) * add / layer.steps
    counted = (digits + sums * ((plan.step_register > 0) + inside)) / layer.copies
    return counted + _between_tiles(plan, layer) * add / layer.steps


def _between_tiles(plan: Floorplan, layer: LayerPlan) -> float:
    """Adds one after the other of tiles below each other, as many at once as a tile has converters along its side."""
    added = layer.tiles / layer.tile_columns if plan.accounting.copies_added else layer.tile_rows
    turns = layer.shape.neurons * layer.tile_columns / (plan.side * plan.converters)
    return math.ceil(math.log2(added)) * turns


def _tile(plan: Floorplan, layer: LayerPlan, flow: Traffic) -> float:
    array, wires = plan.card.array, plan.units * plan.card.array.rows
    inputs = flow.bits_in * min(1.0, plan.side * array.rows / layer.shape.rows)
    neurons = min(layer.shape.neurons, plan.side * plan.card.neurons)
    outputs = neurons * (1 + plan.sum_bits) / layer.steps
    sums = plan.units * plan.sum_bits
    grown = plan.accounting.sizes == "grown"
    lines_in = inputs / _buffer_width(plan, plan.steps * wires if grown else plan.buffer_bits, wires)
    lines_out = outputs / _buffer_width(plan, sums * plan.converters if grown else plan.buffer_bits, sums)
    return 2 * (lines_in + lines_out) + (inputs + outputs) / wires


def _buffer_width(plan: Floorplan, bits: float, line: int) -> float:
    """Bits per cycle: of all banks, as far as wires of the tile reach; of one line where not even a bank is needed."""
    c = plan.constants
    if bits < c.bank_bits:
        return line
    banks = min(math.ceil(bits / c.bank_bits), max(plan.units * plan.card.array.rows // c.bank_width, 1))
    return banks * c.bank_width


def _chip(plan: Floorplan, layer: LayerPlan, flow: Traffic) -> float:
    c = plan.constants
    length = plan.accounting.wire_delays * plan.wire_length
    wire = math.ceil(length * c.wire_delay / c.digital_clock)
    return flow.across / c.bus_width * (1 / plan.tile_share(layer) + wire)
