from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memsim.errors import InputError
from memsim.fit.heads import Head, number_of, read_head
from memsim.fit.records import Array
from memsim.fit.texts import text_of
from memsim.fit.titles import QUANTITIES, scale_of, title_of

OVER_RANGE = 1e30
"""Instruments write 9.9e37, 9.91e37 or 1e38 where their range ended."""
MOST_LOST = 0.2
"""Share of rows without numbers above which a file is damaged."""


@dataclass(frozen=True)
class Reading:
    """How a table of numbers is read.

    Args:
        columns: what each column holds: `time`, `voltage`, `current`, or `-` to leave it out. Told by the header, or by
            the number of columns (two: voltage, current; three: time, voltage, current), where left out.
        units: unit by quantity, where the header does not tell.
        rows: part of the table.
        skip_lines: lines at the start of the file that are not looked at.
        decimal: what parts decimals, `.` or `,`; told by the numbers where left out.
        encoding: of a text file, where it cannot be told from it.
    """

    columns: Sequence[str] | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    rows: slice = field(default_factory=lambda: slice(None))
    skip_lines: int = 0
    decimal: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.skip_lines < 0:
            raise InputError(f"skip_lines = {self.skip_lines} is out of range; allowed: 0 and more")
        if self.decimal not in (None, ".", ","):
            raise InputError(f"decimal = {self.decimal!r} is neither '.' nor ','")


@dataclass(frozen=True)
class Table:
    """Columns of a measurement by quantity, in SI units.

    Args:
        name: file name without its suffix.
        columns: [rows] each: `voltage` [V], `current` [A] and, where recorded, `time` [s].
        rows: [rows] number of each in the file, from 0: rows without numbers are left out, and keep their time.
        stated: quantities whose unit the file states.
        notes: what was done on reading.
    """

    name: str
    columns: Mapping[str, Array]
    rows: NDArray[np.int64]
    stated: frozenset[str]
    notes: tuple[str, ...] = ()


def parse_unit(text: str, quantity: str) -> float:
    """Scale of a unit such as `mV` or `µA`.

    Raises:
        InputError: it is not a unit of that quantity.
    """
    scale = scale_of(text, quantity)
    if scale is None:
        raise InputError(
            f"{text!r} is not a unit of {quantity}; write {QUANTITIES[quantity]} with a prefix k, m, u, n, p or none"
        )
    return scale


def read_table(path: str | Path, reading: Reading | None = None) -> Table:
    """Read a table with or without a header; any of comma, semicolon, tab or blanks between columns.

    Raises:
        InputError: no such file, a missing column, text among the numbers, unknown units.
    """
    path, reading = Path(path), reading or Reading()
    text = text_of(path, reading.encoding)
    head = read_head(text, path.name, skip=reading.skip_lines, decimal=reading.decimal)
    roles, notes = _roles_and_notes(path.name, head, reading)
    frame = _numbers(path, text, head, roles).iloc[reading.rows]
    if frame.empty:
        start, stop = reading.rows.start, reading.rows.stop
        raise InputError(f"{path.name} has no rows from {start or 0} to {stop or 'the end'}")
    scales = {role: _scale(role, head, k, reading.units) for k, role in enumerate(roles) if role != "-"}
    values = frame.to_numpy()
    over = np.abs(values) > OVER_RANGE
    good = (np.isfinite(values) & ~over).all(axis=1)
    lost = int((~good).sum())
    if lost > MOST_LOST * len(frame):
        raise InputError(
            f"{path.name}: {lost} of {len(frame)} rows hold no number{_codes(values, over)}; repair the file or read "
            "a part of it with --rows"
        )
    if lost:
        notes.append(f"{lost} rows without numbers left out{_codes(values, over)}")
    return Table(
        path.name.partition(".gz")[0].rpartition(".")[0] or path.stem,
        {role: frame[role].to_numpy()[good] * (scale or 1.0) for role, scale in scales.items()},
        np.flatnonzero(good),
        frozenset(role for role, scale in scales.items() if scale is not None),
        tuple(notes),
    )


def _codes(values: Array, over: NDArray[np.bool_]) -> str:
    """What instruments wrote for values out of range."""
    finite = over & np.isfinite(values)
    return (
        f", {int(finite.any(axis=1).sum())} of them with {values[finite][0]:.3g}, out of range"
        if finite.any()
        else ""
    )


def _roles_and_notes(name: str, head: Head, reading: Reading) -> tuple[list[str], list[str]]:
    """What each column holds, and what was assumed."""
    given = list(reading.columns) if reading.columns else None
    roles = _roles(name, head) if given is None else given
    if len(roles) != len(head.cells):
        raise InputError(
            f"{name} has {len(head.cells)} columns, but {len(roles)} are named: {','.join(roles)}"
        )
    unknown = [role for role in roles if role not in {*QUANTITIES, "-"}]
    missing = [quantity for quantity in ("voltage", "current") if quantity not in roles]
    if unknown or missing:
        problem = f"unknown column {unknown[0]!r}" if unknown else f"no {missing[0]} column"
        among = ", ".join(head.cells if head.titled else roles)
        raise InputError(
            f"{name}: {problem} among {among}; name the columns in order, such as --columns time,voltage,current "
            "(use - for others), or skip what stands above the table with --skip-lines"
        )
    notes = []
    if given is None and head.titled:
        taken = [f"{role} from {cell!r}" for role, cell in zip(roles, head.cells, strict=True) if role != "-"]
        unused = [repr(cell) for role, cell in zip(roles, head.cells, strict=True) if role == "-" and cell]
        if unused:
            notes.append(f"took {', '.join(taken)}; not used: {', '.join(unused[:8])}")
    return roles, notes


def _roles(name: str, head: Head) -> list[str]:
    if not head.titled:
        layouts = {2: ["voltage", "current"], 3: ["time", "voltage", "current"]}
        if len(head.cells) not in layouts:
            raise InputError(
                f"{name} has {len(head.cells)} columns and no header; name them in order, such as "
                "--columns time,voltage,current,-"
            )
        return layouts[len(head.cells)]
    roles: list[str] = []
    for cell in head.cells:
        quantity = title_of(cell).quantity
        roles.append(quantity if quantity is not None and quantity not in roles else "-")
    return roles


def _scale(role: str, head: Head, column: int, units: Mapping[str, str]) -> float | None:
    if role in units:
        return parse_unit(units[role], role)
    if head.units:
        return parse_unit(head.units[column], role) if head.units[column] else None
    unit = title_of(head.cells[column]).unit if head.titled else ""
    return parse_unit(unit, role) if unit else None


def _numbers(path: Path, text: str, head: Head, roles: Sequence[str]) -> pd.DataFrame:
    wanted = [k for k, role in enumerate(roles) if role != "-"]
    frame = _table(path, text, head, wanted)
    frame.columns = pd.Index([roles[k] for k in wanted])
    for role in frame.columns:
        if frame[role].dtype.kind not in "fiu":
            frame[role] = _of_text(path.name, str(role), frame[role], head.decimal)
    return frame.astype(float)


def _of_text(name: str, role: str, column: pd.Series, decimal: str) -> pd.Series:
    """Numbers of a column that holds text, too; NaN for what is none.

    Raises:
        InputError: most of it is text.
    """
    cells = column.astype(str).str.strip()  # as text, no whole number is too long for a float
    values = pd.to_numeric(cells, errors="coerce")
    open_cells = values.isna() & column.notna()
    values[open_cells] = np.array([number_of(cell, decimal) for cell in cells[open_cells]], dtype=float)
    words = cells[values.isna() & column.notna()]
    words = words[~words.str.lower().isin(["nan", "", "na", "n/a", "inf", "-inf"])]
    if len(words) > MOST_LOST * len(column):
        raise InputError(
            f"{name}: the {role} column holds text, such as {words.iloc[0]!r} in row {words.index[0] + 1}; give "
            "numbers, or name the columns with --columns"
        )
    return values.astype(float)


def read_columns(path: str | Path) -> Array:
    """All columns of a table of numbers [rows, columns], NaN where a cell is empty.

    Raises:
        InputError: no such file, or text among the numbers.
    """
    path = Path(path)
    text = text_of(path)
    frame = _table(path, text, read_head(text, path.name))
    try:
        return frame.to_numpy(dtype=float)
    except ValueError as error:
        raise InputError(f"{path.name} is not a table of numbers: {error}") from None


def _table(path: Path, text: str, head: Head, columns: Sequence[int] | None = None) -> pd.DataFrame:
    """All columns of a file, or those of these numbers, as they stand."""
    try:
        return pd.read_csv(
            io.StringIO(text),
            sep=head.separator,
            header=0 if head.titled else None,
            skiprows=list(head.skipped),
            comment="#",
            usecols=columns,
            decimal=head.decimal,
            skipinitialspace=True,
            quoting=csv.QUOTE_MINIMAL,
            low_memory=False,
        )
    except (pd.errors.ParserError, ValueError, OverflowError) as error:
        raise InputError(f"{path.name} is not a table of numbers: {error}") from None
