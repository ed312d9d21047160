from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from memsim.errors import InputError
from memsim.learn.data.formats.base import Format
from memsim.learn.data.formats.cells import GAPS, as_labels, is_number, number_of
from memsim.learn.data.raw import Array, Examples, Found
from memsim.learn.data.table import DataTable
from memsim.text import read_text

SEPARATORS = "\t;,"
HEAD = 100
"""Lines from which the separator is known."""
UNTITLED = "Unnamed:"
"""How pandas calls a column without a title."""
LABELS = frozenset({"label", "class", "target"})
"""Titles that only a label has."""
MOST_TITLES = 8
"""That are named in a note."""


class CsvFile(Format):
    """A table of numbers with a row for each example."""

    what = "a .csv table with a column for each feature and one for the label"
    entries = frozenset({"label"})

    def holds(self, path: Path) -> bool:
        return path.suffix.lower() in {".csv", ".tsv"}

    def read(self, path: Path, table: DataTable, slots: int) -> Found:
        sheet = _Sheet.read(path, table.label)
        label = sheet.label(table.label)
        index = sheet.index(label)
        features = [c for c in range(sheet.width) if c not in {label, index}]
        if not features:
            raise InputError(f"{path} has a label and no feature; add a column with one")
        columns = np.array([[number_of(path, line, c, row[c]) for c in features] for line, row in sheet.rows])
        notes = [
            f"the label is column {sheet.name(label)}" + ("" if table.label is not None else ", the last one")
        ]
        notes += sheet.notes(index)
        notes += [
            f"warning: column {sheet.name(c)} counts the lines; take it out of the table if it is no feature"
            for c, values in zip(features, columns.T, strict=True)
            if _counts(values)
        ]
        return Found(Examples(columns, sheet.labels(label)), layout="static", notes=tuple(notes))


@dataclass(frozen=True)
class _Sheet:
    """Cells of a table.

    Attributes:
        path: of its file, for messages.
        titles: of the columns, where it has some.
        rows: the others, each with its line in the file.
    """

    path: Path
    titles: list[str] | None
    rows: list[tuple[int, list[str]]]

    @classmethod
    def read(cls, path: Path, label: str | int | None) -> _Sheet:
        """Of a file; `label` is what a study says of its column."""
        lines = _lines(path)
        width = len(lines[0][1])
        uneven = next(((number, row) for number, row in lines if len(row) != width), None)
        if width < 2 or uneven:
            number, row = uneven or lines[0]
            raise InputError(
                f"{path}: line {number} has {len(row)} column(s), the first one {width}; allowed: the same in every "
                "line, at least one feature and the label"
            )
        (_, first), *others = lines
        titled = label in first or _are_titles(first, [row for _, row in others])
        if titled and not others:
            raise InputError(f"{path} has titles and no examples; give a row for each example")
        return cls(path, first if titled else None, others if titled else lines)

    @property
    def width(self) -> int:
        return len(self.rows[0][1])

    def name(self, column: int) -> str:
        """Of a column, for messages."""
        return repr(self.titles[column]) if self.titles and self.titles[column] else str(column)

    def label(self, wanted: str | int | None) -> int:
        """The column of the label."""
        titles, width = self.titles, self.width
        if wanted is None:
            self._check_last()
            return width - 1
        if isinstance(wanted, int) and wanted < width:
            return wanted
        if titles is not None and wanted in titles:
            if titles.count(str(wanted)) > 1:
                raise InputError(
                    f"{self.path} has {titles.count(str(wanted))} columns {wanted!r}; give its number"
                )
            return titles.index(str(wanted))
        known = ", ".join(titles) if titles else f"none has a title, numbers 0 to {width - 1}"
        raise InputError(f"{self.path} has no column {wanted!r} for the label; columns: {known}")

    def _check_last(self) -> None:
        """Refuse the last column as that of the label where it cannot be meant."""
        titles = self.titles or ["?"]
        if not titles[-1]:
            raise InputError(
                f"{self.path}: the last column has no title; remove it, or say which the label is"
            )
        likely = [title for title in titles if title.casefold() in LABELS]
        if likely and titles[-1] not in likely:
            raise InputError(
                f"{self.path}: which column is the label, {likely[0]!r} or the last one, {titles[-1]!r}? Say label = "
                f"{likely[0]!r} or label = {titles[-1]!r}"
            )

    def index(self, label: int) -> int | None:
        """The first column, where it has no title and numbers the lines, as pandas writes it.

        Raises:
            InputError: another column without a title.
        """
        untitled = [c for c, title in enumerate(self.titles or ()) if _is_none(title)]
        for column in untitled:
            if column == label:
                continue
            cells = [row[column] for _, row in self.rows]
            if column or not all(cell.isdecimal() for cell in cells) or len(set(cells)) < len(cells):
                raise InputError(f"{self.path}: column {column} has no title; give it one, or remove it")
        return 0 if untitled and untitled[0] == 0 != label else None

    def labels(self, column: int) -> Array:
        """Labels as they are meant."""
        for line, row in self.rows:
            if row[column] in GAPS:
                told = f", {row[column]}" if row[column] else ""
                raise InputError(f"{self.path}: line {line} has no label{told}; give one, or remove the line")
        return as_labels(self.path, [row[column] for _, row in self.rows])

    def notes(self, index: int | None) -> list[str]:
        """What to say of titles."""
        notes = []
        if index is not None:
            notes.append("the first column has no title and numbers the lines: it is left out")
        if self.titles and any(map(is_number, self.titles)):
            shown = ", ".join(self.titles[:MOST_TITLES]) + (", ..." if self.width > MOST_TITLES else "")
            notes.append(
                f"the first line, {shown}, is read as titles; if it is an example, put titles above it"
            )
        return notes


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Cells of each line that has some."""
    lines = read_text(path, f"data {str(path)!r}", "a .csv table").splitlines()
    try:
        reader = csv.reader(lines, delimiter=_separator(lines))
        rows = [(number, [cell.strip() for cell in row]) for number, row in enumerate(reader, start=1)]
    except csv.Error as error:
        raise InputError(f"{path} is no table: {error}; look for quotes that do not end") from None
    if filled := [(number, row) for number, row in rows if any(row)]:
        return filled
    raise InputError(f"{path} is empty; give a row for each example")


def _separator(lines: list[str]) -> str:
    """The one that divides all lines alike; the most frequent one of the first line where none does."""
    head = [line for line in lines[:HEAD] if line.strip()]
    for separator in SEPARATORS:
        widths = {len(row) for row in csv.reader(head, delimiter=separator)}
        if len(widths) == 1 and widths != {1}:
            return separator
    return max(SEPARATORS, key=head[0].count) if head else SEPARATORS[-1]


def _are_titles(first: list[str], others: list[list[str]]) -> bool:
    """Whether a first line has titles: no numbers, or the columns' own, and no text that comes again below it."""
    counted = first[1:] if _is_none(first[0]) else first
    numbers = [(place, cell) for place, cell in enumerate(counted) if is_number(cell.replace(",", "."))]
    if not numbers:
        return True
    again = any(
        cell and not is_number(cell) and any(row[c] == cell for row in others) for c, cell in enumerate(first)
    )
    return all(cell == str(place) for place, cell in numbers) and not again


def _is_none(title: str) -> bool:
    return not title or title.startswith(UNTITLED)


def _counts(values: Array) -> bool:
    return len(values) > 2 and bool((np.diff(values) == 1).all())
