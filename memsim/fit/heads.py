from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from memsim.errors import InputError
from memsim.text import check_encoding

LONGEST = 200  # lines in which the table must begin
MOST_CHARACTERS = 2**20  # of these lines
SEPARATORS = (";", "\t", ",", r"\s+")
UNIT = re.compile(r"^(?P<scale>[kmuµμnpf]?)(?P<unit>[VAs])$")


@dataclass(frozen=True)
class Head:
    """How a text file begins.

    Args:
        separator: between columns, a regular expression for blanks.
        cells: of the header, or of the first row without one.
        titled: whether there is a header.
        units: cells of a row of units under the header, empty without one.
        skipped: numbers of the lines that hold neither header nor data.
    """

    separator: str
    cells: tuple[str, ...]
    titled: bool
    units: tuple[str, ...] = ()
    skipped: tuple[int, ...] = ()

    @property
    def decimal(self) -> str:
        """Where semicolons part columns, a comma may part decimals."""
        return "," if self.separator == ";" else "."


def read_head(path: Path) -> Head:
    """The header is the line above the first two rows of numbers; what an instrument wrote above it is skipped.

    Raises:
        InputError: no such file, or nothing in it.
    """
    numbers, lines = _lines(path)
    for separator in SEPARATORS:
        rows = [_cells(line, separator) for line in lines]
        first = _first_row(rows, separator)
        if first is not None:
            break
    else:
        separator = next(s for s in SEPARATORS if s == SEPARATORS[-1] or all(s in line for line in lines[:3]))
        cells = _cells(lines[0], separator)
        return Head(separator, cells, titled=not _numeric(cells, separator))
    title = _title(rows, first, separator)
    if title is None:
        start = 0 if _broken(rows, first, separator) else first
        titled = start < first and not _numeric(rows[start], separator)
        return Head(separator, rows[start], titled, skipped=tuple(range(numbers[start])))
    units = rows[first - 1] if title == first - 2 else ()
    skipped = (*range(numbers[title]), *([numbers[first - 1]] if units else []))
    return Head(separator, rows[title], titled=True, units=units, skipped=skipped)


def _lines(path: Path) -> tuple[list[int], list[str]]:
    """Numbers and texts of the first lines that are neither empty nor comments."""
    check_encoding(path)
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        lines = file.read(MOST_CHARACTERS).split("\n")[:LONGEST]
    kept = [number for number, line in enumerate(lines) if line.strip() and not line.startswith("#")]
    if len(kept) < 2:
        raise InputError(f"{path.name} has no rows; give a table of voltage and current, one sample a row")
    return kept, [lines[number] for number in kept]


def _cells(line: str, separator: str) -> tuple[str, ...]:
    return tuple(cell.strip().strip('"') for cell in re.split(separator, line))


def _first_row(rows: Sequence[tuple[str, ...]], separator: str) -> int | None:
    """Where numbers begin: the first of two rows of equally many numbers."""
    for k, (row, after) in enumerate(pairwise(rows)):
        equal = len(row) == len(after) > 1
        if equal and _numeric(row, separator) and _numeric(after, separator):
            return k
    return None


def _title(rows: Sequence[tuple[str, ...]], first: int, separator: str) -> int | None:
    """Which line names the columns: the one above the numbers, or above a row of units."""
    named = [
        k
        for k in (first - 1, first - 2)
        if k >= 0
        and len(rows[k]) == len(rows[first])
        and not any(cell and is_number(cell, separator) for cell in rows[k])
    ]
    if named == [first - 1, first - 2] and any(UNIT.match(cell) for cell in rows[first - 1]):
        return first - 2
    return first - 1 if first - 1 in named else None


def _broken(rows: Sequence[tuple[str, ...]], first: int, separator: str) -> bool:
    """Whether rows ahead of the first good one are of the table, with something missing."""
    return (
        first > 0
        and len(rows[0]) == len(rows[first])
        and any(is_number(c, separator) for c in rows[first - 1])
    )


def _numeric(row: Sequence[str], separator: str) -> bool:
    return all(is_number(cell, separator) for cell in row) and any(row)


def is_number(cell: str, separator: str) -> bool:
    """Whether a cell holds a number, or nothing."""
    try:
        float(cell.replace(",", ".") if separator == ";" else cell)
    except ValueError:
        return cell == ""
    return True
