"""Hardware cards: what an in-memory computing chip is made of, as TOML.

    base = "adcless"                     # another card, whose entries hold where this one says nothing
    description = "what it is"
    source = "where the architecture comes from"
    [array]   [cell]   [wires]   [weights]   [inputs]   [converter]   [accumulation]   [tiles]   [clock]
    [digital]   [memory]   [technology]
    [sources]                            # "cell.resistance_on" = "where this number comes from"

Resistances and times are in SI units. What a converter reads is counted in LSB, the unit of its own figures (INL, DNL):
1 LSB = V_read (G_on - G_off) / (2^b - 1) is the current by which one cell of b bits exceeds its next lower level.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import model_validator

from memsim.errors import InputError
from memsim.imc.tables import (
    AccumulationTable,
    ArrayTable,
    CellTable,
    ClockTable,
    ConverterTable,
    DigitalTable,
    InputsTable,
    MemoryTable,
    Table,
    TechnologyTable,
    TilesTable,
    WeightsTable,
    WiresTable,
)
from memsim.toml import checked, read_shipped, shipped_names

_CARDS = resources.files("memsim.imc") / "cards"
_SIZED = re.compile(r"(?P<base>.+)-(?P<size>\d+)")
_DEEPEST = 8


DRAWN_ONCE = (
    "cell.variation",
    "cell.stuck_rate",
    "cell.upset_rate",
    "converter.offset",
    "converter.inl",
    "converter.dnl",
)
"""Entries of a card that make its chips differ."""


class HardwareCard(Table):
    """An in-memory computing chip.

    Attributes:
        name: of the card.
        description: what it is.
        source: where the architecture comes from.
        sources: where single numbers come from, by their dotted names.
    """

    name: str
    description: str
    source: str
    array: ArrayTable
    cell: CellTable
    wires: WiresTable = WiresTable()
    weights: WeightsTable
    inputs: InputsTable
    converter: ConverterTable
    accumulation: AccumulationTable
    tiles: TilesTable
    clock: ClockTable
    digital: DigitalTable = DigitalTable()
    memory: MemoryTable | None = None
    technology: TechnologyTable
    sources: dict[str, str] = {}

    @model_validator(mode="after")
    def _parts_fit(self) -> HardwareCard:
        cell, weights, inputs = self.cell, self.weights, self.inputs
        if cell.resistance_off <= cell.resistance_on:
            raise ValueError(
                f"cell.resistance_off = {cell.resistance_off:g} ohm is not above resistance_on = {cell.resistance_on:g}"
            )
        if self.magnitude_bits < 1 or self.magnitude_bits % cell.bits:
            raise ValueError(
                f"weights.bits = {weights.bits} leaves {self.magnitude_bits} bits for cells of {cell.bits}; allowed: "
                "a multiple of cell.bits" + (", plus one for the sign" if self.differential else "")
            )
        if inputs.coding == "binary" and inputs.bits != 1:
            raise ValueError(f"inputs.bits = {inputs.bits} with binary inputs; allowed: 1, or another coding")
        if inputs.coding == "binary" and inputs.high != 1:
            raise ValueError(
                f"inputs.high = {inputs.high:g} with binary inputs; allowed: 1, or another coding"
            )
        if self.lines > self.array.columns:
            raise ValueError(
                f"array.columns = {self.array.columns} is too narrow for one weight; allowed: at least {self.lines}"
            )
        unknown = sorted(set(self.sources) - set(_leaves(self.model_dump(exclude={"sources"}))))
        if unknown:
            raise ValueError(f"sources name {unknown[0]!r}, which is no entry of a card; see its tables")
        return self

    @property
    def differential(self) -> bool:
        """Whether twin bit lines are read against each other, and not columns against a reference column."""
        return self.weights.slicing == "sign-magnitude"

    @property
    def magnitude_bits(self) -> int:
        """Bits of a weight that cells hold."""
        return self.weights.bits - self.differential

    @property
    def slices(self) -> int:
        """Cells that share the digits of a weight."""
        return self.magnitude_bits // self.cell.bits

    @property
    def lines(self) -> int:
        """Bit lines of one weight."""
        return self.slices * (2 if self.differential else 1)

    @property
    def neurons(self) -> int:
        """Weights side by side in one array."""
        return self.array.columns // self.lines

    @property
    def step(self) -> float:
        """Of an ADC [LSB]: as given, or the finest."""
        return self.converter.step or self.finest_step

    @property
    def finest_step(self) -> float:
        """Least difference of two partial sums [LSB]."""
        return 1.0 if self.differential else 0.5

    @property
    def chips_differ(self) -> bool:
        """Whether something is drawn once for each chip."""
        places = [name.split(".") for name in DRAWN_ONCE]
        return any(getattr(getattr(self, table), entry) for table, entry in places)

    def changed(self, changes: Mapping[str, object]) -> HardwareCard:
        """A card with other entries, by dotted names: `{"array.rows": 32, "converter.offset": 0.5}`.

        Raises:
            InputError: no such entry, or a value that cannot be used.
        """
        content = self.model_dump(exclude_none=True)
        for name, value in changes.items():
            *tables, entry = name.split(".")
            place: Any = content
            for table in tables:
                place = place.get(table) if isinstance(place, dict) else None
            if not isinstance(place, dict):
                raise InputError(f"{name!r} is no entry of a hardware card; give one such as 'array.rows'")
            place[entry] = value
        return _checked(self.name, content)


def load_hardware(card: str | Path, changes: Mapping[str, object] | None = None) -> HardwareCard:
    """A hardware card.

    Args:
        card: name of a card that ships with memsim, with the side of square arrays behind it where wished, such as
            `adcless-32`; or the path of a TOML file.
        changes: entries by dotted names that replace those of the card.

    Raises:
        InputError: no such card, or an entry that cannot be used.
    """
    name = str(card)
    content = _content(name, _DEEPEST)
    made = _checked(Path(name).stem if name.endswith(".toml") else name, content)
    return made.changed(changes) if changes else made


def hardware_names() -> list[str]:
    """Names of the cards that ship with memsim."""
    return shipped_names(_CARDS)


def _content(name: str, depth: int) -> dict[str, Any]:
    """Tables of a card over those of the card that it is based on."""
    if not depth:
        raise InputError(
            f"hardware card {name!r} is based on too many others; cards must not stand on each other"
        )
    if name in hardware_names() or name.endswith(".toml"):
        _, content = read_shipped(name, _CARDS, "hardware card")
    elif sized := _SIZED.fullmatch(name):
        size = int(sized["size"])
        return _over(_content(sized["base"], depth - 1), {"array": {"rows": size, "columns": size}})
    else:
        raise InputError(
            f"unknown hardware card {name!r}; known cards: {', '.join(hardware_names())}, with a size behind it such "
            "as adcless-64; or give the path of a .toml card"
        )
    base = content.pop("base", None)
    return content if base is None else _over(_content(str(base), depth - 1), content)


def _checked(name: str, content: dict[str, Any]) -> HardwareCard:
    return checked(HardwareCard, {**content, "name": name}, f"hardware card {name!r}")


def _over(base: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Tables of `above` over those of `base`, entry by entry."""
    merged = dict(base)
    for name, value in above.items():
        old = merged.get(name)
        merged[name] = _over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _leaves(content: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of all entries."""
    names: list[str] = []
    for name, value in content.items():
        names += _leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else [f"{prefix}{name}"]
    return names
