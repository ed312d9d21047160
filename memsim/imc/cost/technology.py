"""Technology cards: every constant of the cost model, with its source and, where there is one, its range.

    base = "neurosim-65nm"               # another card, whose entries hold where this one says nothing
    [scaling]                            # by what constants of the base are multiplied, those below excepted
    energy = 0.51   delay = 0.65   area = 0.66   leakage = 0.63   source = "where these come from"
    [constants]   [sources]   [ranges]

Energies of digital parts and of converters go as C V^2, leakage as V, and delays of gates as V / (V - V_t)^1.3
(Sakurai and Newton, IEEE J. Solid-State Circuits 25 (1990) 584), from the supply at which the card states them.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import model_validator

from memsim.errors import InputError
from memsim.imc.tables import Table
from memsim.tables import Positive
from memsim.toml import checked, read_shipped, shipped_names

_CARDS = resources.files("memsim.imc.cost") / "cards"
Volt = Annotated[Positive, "V"]
Ampere = Annotated[Positive, "A"]
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
ALPHA = 1.3
"""Power with which the current of a transistor grows above its threshold."""
CONVERTER_POWERS = ("level_power", "sar_base_power", "sar_bit_power")
GATE_DELAYS = ("adder_delay", "sharing_delay")
LEAKAGES = ("flip_flop_leakage", "neuron_leakage", "lane_leakage")


class Constants(Table):
    """What parts of a chip cost, in SI units.

    Attributes:
        supply: of digital parts and word lines.
        stated_supply: at which energies, delays and leakage are stated.
        threshold: of transistors.
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
        buffer_energy: of one bit in and out of a buffer of `buffer_size`; it grows with the root of the size.
        buffer_size: [bit].
        wire_energy: of one bit.
        tree_length: from the global buffer to a tile, in sides of the chip.
        wire_delay: of repeated wires between tiles.
        adder_delay: of one bit of an adder.
        digital_clock: period in whose cycles delays of wires and adders are counted.
        bus_width: of the global buffer [bit per cycle].
        bank_bits, bank_width: of the banks of a tile's buffer: all bits, and bits in each cycle.
        speed_up: most by which a side of the largest image is divided among copies of its layer.
        neuron_energy, neuron_area, neuron_leakage: of one update, and of the circuit.
        mac_energy, operation_energy: of a multiplication with its sum, and of a sum or comparison, in the digital unit.
        lane_area, lane_leakage: of one of its multiply-accumulate units.
        flip_flop_leakage: of a flip-flop, and of a bit of a buffer.
        line_current_most: that the wire of a bit line carries for years.
        line_area: of the switch of a word line or bit line.
        level_area: of a converter for each level above the first.
        sar_gate_area: of a gate of a SAR converter.
        flip_flop_area, adder_area, buffer_area: of one bit.
        layout: area of a tile over the sum of its parts.
    """

    supply: Volt
    stated_supply: Volt
    threshold: Volt
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
    buffer_size: Positive
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
    mac_energy: Joule
    operation_energy: Joule
    lane_area: SquareMetre
    lane_leakage: Watt
    flip_flop_leakage: Watt
    line_current_most: Ampere
    line_area: SquareMetre
    level_area: SquareMetre
    sar_gate_area: SquareMetre
    flip_flop_area: SquareMetre
    adder_area: SquareMetre
    buffer_area: SquareMetre
    layout: Positive

    @model_validator(mode="after")
    def _transistors_switch(self) -> Constants:
        lowest = min(self.supply, self.stated_supply)
        if lowest <= self.threshold:
            raise ValueError(
                f"a supply of {lowest:g} V is not above the threshold of {self.threshold:g} V; give a higher one"
            )
        return self

    def at_supply(self) -> Constants:
        """Energies, delays of gates and leakage at the supply, and no longer at that at which they are stated."""
        volts = self.supply / self.stated_supply
        changes = dict.fromkeys((*_of_unit("J"), *_of_unit("J/m"), *CONVERTER_POWERS), volts**2)
        changes |= dict.fromkeys(LEAKAGES, volts)
        overdrives = (self.stated_supply - self.threshold) / (self.supply - self.threshold)
        changes |= dict.fromkeys(GATE_DELAYS, volts * overdrives**ALPHA)
        scaled = {name: getattr(self, name) * factor for name, factor in changes.items()}
        return self.model_copy(update={**scaled, "stated_supply": self.supply})


def _unit(name: str) -> str:
    """Of one constant; empty for a number."""
    marks = [mark for mark in Constants.model_fields[name].metadata if isinstance(mark, str)]
    return marks[0] if marks else ""


def _of_unit(unit: str) -> list[str]:
    return [name for name in Constants.model_fields if _unit(name) == unit]


class Scaling(Table):
    """By what constants of another technology are multiplied.

    Attributes:
        energy: energies, and powers of converters.
        delay: delays of gates; sensing times are those of analog circuits and stay.
        area: all areas.
        leakage: leakages.
        source: where these come from.
    """

    energy: Positive
    delay: Positive
    area: Positive
    leakage: Positive
    source: str

    def factors(self) -> dict[str, float]:
        """Of each constant that changes."""
        return {
            **dict.fromkeys((*_of_unit("J"), *CONVERTER_POWERS), self.energy),
            **dict.fromkeys(GATE_DELAYS, self.delay),
            **dict.fromkeys(_of_unit("m²"), self.area),
            **dict.fromkeys(LEAKAGES, self.leakage),
        }


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
        return _unit(name)

    def span(self, name: str) -> tuple[float, float]:
        """Range of one constant; a factor of 2 either way where no source gives one."""
        value = self.value(name)
        return self.ranges.get(name, (value / FACTOR, value * FACTOR))

    def changed(self, name: str, value: float) -> Technology:
        """The same card with another value of one constant, whose range moves with it.

        Raises:
            InputError: no such constant, or a value that cannot be used.
        """
        if name not in Constants.model_fields:
            raise InputError(
                f"{name!r} is no constant of a technology; known: {', '.join(Constants.model_fields)}"
            )
        content = self.model_dump()
        content["constants"][name] = value
        if name in self.ranges and isinstance(value, int | float):
            content["ranges"][name] = tuple(end / self.value(name) * value for end in self.ranges[name])
        return _checked(self.name, content)


def technology_names() -> list[str]:
    """Names of the cards that ship with memsim."""
    return shipped_names(_CARDS)


def load_technology(card: str | Path) -> Technology:
    """A technology card by name, or from a path that ends in `.toml`.

    Raises:
        InputError: no such card, not a TOML file, or an entry that cannot be used.
    """
    name, content = read_shipped(card, _CARDS, "technology card")
    base = content.pop("base", None)
    if base is None:
        return _checked(name, content)
    if str(base) == str(card) or str(base) not in technology_names():
        raise InputError(
            f"technology card {name!r} is based on {base!r}; allowed: {', '.join(technology_names())}"
        )
    return _checked(name, _over(load_technology(str(base)), content, f"scaling of technology card {name!r}"))


def _over(base: Technology, content: dict[str, Any], where: str) -> dict[str, Any]:
    """Entries of a card over those of its base, which are scaled first; `where` says in messages what is wrong."""
    below = base.model_dump(exclude={"name"})
    if "scaling" in content:
        scaling = checked(Scaling, content.pop("scaling"), where)
        for name, factor in scaling.factors().items():
            below["constants"][name] *= factor
            below["sources"][name] = (
                f"{base.name} times {factor:.3g}, {scaling.source}; there: {base.sources[name]}"
            )
            if name in base.ranges:
                below["ranges"][name] = tuple(factor * end for end in base.ranges[name])
    given = content.get("constants")
    for name in given if isinstance(given, dict) else ():
        below["ranges"].pop(name, None)
    merged = {
        name: {**below[name], **table}
        if isinstance(table, dict) and isinstance(below.get(name), dict)
        else table
        for name, table in content.items()
    }
    return {**below, **merged}


def _checked(name: str, content: dict[str, object]) -> Technology:
    return checked(Technology, {**content, "name": name}, f"technology card {name!r}", strict=False)
