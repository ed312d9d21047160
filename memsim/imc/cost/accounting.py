"""What is counted, and how: the published way, whose quirks decide part of its ratios, or the whole chip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from memsim.errors import InputError
from memsim.imc.workloads import Positions


@dataclass(frozen=True, kw_only=True)
class Accounting:
    """Choices of what is charged.

    Attributes:
        name: of these choices.
        positions: rule for counting them, see `LayerShape.positions`.
        adders: `whole`: sums over time steps and over row tiles take place once for the digits of a weight.
            `rounded-down`: once for as many converters as there are columns per converter over digits of a weight,
            rounded down, so that a chip with a converter at each column is charged for no such sum.
        fill_tiles: whether small layers are copied until their tiles are full, even if they have a single position.
        copies_added: whether tiles that hold copies of a layer are charged as if their sums were added up.
        wire_delays: lengths of wire whose delay is charged for each length whose energy is.
        reference: whether arrays that are not differential have a reference column, which takes current and area.
        neurons: whether updates of neurons are charged.
        leakage: whether leakage is charged, of all parts at all times.
        currents: `fitted`: of columns as the source fits them at its own voltage and sensing time. `ohmic`: V^2 G over
            the read time of the cells and the conversion.
        sizes: `grown`: registers and buffers as the source sizes them for each network. `card`: as the card has them.
        surroundings: whether digital parts, memory off the chip, and programming of what does not fit are charged.
    """

    name: str
    positions: Positions
    adders: Literal["whole", "rounded-down"]
    fill_tiles: bool
    copies_added: bool
    wire_delays: int
    reference: bool
    neurons: bool
    leakage: bool
    currents: Literal["fitted", "ohmic"]
    sizes: Literal["grown", "card"]
    surroundings: bool

    def sums_share(self, columns: int, slices: int) -> float:
        """Share of the sums over time steps and row tiles that is charged."""
        if self.adders == "whole":
            return 1.0
        return (columns // slices) / (columns / slices)


PUBLISHED = Accounting(
    name="published",
    positions="unpadded",
    adders="rounded-down",
    fill_tiles=True,
    copies_added=True,
    wire_delays=2,
    reference=False,
    neurons=False,
    leakage=False,
    currents="fitted",
    sizes="grown",
    surroundings=False,
)
COMPLETE = Accounting(
    name="complete",
    positions="padded",
    adders="whole",
    fill_tiles=False,
    copies_added=False,
    wire_delays=1,
    reference=True,
    neurons=True,
    leakage=True,
    currents="ohmic",
    sizes="card",
    surroundings=True,
)


def accounting_of(name: str) -> Accounting:
    """By name: `published` or `complete`.

    Raises:
        InputError: another name.
    """
    for known in (PUBLISHED, COMPLETE):
        if known.name == name:
            return known
    raise InputError(f"unknown accounting {name!r}; use {PUBLISHED.name} or {COMPLETE.name}")
