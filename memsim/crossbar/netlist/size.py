"""What the deck of an array takes: text on the disk, and memory and time of ngspice, estimated before it is written."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from memsim.errors import EngineNotFoundError, InputError
from memsim.memory import check_memory, format_bytes
from memsim.spice.version import ngspice_version

# Characters of a cell with a segment of each of its wires, 88 at 64 x 64, 107 at 1024 x 1024; more as an instance.
_TEXT, _INSTANCE = 115, 35
# Memory of ngspice [byte]: by itself, and for a character of the deck with sub-circuits written out, 21 to 52 measured.
_PROGRAM, _MEMORY = 20e6, 45
# Entries of the factors for a cell and a doubling of the shorter side, 9 to 15 measured; bytes of one in each solver.
_FILL, _KLU, _SPARSE = 16, 12, 40
_LARGE = 10e6
# Lines on the shorter side from which ngspice without KLU takes more than a minute: 128 x 128 took 70 s.
_SLOW = 120


@dataclass(frozen=True)
class DeckSize:
    """Estimate for the deck of one array.

    Attributes:
        rows: word lines.
        columns: bit lines.
        text: of the deck [byte].
        memory: of ngspice, to read the deck and to solve it [byte].
        klu: whether ngspice has the solver for large matrices; also where no ngspice is installed.
    """

    rows: int
    columns: int
    text: float
    memory: float
    klu: bool

    def check(self, file: Path) -> None:
        """Refuse a deck that does not fit, before it is written to `file`.

        Raises:
            InputError: more memory than this machine has free, or more text than there is room for.
        """
        remedy = "take fewer lines; `memsim.crossbar.column_currents` solves an array without a deck"
        check_memory(f"{self}, for which ngspice", self.memory, remedy)
        folder = next(parent for parent in file.absolute().parents if parent.exists())
        free = shutil.disk_usage(folder).free
        if self.text > free:
            raise InputError(
                f"{self}, but {format_bytes(free)} are free in {folder}; {remedy}, or choose another folder"
            )

    def notes(self) -> Iterator[str]:
        """What to know before a large deck is written and run."""
        if self.text > _LARGE:
            yield f"{self}, for which ngspice needs about {format_bytes(self.memory)} of memory"
        if not self.klu and min(self.rows, self.columns) > _SLOW:
            yield (
                f"ngspice {ngspice_version().major} here is one without KLU: 128 x 128 cells take it minutes, and "
                "twice as many lines twenty times as long; one with KLU solves 512 x 512 in less than a minute"
            )

    def __str__(self) -> str:
        lines = f"{self.rows} word lines and {self.columns} bit lines"
        return f"a crossbar of {lines} is a deck of about {format_bytes(self.text)}"


def deck_size(rows: int, columns: int, definitions: tuple[str, ...] = ()) -> DeckSize:
    """Estimate the deck of an array whose cells are instances of what `definitions` define."""
    cells, klu = _product(rows, columns), _has_klu()
    text = cells * (_TEXT + _INSTANCE * bool(definitions))
    written_out = text + cells * sum(map(len, definitions))
    entries = cells * _FILL * math.log2(1 + min(rows, columns))
    memory = _PROGRAM + _MEMORY * written_out + (_KLU if klu else _SPARSE) * entries
    return DeckSize(rows, columns, text, memory, klu)


def _product(rows: int, columns: int) -> float:
    """Number of cells; infinite where it is no number in floating point."""
    try:
        return float(rows * columns)
    except OverflowError:
        return math.inf


def _has_klu() -> bool:
    try:
        return ngspice_version().klu
    except EngineNotFoundError:  # the deck is for another machine
        return True
