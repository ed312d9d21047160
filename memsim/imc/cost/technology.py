"""Technology cards: every constant of the cost model, with its source and, where there is one, its range."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

from pydantic import ValidationError, model_validator

from memsim.errors import InputError
from memsim.imc.hardware import Positive, Table

_CARDS = resources.files("memsim.imc.cost") / "cards"
FACTOR = 2.0
"""By which a constant without a range is varied up and down."""


class Constants(Table):
    """What parts of a chip cost, in SI units.

    Attributes:
        supply: of digital parts [V].
        wire_capacitance: of wires in arrays [F/m].
        cell_pitch: side of a cell [m].
        level_power: of a converter for each level above the first [W].
        column_power: over the conductance of a column that is sensed [V^2].
        sense_time_least, sense_time_most: of sense amplifiers, and of flash converters [s].
        encoder_energy: of a conversion for each level above the first [J].
        sar_base_power, sar_bit_power: of a SAR converter: constant part, and for each bit [W].
        sar_column_power: as column_power, of a SAR converter [V^2].
        sar_bit_time: of one decision [s].
        settling_sense, settling_flash, settling_sar: what an array read takes beside the conversion [s].
        flip_flop_energy: of a clock edge [J].
        adder_energy: of one bit [J].
        buffer_energy: of one bit in and out of a tile's buffer [J].
        wire_energy: of one bit [J/m].
        tree_length: from the global buffer to a tile, in sides of the chip.
        wire_delay: [s/m].
        wire_clock: period in whose cycles the delay of wires is counted [s].
        bus_width: of the global buffer [bit per cycle].
        bank_bits, bank_width: of the banks of a tile's buffer: all bits, and bits in each cycle.
        speed_up: most by which a side of the largest image is divided among copies of its layer.
        neuron_energy, neuron_area, neuron_leakage: of one update [J], of one circuit [m2], [W].
        flip_flop_leakage: [W].
        line_area: of the switch of a word line or bit line [m2].
        level_area: of a converter for each level above the first [m2].
        sar_gate_area: of a gate of a SAR converter [m2].
        flip_flop_area, adder_area: of one bit [m2].
        layout: area of a tile over the sum of its parts.
    """

    supply: Positive
    wire_capacitance: Positive
    cell_pitch: Positive
    level_power: Positive
    column_power: Positive
    sense_time_least: Positive
    sense_time_most: Positive
    encoder_energy: Positive
    sar_base_power: Positive
    sar_bit_power: Positive
    sar_column_power: Positive
    sar_bit_time: Positive
    settling_sense: Positive
    settling_flash: Positive
    settling_sar: Positive
    flip_flop_energy: Positive
    adder_energy: Positive
    buffer_energy: Positive
    wire_energy: Positive
    tree_length: Positive
    wire_delay: Positive
    wire_clock: Positive
    bus_width: Positive
    bank_bits: Positive
    bank_width: Positive
    speed_up: Positive
    neuron_energy: Positive
    neuron_area: Positive
    neuron_leakage: Positive
    flip_flop_leakage: Positive
    line_area: Positive
    level_area: Positive
    sar_gate_area: Positive
    flip_flop_area: Positive
    adder_area: Positive
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
    return sorted(item.name.removesuffix(".toml") for item in _CARDS.iterdir() if item.name.endswith(".toml"))


def load_technology(card: str | Path) -> Technology:
    """A technology card by name, or from a path that ends in `.toml`.

    Raises:
        InputError: no such card, not a TOML file, or an entry that cannot be used.
    """
    name = str(card)
    try:
        if name in technology_names():
            text = (_CARDS / f"{name}.toml").read_text(encoding="utf-8")
        elif name.endswith(".toml"):
            text, name = Path(name).read_text(encoding="utf-8"), Path(name).stem
        else:
            raise InputError(
                f"unknown technology {name!r}; known cards: {', '.join(technology_names())}; "
                "or give the path of a .toml card"
            )
        return _checked(name, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"technology card {name!r} is not valid TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"technology card {name!r} cannot be read: {error}; give the path of a TOML card"
        ) from None


def _checked(name: str, content: dict[str, object]) -> Technology:
    try:
        return Technology.model_validate({**content, "name": name}, strict=False)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc'])) or 'card'}: {item['msg']}" for item in error.errors()]
        raise InputError(f"technology card {name!r} cannot be used:\n  " + "\n  ".join(problems)) from None
