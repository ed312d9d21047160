"""Every part of three networks on two chips, from the entries of the cards alone.

Written a second time from the definitions: loops over arrays, copies and steps where the model has closed forms, and
nothing of the model but its cards and shapes.
"""

from __future__ import annotations

import math

import pytest

from memsim.imc import load_hardware
from memsim.imc.cost import Cost, cost, load_technology
from memsim.imc.workloads import LayerShape, Workload, load_workload

NETWORKS, CHIPS = ("gesture", "vgg16", "resnet20"), ("adcless-64", "hp-adc-64")
REL = 1e-9  # sums of a few dozen terms in another order
LINES = 4  # bit lines of a weight of four bits in cells of one
COUNTER = 16
VECTORS_BUFFERED = 2
T = load_technology("neurosim-65nm").constants


class Hand:
    """Of one network on one chip.

    Args:
        workload: the network.
        chip: name of the card.
    """

    def __init__(self, workload: Workload, chip: str) -> None:
        self.net, self.card = workload, load_hardware(chip)
        self.steps = workload.steps
        self.flash = chip.startswith("hp-adc")
        self.turns = 8 if self.flash else 1
        self.levels = 31 if self.flash else 1
        self.sense = T.sense_time_most if self.flash else T.sense_time_least
        widest = max(layer.neurons for layer in workload.layers)
        self.side = 8 if widest > 4 * 16 else 4
        self.digits = (5 if self.flash else 1) + 4
        self.period = self.card.cell.read_time + self.sense + (T.sharing_delay if self.flash else 0)

    def shape(self, layer: LayerShape) -> dict[str, int]:
        rows = math.ceil(layer.rows / 64)
        columns = math.ceil(layer.neurons / 16)
        across, down = math.ceil(columns / self.side), math.ceil(rows / self.side)
        share = (self.side // rows if down == 1 else 1) * (self.side // columns if across == 1 else 1)
        copies = self.copies(layer)
        tiles = math.ceil(copies / share) * across * down
        return {
            "rows": rows,
            "columns": columns,
            "across": across,
            "down": down,
            "copies": copies,
            "tiles": tiles,
        }

    def copies(self, layer: LayerShape) -> int:
        images = [one.input[1] for one in self.net.layers if one.kernel == 3]
        largest = max(one.input[1] for one in self.net.layers)
        slowest = math.ceil(largest / min(8, largest // min(images)))
        wished = max(math.ceil((layer.input[1] / slowest) ** 2), 1)
        return min(wished, self.outputs(layer) // layer.neurons)

    @staticmethod
    def outputs(layer: LayerShape) -> int:
        sides = [(n + layer.padding - layer.kernel) // layer.stride + 1 for n in layer.input[1:]]
        return sides[0] * sides[1] * layer.neurons

    def vectors(self, layer: LayerShape) -> int:
        return self.outputs(layer) // layer.neurons * self.steps

    def spikes(self) -> float:
        return self.net.spike_rate * (self.steps - 1) / self.steps

    def energy(self) -> dict[str, float]:
        cell, found = self.card.cell, dict.fromkeys(("array", "converters", "drivers", "accumulators"), 0.0)
        found |= dict.fromkeys(("buffers", "interconnect", "neurons", "digital"), 0.0)
        mean = (1 / cell.resistance_on + 1 / cell.resistance_off) / 2
        line = T.wire_capacitance * T.cell_pitch * 64
        per_bit = T.buffer_energy * math.sqrt(self.card.tiles.buffer_bits / T.buffer_size)
        for layer in self.net.layers:
            at, vectors, out = self.shape(layer), self.vectors(layer), layer.neurons
            active = layer.rows * self.spikes()
            bit_lines = LINES * out + at["columns"]
            for _ in range(self.steps):
                reads = vectors / self.steps
                current = cell.read_voltage * active * mean
                charge = cell.read_voltage * current * (cell.read_time + self.sense)
                bits = at["rows"] * line * cell.read_voltage**2
                words = active * at["columns"] * self.turns * line * T.supply**2
                found["array"] += reads * (bit_lines * (charge + bits) + words)
                decided = self.levels * (T.level_power * self.sense + T.encoder_energy)
                found["converters"] += reads * at["rows"] * LINES * out * decided
                found["drivers"] += reads * at["rows"] * 64 * at["columns"] * self.turns * T.flip_flop_energy
                digit = self.digits * T.flip_flop_energy + (self.digits - 4) * T.adder_energy
                step = COUNTER * T.flip_flop_energy + self.digits * T.adder_energy
                found["accumulators"] += reads * at["rows"] * out * (4 * digit + step)
            once = vectors / self.steps
            found["accumulators"] += once * out * (at["rows"] - 1) * COUNTER * T.adder_energy
            half = self.side // 2
            tile_bits = vectors * layer.rows * at["across"] + once * out * COUNTER * at["down"]
            quarter_bits = vectors * layer.rows * math.ceil(at["columns"] / half)
            quarter_bits += once * out * COUNTER * math.ceil(at["rows"] / half)
            leaves = out / 4 if layer.pooled else out
            chip_bits = vectors * (layer.rows + leaves)
            found["buffers"] += tile_bits * per_bit + quarter_bits * T.flip_flop_energy
            found["buffers"] += chip_bits * T.buffer_energy
            length = T.tree_length * math.ceil(math.sqrt(self.tiles())) * self.tile_side()
            found["interconnect"] += T.wire_energy * (tile_bits * self.tile_side() + chip_bits * length)
            found["neurons"] += self.outputs(layer) * self.steps * T.neuron_energy
        found["digital"] = self.operations() * T.operation_energy
        found["leakage"] = self.leakage() * self.times()[0]
        return found

    def operations(self) -> float:
        pooled = sum(self.outputs(layer) for layer in self.net.layers if layer.pooled)
        return self.steps * (pooled + sum(part.operations for part in self.net.parts))

    def tiles(self) -> int:
        return sum(self.shape(layer)["tiles"] for layer in self.net.layers)

    def tile(self) -> dict[str, float]:
        arrays, converters = self.side**2, 64 // self.turns
        registers = converters * (self.digits + COUNTER)
        adders = converters * (2 * self.digits + COUNTER)
        return {
            "array": arrays * 64 * 65 * T.cell_pitch**2,
            "converters": arrays * converters * self.levels * T.level_area,
            "drivers": arrays * (64 + 65) * T.line_area,
            "accumulators": arrays * (registers * T.flip_flop_area + adders * T.adder_area),
            "buffers": self.card.tiles.buffer_bits * T.buffer_area,
        }

    def tile_side(self) -> float:
        return math.sqrt(T.layout * sum(self.tile().values()))

    def chip_buffer(self) -> float:
        return self.steps * sum(math.prod(layer.input) for layer in self.net.layers) / 2

    def neurons(self) -> int:
        return sum(layer.neurons * self.copies(layer) for layer in self.net.layers)

    def area(self) -> dict[str, float]:
        tile = self.tile()
        found = {name: self.tiles() * area for name, area in tile.items()}
        found["interconnect"] = self.tiles() * (T.layout - 1) * sum(tile.values())
        found["buffers"] += self.chip_buffer() * T.buffer_area
        found["neurons"] = self.neurons() * T.neuron_area
        found["digital"] = self.card.digital.lanes * T.lane_area
        return found

    def leakage(self) -> float:
        converters = 64 // self.turns
        registers = self.side**2 * (converters * (self.digits + COUNTER) + 64)
        bits = self.tiles() * (registers + self.card.tiles.buffer_bits) + self.chip_buffer()
        lanes = self.card.digital.lanes * T.lane_leakage
        return bits * T.flip_flop_leakage + self.neurons() * T.neuron_leakage + lanes

    def times(self) -> tuple[float, float]:
        """Period of the pipeline, and of one inference alone."""
        stages = [self.vectors(layer) * self.cycles(layer) * self.period for layer in self.net.layers]
        stages.append(self.operations() / self.card.digital.lanes * self.period)
        return max(stages), sum(stages)

    def cycles(self, layer: LayerShape) -> float:
        at, out, copies = self.shape(layer), layer.neurons, self.copies(layer)
        add = math.ceil(COUNTER * T.adder_delay / T.digital_clock) / self.steps
        inside = math.ceil(math.log2(min(at["rows"], self.side))) * add
        converters = 64 // self.turns
        between = math.ceil(math.log2(at["down"])) * out * at["across"] / (self.side * converters) * add
        sums = (self.turns + self.turns / 4 * (1 + inside)) / copies + between
        wires = self.side // 2 * 64
        banks = min(math.ceil(self.card.tiles.buffer_bits / T.bank_bits), max(wires // T.bank_width, 1))
        inputs = min(layer.rows, self.side * 64)
        outputs = min(out, self.side * 16) * (1 + COUNTER) / self.steps
        tile = (inputs + outputs) * (2 / (banks * T.bank_width) + 1 / wires)
        length = T.tree_length * math.ceil(math.sqrt(self.tiles())) * self.tile_side()
        hops = math.ceil(length * T.wire_delay / T.digital_clock) + self.tiles() / at["tiles"]
        chip = (layer.rows + (out / 4 if layer.pooled else out)) / T.bus_width * hops
        return self.turns / copies + sums + tile + chip

    def fits(self) -> bool:
        """Whether every tile can buffer its inputs and sums."""
        return all(self._needed(layer) <= self.card.tiles.buffer_bits for layer in self.net.layers)

    def _needed(self, layer: LayerShape) -> float:
        at = self.shape(layer)
        copies = math.ceil(at["copies"] * at["across"] * at["down"] / at["tiles"])
        inputs = VECTORS_BUFFERED * min(layer.rows, self.side * 64)
        return copies * (inputs + min(layer.neurons, self.side * 16) * COUNTER)


@pytest.fixture(params=[(net, chip) for net in NETWORKS for chip in CHIPS], ids="-".join)
def both(request: pytest.FixtureRequest) -> tuple[Cost, Hand]:
    net, chip = request.param
    workload = load_workload(net)
    return cost(workload, load_hardware(chip)), Hand(workload, chip)


def test_energy_of_every_part(both: tuple[Cost, Hand]) -> None:
    made, hand = both
    assert hand.fits()
    energies = {name: energy for name, energy in made.energy.items() if energy}
    assert energies == pytest.approx(hand.energy(), rel=REL, abs=0)


def test_area_of_every_part_and_leakage(both: tuple[Cost, Hand]) -> None:
    made, hand = both
    assert made.area == pytest.approx(hand.area(), rel=REL, abs=0)
    assert made.leakage_power == pytest.approx(hand.leakage(), rel=REL, abs=0)


def test_period_and_time_of_one_inference(both: tuple[Cost, Hand]) -> None:
    made, hand = both
    assert (made.period, made.inference_time) == pytest.approx(hand.times(), rel=REL, abs=0)


def test_operations_and_programming(both: tuple[Cost, Hand]) -> None:
    made, hand = both
    cell = hand.card.cell
    mean = (1 / cell.resistance_on + 1 / cell.resistance_off) / 2
    operations = cells = 0
    for layer in hand.net.layers:
        operations += 2 * hand.vectors(layer) * layer.rows * layer.neurons
        bit_lines = LINES * layer.neurons + hand.shape(layer)["columns"]
        cells += hand.copies(layer) * layer.rows * bit_lines
    assert made.operations == operations
    assert made.efficiency == pytest.approx(operations / sum(hand.energy().values()), rel=REL)
    assert made.programming is not None
    written = cells * cell.write_voltage**2 * mean * cell.write_time * cell.write_pulses
    assert made.programming.energy == pytest.approx(written, rel=REL, abs=0)
