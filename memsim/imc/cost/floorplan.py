"""Where a network goes: arrays, copies, tiles, and how large they are.

As in NeuroSim, layers work as a pipeline, and those of large images are copied until they keep up: with sides H of the
images of convolutions, a layer gets (H / H_0)^2 copies, where H_0 = H_max / min(speed_up, H_max / H_min). A tile holds
as many copies of a small layer as fit, if tiles are filled; a larger layer takes several tiles. Where a layer is wider
than a tile of the card, all tiles are twice as wide and as high.

A chip with fewer tiles than that has one copy of each layer, and where these are still too many, it is programmed anew,
part after part, in each inference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from memsim.imc.cost.accounting import Accounting
from memsim.imc.cost.sensing import conversion
from memsim.imc.cost.technology import Constants
from memsim.imc.hardware import HardwareCard
from memsim.imc.workloads import LayerShape, Workload


@dataclass(frozen=True)
class LayerPlan:
    """A layer on arrays.

    Attributes:
        shape: of the layer.
        steps: of an inference.
        row_tiles, column_tiles: arrays below and beside each other that hold it once.
        tile_rows, tile_columns: tiles of arrays below and beside each other that hold it once.
        copies: of the layer.
        tiles: that it takes with all copies.
    """

    shape: LayerShape
    steps: int
    row_tiles: int
    column_tiles: int
    tile_rows: int
    tile_columns: int
    copies: int
    tiles: int


@dataclass(frozen=True)
class Floorplan:
    """A network on a chip.

    Attributes:
        card: the hardware.
        side: arrays along each side of a tile.
        constants: of its technology.
        steps: of an inference, which registers hold as one serial input.
        layers: in the order of the network.
        accounting: what is charged.
        digital: whether there is a digital unit.
    """

    card: HardwareCard
    side: int
    constants: Constants
    steps: int
    layers: tuple[LayerPlan, ...]
    accounting: Accounting
    digital: bool = False

    @property
    def units(self) -> int:
        """Arrays along each side of a quarter of a tile, whose sums meet first."""
        return max(self.side // 2, 1)

    @property
    def tiles(self) -> int:
        """Of the chip."""
        on_chip = self.card.tiles.on_chip
        return self.tiles_needed if on_chip is None else on_chip

    @property
    def tiles_needed(self) -> int:
        """Of the network."""
        return sum(layer.tiles for layer in self.layers)

    @property
    def passes(self) -> int:
        """Times that the chip is programmed in each inference; 1 where it holds the whole network."""
        return math.ceil(self.tiles_needed / self.tiles)

    @property
    def converters(self) -> float:
        """Of one array."""
        pairs = self.card.array.columns / (self.card.lines // self.card.slices)
        return pairs / self.card.converter.columns

    @property
    def digit_register(self) -> int:
        """Bits of the register that adds the digits of a weight up."""
        return self.card.converter.bits + self.card.slices

    @property
    def step_register(self) -> int:
        """Bits of the register that adds time steps up; none for a single step."""
        if self.steps == 1:
            return 0
        return self.card.accumulation.width if self._sized else self.digit_register + self.steps

    @property
    def sum_bits(self) -> int:
        """Bits of a sum over row tiles."""
        if self._sized:
            return self.card.accumulation.width
        return (
            self.card.converter.bits
            + self.card.slices
            + self.steps
            + 1
            + math.ceil(math.log2(2 * self.units))
        )

    @property
    def flip_flops(self) -> float:
        """Of one tile: registers of accumulators and of word lines."""
        registers = 0.0 if self.analog else self.converters * (self.digit_register + self.step_register)
        return self.side**2 * (registers + self.card.array.rows)

    @property
    def buffer_bits(self) -> float:
        """Of one tile."""
        if self._sized:
            return self.card.tiles.buffer_bits
        # one column of arrays for each quarter, and one of quarters for the tile
        one = self.card.array.rows * self.steps + self.converters * self.sum_bits
        return (self.units**2 + self.units) * one

    @property
    def buffer_area(self) -> float:
        """Of one bit [m2]."""
        return self.constants.buffer_area if self._sized else self.constants.flip_flop_area

    @property
    def buffer_energy(self) -> float:
        """Of one bit in and out of the buffer of a tile [J]."""
        c = self.constants
        growth = math.sqrt(self.buffer_bits / c.buffer_size) if self._sized else 1.0
        return c.buffer_energy * growth

    @property
    def analog(self) -> bool:
        """Whether partial sums are added on membranes, and not in digital counters."""
        return self.card.accumulation.kind == "analog"

    @cached_property
    def tile_areas(self) -> dict[str, float]:
        """Parts of one tile [m2]."""
        c, array, arrays = self.constants, self.card.array, self.side**2
        columns = array.columns + (self.accounting.reference and not self.card.differential)
        adders = 0.0 if self.analog else self.converters * (2 * self.digit_register + self.sum_bits)
        registers = 0.0 if self.analog else self.converters * (self.digit_register + self.step_register)
        parts = {
            "array": arrays * array.rows * columns * c.cell_pitch**2,
            "converters": arrays * self.converters * conversion(self.card, c, self.accounting).area,
            "drivers": arrays * (array.rows + columns) * c.line_area,
            "accumulators": arrays * (registers * c.flip_flop_area + adders * c.adder_area),
            "buffers": self.buffer_bits * self.buffer_area,
        }
        wiring = (c.layout - 1) * sum(parts.values())
        return {**parts, "interconnect": wiring}

    @property
    def global_buffer_bits(self) -> float:
        """Half of all inputs over all steps, as much as is on its way in the pipeline; all of what is kept."""
        flowing = (layer for layer in self.layers if not layer.shape.kept)
        return self.kept_bits + sum(layer.steps * math.prod(layer.shape.input) for layer in flowing) / 2

    @property
    def kept_bits(self) -> int:
        """Inputs that are kept until layers which need them all begin."""
        kept = (layer for layer in self.layers if layer.shape.kept)
        return sum(layer.steps * math.prod(layer.shape.input) for layer in kept)

    @property
    def tile_length(self) -> float:
        """Side of a tile [m]."""
        return math.sqrt(sum(self.tile_areas.values()))

    @property
    def wire_length(self) -> float:
        """From the global buffer to a tile [m]."""
        return self.constants.tree_length * math.ceil(math.sqrt(self.tiles)) * self.tile_length

    def tile_share(self, layer: LayerPlan) -> float:
        """Share of the tiles of the network that a layer takes."""
        return layer.tiles / self.tiles_needed

    def spilled(self, layer: LayerPlan, bits_in: float) -> float:
        """Share of the inputs of a layer that its tiles cannot buffer: two vectors for each copy, beside its sums."""
        if not self._sized:
            return 0.0
        copies = math.ceil(layer.copies * layer.tile_rows * layer.tile_columns / layer.tiles)
        inputs = 2 * bits_in * min(1.0, self.side * self.card.array.rows / layer.shape.rows)
        sums = min(layer.shape.neurons, self.side * self.card.neurons) * self.sum_bits
        return max(0.0, 1 - self.buffer_bits / (copies * (inputs + sums)))

    @property
    def lanes(self) -> int:
        """Multiply-accumulate units of the digital unit."""
        return self.card.digital.lanes if self.digital else 0

    @property
    def cells(self) -> float:
        """That are programmed for the network, reference columns included."""
        references = self.accounting.reference and not self.card.differential
        return sum(
            layer.copies
            * layer.shape.rows
            * (layer.shape.neurons * self.card.lines + references * layer.column_tiles)
            for layer in self.layers
        )

    @property
    def _sized(self) -> bool:
        return self.accounting.sizes == "card"


def floorplan(
    workload: Workload, card: HardwareCard, constants: Constants, accounting: Accounting
) -> Floorplan:
    """Place a network on a chip that is just large enough, or on as many tiles as the card has."""
    shapes = workload.on_arrays
    side = max(math.isqrt(card.tiles.arrays), 1)
    if max(layer.neurons for layer in shapes) > side * card.neurons:
        side *= 2
    copies = _copies(shapes, constants.speed_up)
    if not accounting.fill_tiles:
        most = (math.ceil(layer.positions(accounting.positions)) for layer in shapes)
        copies = [min(count, max(limit, 1)) for count, limit in zip(copies, most, strict=True)]

    def placed(counts: Sequence[int]) -> Floorplan:
        layers = [
            _placed(shape, shape.steps or workload.steps, card, side, count, filled=accounting.fill_tiles)
            for shape, count in zip(shapes, counts, strict=True)
        ]
        digital = accounting.surroundings and any(p.macs or p.operations for p in workload.digital_parts())
        return Floorplan(card, side, constants, workload.steps, tuple(layers), accounting, digital)

    plan = placed(copies)
    return plan if plan.tiles_needed <= plan.tiles else placed([1] * len(shapes))


def _placed(
    shape: LayerShape, steps: int, card: HardwareCard, side: int, copies: int, *, filled: bool
) -> LayerPlan:
    rows, columns = math.ceil(shape.rows / card.array.rows), math.ceil(shape.neurons / card.neurons)
    tile_rows, tile_columns = math.ceil(rows / side), math.ceil(columns / side)
    fitting = (side // rows if tile_rows == 1 else 1) * (side // columns if tile_columns == 1 else 1)
    sets = math.ceil(copies / fitting)
    made = sets * fitting if filled else copies
    return LayerPlan(
        shape, steps, rows, columns, tile_rows, tile_columns, made, sets * tile_rows * tile_columns
    )


def _copies(shapes: Sequence[LayerShape], speed_up: float) -> list[int]:
    images = [layer.input[1] for layer in shapes if layer.kernel > 1]
    if not images:
        return [1] * len(shapes)
    largest = max(layer.input[1] for layer in shapes)
    bound = math.ceil(largest / min(speed_up, largest // min(images)))
    return [max(math.ceil((layer.input[1] / bound) ** 2), 1) for layer in shapes]
