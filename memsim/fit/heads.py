from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from memsim.errors import InputError
from memsim.fit.titles import SCALES, UNIT

LONGEST = 200  # lines in which the table must begin
MOST_CHARACTERS = 2**20  # of these lines
SEPARATORS = (";", "\t", ",", r"\s+")
_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
_FORTRAN = re.compile(r"(?<=[\d.])[dD](?=[+-]?\d)")
_VALUE_AND_UNIT = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*" + UNIT.pattern.strip("^$"))


@dataclass(frozen=True)
class Head:
    """How a text file begins.

    Args:
        separator: between columns, a regular expression for blanks.
        cells: of the header, or of the first row without one.
        titled: whether there is a header.
        units: cells of a row of units under the header, empty without one.
        skipped: numbers of the lines that hold neither header nor data.
        decimal: what parts the decimals of numbers: a point or a comma.
    """

    separator: str
    cells: tuple[str, ...]
    titled: bool
    units: tuple[str, ...] = ()
    skipped: tuple[int, ...] = ()
    decimal: str = "."


def read_head(text: str, name: str, *, skip: int = 0, decimal: str | None = None) -> Head:
    """The header is the line above the first two rows of numbers; what an instrument wrote above it is skipped.

    Args:
        text: of the file.
        name: of the file, for messages.
        skip: lines at its start that are not looked at.
        decimal: what parts the decimals; told from the numbers where left out.

    Raises:
        InputError: there is nothing in it.
    """
    numbers, lines = _lines(text, name, skip)
    for separator in SEPARATORS:
        rows = [_cells(line, separator) for line in lines]
        sign = decimal or _decimal(rows, separator)
        first = _first_row(rows, sign)
        if first is not None:
            break
    else:
        separator = next(s for s in SEPARATORS if s == SEPARATORS[-1] or all(s in line for line in lines[:3]))
        cells = _cells(lines[0], separator)
        sign = decimal or _decimal([cells], separator)
        return Head(
            separator, cells, titled=not _numeric(cells, sign), skipped=tuple(range(numbers[0])), decimal=sign
        )
    title = _title(rows, first, sign)
    if title is None:
        start = 0 if _broken(rows, first, sign) else first
        titled = start < first and not _numeric(rows[start], sign)
        return Head(separator, rows[start], titled, skipped=tuple(range(numbers[start])), decimal=sign)
    units = rows[first - 1] if title == first - 2 else ()
    skipped = (*range(numbers[title]), *([numbers[first - 1]] if units else []))
    return Head(separator, rows[title], titled=True, units=units, skipped=skipped, decimal=sign)


def _decimal(rows: Sequence[tuple[str, ...]], separator: str) -> str:
    """A comma where numbers have one inside and it parts no columns."""
    if separator == ",":
        return "."
    return "," if any(_COMMA.fullmatch(cell) for row in rows for cell in row) else "."


def _lines(text: str, name: str, skip: int) -> tuple[list[int], list[str]]:
    """Numbers and texts of the first lines that are neither empty nor comments."""
    lines = text[:MOST_CHARACTERS].split("\n")[: LONGEST + skip]
    kept = [
        number
        for number, line in enumerate(lines)
        if number >= skip and line.strip() and not line.startswith("#")
    ]
    if len(kept) < 2:
        raise InputError(f"{name} has no rows; give a table of voltage and current, one sample a row")
    return kept, [lines[number] for number in kept]


def _cells(line: str, separator: str) -> tuple[str, ...]:
    return tuple(cell.strip().strip('"') for cell in re.split(separator, line))


def _first_row(rows: Sequence[tuple[str, ...]], decimal: str) -> int | None:
    """Where numbers begin: the first of two rows of equally many numbers."""
    for k, (row, after) in enumerate(pairwise(rows)):
        equal = len(row) == len(after) > 1
        if equal and _numeric(row, decimal) and _numeric(after, decimal):
            return k
    return None


def _title(rows: Sequence[tuple[str, ...]], first: int, decimal: str) -> int | None:
    """Which line names the columns: the one above the numbers, or above a row of units."""
    named = [
        k
        for k in (first - 1, first - 2)
        if k >= 0
        and len(rows[k]) == len(rows[first])
        and not any(cell and is_number(cell, decimal) for cell in rows[k])
    ]
    if named == [first - 1, first - 2] and any(UNIT.match(cell) for cell in rows[first - 1]):
        return first - 2
    return first - 1 if first - 1 in named else None


def _broken(rows: Sequence[tuple[str, ...]], first: int, decimal: str) -> bool:
    """Whether rows ahead of the first good one are of the table, with something missing."""
    return (
        first > 0 and len(rows[0]) == len(rows[first]) and any(is_number(c, decimal) for c in rows[first - 1])
    )


def _numeric(row: Sequence[str], decimal: str) -> bool:
    return all(is_number(cell, decimal) for cell in row) and any(row)


def is_number(cell: str, decimal: str) -> bool:
    """Whether a cell holds a number, one with its unit, or nothing."""
    return cell == "" or number_of(cell, decimal) is not None


def number_of(cell: str, decimal: str) -> float | None:
    """The number of a cell: `1.5`, `1,5`, `1.5D-3`, and `1.2mV` in SI units; None where there is none."""
    text = _FORTRAN.sub("e", cell.strip())
    if decimal == ",":
        text = text.replace(",", ".")
    try:
        return float(text)
    except ValueError:
        found = _VALUE_AND_UNIT.fullmatch(text)
    return None if found is None else float(found[1]) * SCALES[found["scale"]]
