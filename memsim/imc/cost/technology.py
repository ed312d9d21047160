"""Technology cards: every constant of the cost model, with its source and, where there is one, its range."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import model_validator

from memsim.errors import InputError
from memsim.imc.tables import Table
from memsim.tables import Positive
from memsim.toml import checked, read_shipped, shipped_names

_CARDS = resources.files("memsim.imc.cost") / "cards"
Volt = Annotated[Positive, "V"]
WattPerSiemens = Annotated[Positive, "W/S"]
Watt = Annotated[Positive, "W"]
Joule = Annotated[Positive, "J"]
JoulePerMetre = Annotated[Positive, "J/m"]
Second = Annotated[Positive, "s"]
SecondPerMetre = Annotated[Positive, "s/m"]
FaradPerMetre = Annotated[Positive, "F/m"]
Metre = Annotated[Positive, "m"]
SquareMetre = Annotated[Positive, "m²"]

FACTOR = 2.0
"""By which a constant without a range is varied up and down."""


class Constants(Table):
    """What parts of a chip cost, in SI units.

    Attributes:
        supply: of digital parts.
        wire_capacitance: of wires in arrays.
        cell_pitch: side of a cell.
        level_power: of a converter for each level above the first.
        column_power: over the conductance of a column that is sensed.
        sense_time_least, sense_time_most: of sense amplifiers, and of flash converters.
        encoder_energy: of a conversion for each level above the first.
        sar_base_power, sar_bit_power: of a SAR converter: constant part, and for each bit.
        sar_column_power: as column_power, of a SAR converter.
        sar_bit_time: of one decision.
        settling_sense, settling_flash, settling_sar: what an array read takes beside the conversion.
        sharing_delay: of the switches before a converter that columns share.
        flip_flop_energy: of a clock edge.
        adder_energy: of one bit.
        buffer_energy: of one bit in and out of a tile's buffer.
        wire_energy: of one bit.
        tree_length: from the global buffer to a tile, in sides of the chip.
        wire_delay: of repeated wires between tiles.
        adder_delay: of one bit of an adder.
        digital_clock: period in whose cycles delays of wires and adders are counted.
        bus_width: of the global buffer [bit per cycle].
        bank_bits, bank_width: of the banks of a tile's buffer: all bits, and bits in each cycle.
        speed_up: most by which a side of the largest image is divided among copies of its layer.
        neuron_energy, neuron_area, neuron_leakage: of one update, and of the circuit.
        flip_flop_leakage: of one of them.
        line_area: of the switch of a word line or bit line.
        level_area: of a converter for each level above the first.
        sar_gate_area: of a gate of a SAR converter.
        flip_flop_area, adder_area: of one bit.
        layout: area of a tile over the sum of its parts.
    """

    supply: Volt
    wire_capacitance: FaradPerMetre
    cell_pitch: Metre
    level_power: Watt
    column_power: WattPerSiemens
    sense_time_least: Second
    sense_time_most: Second
    encoder_energy: Joule
    sar_base_power: Watt
    sar_bit_power: Watt
    sar_column_power: WattPerSiemens
    sar_bit_time: Second
    settling_sense: Second
    settling_flash: Second
    settling_sar: Second
    sharing_delay: Second
    flip_flop_energy: Joule
    adder_energy: Joule
    buffer_energy: Joule
    wire_energy: JoulePerMetre
    tree_length: Positive
    wire_delay: SecondPerMetre
    adder_delay: Second
    digital_clock: Second
    bus_width: Positive
    bank_bits: Positive
    bank_width: Positive
    speed_up: Positive
    neuron_energy: Joule
    neuron_area: SquareMetre
    neuron_leakage: Watt
    flip_flop_leakage: Watt
    line_area: SquareMetre
    level_area: SquareMetre
    sar_gate_area: SquareMetre
    flip_flop_area: SquareMetre
    adder_area: SquareMetre
    layout: Positive


class Technology(Table):
    """A card of constants.

    Attributes:
        name: of the card.
        description: what it is.
        source: where it comes from as a whole.
        constants: their values.
        sources: where each comes from.
        ranges: lowest and highest that a source gives, where it gives any.
    """

    name: str
    description: str
    source: str
    constants: Constants
    sources: dict[str, str]
    ranges: dict[str, tuple[float, float]] = {}

    @model_validator(mode="after")
    def _complete(self) -> Technology:
        names = set(Constants.model_fields)
        for table, given in (("sources", set(self.sources)), ("ranges", set(self.ranges))):
            if given - names:
                raise ValueError(f"{table} name {min(given - names)!r}, which is no constant")
        if names - set(self.sources):
            raise ValueError(
                f"{min(names - set(self.sources))!r} has no source; say where its value comes from"
            )
        for name, (low, high) in self.ranges.items():
            if not low <= self.value(name) <= high:
                raise ValueError(
                    f"{name} = {self.value(name):g} is outside its own range of {low:g} to {high:g}"
                )
        return self

    def value(self, name: str) -> float:
        """Of one constant."""
        return float(getattr(self.constants, name))

    @staticmethod
    def unit(name: str) -> str:
        """Of one constant; empty for a number."""
        marks = [mark for mark in Constants.model_fields[name].metadata if isinstance(mark, str)]
        return marks[0] if marks else ""

    def span(self, name: str) -> tuple[float, float]:
        """Range of one constant; a factor of 2 either way where no source gives one."""
        value = self.value(name)
        return self.ranges.get(name, (value / FACTOR, value * FACTOR))

    def changed(self, name: str, value: float) -> Technology:
        """The same card with another value of one constant, whatever its range.

        Raises:
            InputError: no such constant, or a value that cannot be used.
        """
        if name not in Constants.model_fields:
            raise InputError(
                f"{name!r} is no constant of a technology; known: {', '.join(Constants.model_fields)}"
            )
        content = self.model_dump(exclude={"ranges"})
        content["constants"][name] = value
        return _checked(self.name, content)


def technology_names() -> list[str]:
    """Names of the cards that ship with memsim."""
    return shipped_names(_CARDS)


def load_technology(card: str | Path) -> Technology:
    """A technology card by name, or from a path that ends in `.toml`.

    Raises:
        InputError: no such card, not a TOML file, or an entry that cannot be used.
    """
    return _checked(*read_shipped(card, _CARDS, "technology card"))


def _checked(name: str, content: dict[str, object]) -> Technology:
    return checked(Technology, {**content, "name": name}, f"technology card {name!r}", strict=False)
