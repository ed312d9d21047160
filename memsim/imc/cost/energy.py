"""Energy of an inference, part by part.

Of a layer, with V = positions x steps vectors, R x C bit lines and rows, n conversions for each vector, and k pulses
on a word line for each of them:

    array          V (column_energy G + k c_line ((rows that spike) (turns at a converter) V_dd^2 + C V_read^2))
    converters     V n (energy of a conversion)
    drivers        V k (turns at a converter) (word lines) flip_flop
    accumulators   V n (digits of a weight) + share V n / slices (steps) + share (adds of row tiles)
    buffers        bits into and out of tiles, of their quarters, and of the global buffer
    interconnect   bits (length inside a tile), and bits (length across the chip)
    neurons        updates

where G is the conductance of all bit lines at the rows that spike; those that wait for a shared converter float, and
take nothing. Converters, accumulators and word lines are skipped with the events of a read, if they are, and bits are
then addresses of spikes where those are fewer. Inputs that the buffer of a tile cannot hold go to the global buffer and
come back.

Of the whole chip:

    digital        (multiply-accumulates) mac_energy + (sums, comparisons) operation_energy, of what is not on arrays,
                   and updates of the neurons behind digital layers
    memory         bits of inputs and outputs, and of weights that are loaded anew
    programming    V_write^2 G t_write (pulses) for each cell, where a network does not fit and is programmed anew
    leakage        of all parts at all times
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from memsim.imc.cost.floorplan import Floorplan, LayerPlan
from memsim.imc.cost.sensing import conversion, pulses
from memsim.imc.workloads import DigitalPart, Workload

COMPONENTS = (
    "array",
    "converters",
    "drivers",
    "accumulators",
    "buffers",
    "interconnect",
    "neurons",
    "digital",
    "memory",
    "programming",
    "leakage",
)
"""In the order of tables and figures."""


@dataclass(frozen=True)
class Traffic:
    """What a layer does in one inference.

    Attributes:
        vectors: that are read: positions times steps, times bits of serial inputs and signs.
        updates: of neurons.
        rate: share of word lines with a spike.
        awake: share of array reads that take place.
        bits_in: of one vector into the layer.
        bits_out: of its spikes for one vector, after pooling.
        spilled: of bits_in, those that the buffers of its tiles cannot hold.
    """

    vectors: float
    updates: float
    rate: float
    awake: float
    bits_in: float
    bits_out: float
    spilled: float

    @property
    def across(self) -> float:
        """Bits of one vector between the global buffer and tiles; what spilled goes back and comes again."""
        return self.bits_in + self.bits_out + 2 * self.spilled


def traffic(plan: Floorplan, layer: LayerPlan, rate: float, *, skip_events: bool) -> Traffic:
    """What a layer does.

    Args:
        plan: of the chip.
        layer: one of its layers.
        rate: share of inputs that spike in a step.
        skip_events: whether an array none of whose word lines has a spike is not read, and spikes travel as addresses
            where that takes fewer bits.
    """
    shape, inputs = layer.shape, plan.card.inputs
    positions = shape.positions(plan.accounting.positions)
    serial = shape.rails * (inputs.bits if inputs.coding == "bit-serial" else 1)
    words = 1 if inputs.coding == "binary" else inputs.bits
    rows = shape.rows * words * shape.rails / serial
    outputs = shape.neurons * words / (4 if shape.pooled else 1) / serial
    awake = 1.0
    if skip_events:
        awake = 1 - (1 - rate) ** (shape.rows / layer.row_tiles)
        rows = min(rows, shape.rows * rate * math.ceil(math.log2(max(shape.rows, 2))))
    return Traffic(
        vectors=positions * layer.steps * serial,
        updates=shape.outputs() * layer.steps,
        rate=rate,
        awake=awake,
        bits_in=rows,
        bits_out=outputs,
        spilled=rows * plan.spilled(layer, rows),
    )


def energies(plan: Floorplan, layer: LayerPlan, flow: Traffic) -> dict[str, float]:
    """Energy of each component that a layer has for itself [J]."""
    neurons = flow.updates * plan.constants.neuron_energy if plan.accounting.neurons else 0.0
    return {
        "array": flow.vectors * _array(plan, layer, flow),
        "converters": flow.vectors * flow.awake * _converters(plan, layer),
        "drivers": flow.vectors * flow.awake * _drivers(plan, layer),
        "accumulators": 0.0 if plan.analog else _accumulators(plan, layer, flow),
        "buffers": flow.vectors * _buffers(plan, layer, flow),
        "interconnect": flow.vectors * _interconnect(plan, layer, flow),
        "neurons": neurons,
    }


def column_conductance(plan: Floorplan, layer: LayerPlan, rate: float) -> float:
    """That a read of all rows of one bit line meets [S]: as simulated, or expected with half of the cells on."""
    if layer.shape.conductance is not None:
        return layer.shape.conductance
    return layer.shape.rows * rate * plan.card.cell.conductance_mean


def _array(plan: Floorplan, layer: LayerPlan, flow: Traffic) -> float:
    c, card = plan.constants, plan.card
    columns = layer.shape.neurons * card.lines
    if plan.accounting.reference and not card.differential:
        columns += layer.column_tiles
    taken = conversion(card, c, plan.accounting).column_energy * column_conductance(plan, layer, flow.rate)
    line = c.wire_capacitance * c.cell_pitch
    words = line * card.array.columns * layer.column_tiles * card.converter.columns * c.supply**2
    bits = line * card.array.rows * layer.row_tiles * card.cell.read_voltage**2
    charged = pulses(card) * (columns * flow.awake * bits + layer.shape.rows * flow.rate * words)
    return columns * taken + charged


def _conversions(plan: Floorplan, layer: LayerPlan) -> float:
    return layer.row_tiles * layer.shape.neurons * plan.card.slices


def _converters(plan: Floorplan, layer: LayerPlan) -> float:
    return _conversions(plan, layer) * conversion(plan.card, plan.constants, plan.accounting).energy


def _drivers(plan: Floorplan, layer: LayerPlan) -> float:
    lines = layer.row_tiles * plan.card.array.rows * layer.column_tiles
    return lines * pulses(plan.card) * plan.card.converter.columns * plan.constants.flip_flop_energy


def _accumulators(plan: Floorplan, layer: LayerPlan, flow: Traffic) -> float:
    c, card = plan.constants, plan.card
    share = plan.accounting.sums_share(card.converter.columns, card.slices)
    digits = plan.digit_register * c.flip_flop_energy + card.converter.bits * c.adder_energy
    steps = plan.step_register * c.flip_flop_energy + plan.digit_register * c.adder_energy
    if not plan.step_register:
        steps = 0.0
    sums = _conversions(plan, layer) * (digits + share * steps / card.slices)
    return flow.vectors * flow.awake * sums + _tree(plan, layer, flow, share)


def _tree(plan: Floorplan, layer: LayerPlan, flow: Traffic, share: float) -> float:
    """Adds of row tiles, once for all steps; where so accounted, also of tiles that hold copies."""
    outputs = flow.vectors / layer.steps * layer.shape.neurons
    adds = share * (layer.row_tiles - 1)
    if plan.accounting.copies_added:
        adds += layer.tiles / layer.tile_columns - layer.tile_rows
    return outputs * adds * plan.sum_bits * plan.constants.adder_energy


def _buffers(plan: Floorplan, layer: LayerPlan, flow: Traffic) -> float:
    c = plan.constants
    quarters_down = math.ceil(layer.row_tiles / plan.units)
    quarters_along = math.ceil(layer.column_tiles / plan.units)
    sums = layer.shape.neurons * plan.sum_bits / layer.steps
    tile = flow.bits_in * layer.tile_columns + sums * layer.tile_rows
    quarter = flow.bits_in * quarters_along + sums * quarters_down
    chip = flow.across if plan.accounting.sizes == "card" else 0.0
    return tile * plan.buffer_energy + quarter * c.flip_flop_energy + chip * c.buffer_energy


def _interconnect(plan: Floorplan, layer: LayerPlan, flow: Traffic) -> float:
    sums = layer.shape.neurons * plan.sum_bits / layer.steps
    inside = (flow.bits_in * layer.tile_columns + sums * layer.tile_rows) * plan.tile_length
    across = flow.across * plan.wire_length
    return (inside + across) * plan.constants.wire_energy


def digital_energy(plan: Floorplan, part: DigitalPart) -> float:
    """Of a part that is computed beside the arrays, for an inference [J]."""
    c = plan.constants
    updates = part.updates * c.neuron_energy if plan.accounting.neurons else 0.0
    return plan.steps * (part.macs * c.mac_energy + part.operations * c.operation_energy + updates)


def programming_energy(plan: Floorplan) -> float | None:
    """Of all cells of a network, once [J]; None where the card does not say how a cell is written."""
    cell = plan.card.cell
    if cell.write_voltage is None or cell.write_time is None:
        return None
    pulse = cell.write_voltage**2 * cell.conductance_mean * cell.write_time
    return plan.cells * pulse * (cell.write_pulses or 1.0)


def memory_bits(plan: Floorplan, workload: Workload) -> float:
    """That cross the edge of the chip in an inference: inputs, outputs, and weights that are loaded anew."""
    taken, given = workload.ends
    inputs = taken * plan.steps * plan.card.inputs.bits
    outputs = given * plan.card.accumulation.width
    weights = sum(layer.weights for layer in workload.on_arrays) * plan.card.weights.bits
    return inputs + outputs + (weights if plan.passes > 1 else 0)
