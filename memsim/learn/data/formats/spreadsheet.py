from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from memsim.errors import InputError
from memsim.learn.data.formats.base import Format
from memsim.learn.data.raw import Array, Examples, Found
from memsim.learn.data.table import DataTable
from memsim.text import read_text

SEPARATORS = ",;\t"


class CsvFile(Format):
    """A table of numbers with a row for each example."""

    what = "a .csv table with a column for each feature and one for the label"

    def holds(self, path: Path) -> bool:
        return path.suffix.lower() in {".csv", ".tsv"}

    def read(self, path: Path, table: DataTable, slots: int) -> Found:
        text = read_text(path, f"data {str(path)!r}", "a .csv table")
        separator = max(SEPARATORS, key=text.partition("\n")[0].count)
        lines = [
            (number, row)
            for number, row in enumerate(csv.reader(text.splitlines(), delimiter=separator), start=1)
            if any(cell.strip() for cell in row)
        ]
        if not lines:
            raise InputError(f"{path} is empty; give a row for each example")
        width = len(lines[0][1])
        uneven = next(((number, row) for number, row in lines if len(row) != width), None)
        if width < 2 or uneven:
            number, row = uneven or lines[0]
            raise InputError(
                f"{path}: line {number} has {len(row)} column(s), the first one {width}; allowed: the same in every "
                "line, at least one feature and the label"
            )
        titles = [cell.strip() for cell in lines[0][1]]
        titled = not any(_is_number(cell) for cell in titles)
        label = _column(path, titles if titled else None, width, table.label)
        rows = lines[1:] if titled else lines
        labels = np.array([row[label].strip() for _, row in rows])
        empty = next((number for (number, _), one in zip(rows, labels, strict=True) if not one), None)
        if empty is not None:
            raise InputError(f"{path}: line {empty} has no label; give one, or remove the line")
        features = [
            [_number(path, number, c, row[c]) for c in range(width) if c != label] for number, row in rows
        ]
        name = repr(titles[label]) if titled else str(label)
        notes = (f"the label is column {name}" + ("" if table.label is not None else ", the last one"),)
        return Found(Examples(np.array(features), _as_numbers(labels)), layout="static", notes=notes)


def _column(path: Path, titles: list[str] | None, width: int, label: str | int | None) -> int:
    if label is None:
        return width - 1
    if isinstance(label, int) and label < width:
        return label
    if isinstance(label, str) and titles is not None and label in titles:
        return titles.index(label)
    known = ", ".join(titles) if titles else f"none has a title, numbers 0 to {width - 1}"
    raise InputError(f"{path} has no column {label!r} for the label; columns: {known}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(path: Path, line: int, column: int, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(
            f"{path}: line {line}, column {column} is {text.strip()[:40]!r}; allowed: a number. "
            "Fill or remove lines with gaps; give texts numbers"
        ) from None


def _as_numbers(labels: Array) -> Array:
    """Labels as whole numbers or numbers where all of them are, else as texts."""
    for kind in (np.int64, np.float64):
        try:
            return labels.astype(kind)
        except (ValueError, OverflowError):
            continue
    return labels
