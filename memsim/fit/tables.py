from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from memsim.errors import InputError
from memsim.fit.heads import UNIT, Head, read_head
from memsim.fit.records import Array

QUANTITIES = {"time": "s", "voltage": "V", "current": "A"}
_NAMES = {
    "time": re.compile(r"t|time|zeit|elapsed", re.IGNORECASE),
    "voltage": re.compile(
        r"a?v\d?|u\d?|volt(s|age)?|bias|v_?(d|dev|device|mem|in|drive|source|bias)", re.IGNORECASE
    ),
    "current": re.compile(r"a?i\d?|curr(ent)?|amp(s|ere|eres)?|i_?(d|dev|device|mem)", re.IGNORECASE),
}
_SCALES = {"": 1.0, "k": 1e3, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
_WORDS = {
    "sec": "s",
    "seconds": "s",
    "second": "s",
    "volt": "V",
    "volts": "V",
    "ampere": "A",
    "amp": "A",
    "amps": "A",
}
_TITLE = re.compile(
    r"^\s*(?P<name>.*?)\s*(?:[\[(/]\s*(?P<unit>[^\])]*?)\s*[\])]?|_(?P<tail>[kmuµμnpf]?[VAs]))?\s*$"
)


@dataclass(frozen=True)
class Table:
    """Columns of a measurement by quantity, in SI units.

    Args:
        name: file name without its suffix.
        columns: [rows] each: `voltage` [V], `current` [A] and, where recorded, `time` [s].
        stated: quantities whose unit the file states.
        notes: what was done on reading.
    """

    name: str
    columns: Mapping[str, Array]
    stated: frozenset[str]
    notes: tuple[str, ...] = ()


def parse_unit(text: str, quantity: str) -> float:
    """Scale of a unit such as `mV` or `µA`.

    Raises:
        InputError: it is not a unit of that quantity.
    """
    match = UNIT.match(_WORDS.get(text.lower(), text))
    if match is None or match["unit"] != QUANTITIES[quantity]:
        raise InputError(
            f"{text!r} is not a unit of {quantity}; write {QUANTITIES[quantity]} with a prefix k, m, u, n, p or none"
        )
    return _SCALES[match["scale"]]


def read_table(
    path: str | Path,
    *,
    columns: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
    rows: slice = slice(None),
) -> Table:
    """Read a CSV file with or without a header; any of comma, semicolon, tab or blanks between columns.

    Args:
        path: the file.
        columns: what each column holds: `time`, `voltage`, `current`, or `-` to leave it out. Guessed from the header,
            or from the number of columns (two: voltage, current; three: time, voltage, current), where left out.
        units: unit by quantity, where the header does not tell.
        rows: part of the file to read.

    Raises:
        InputError: no such file, a missing column, text among the numbers, unknown units.
    """
    path = Path(path)
    head = read_head(path)
    first, titled = head.cells, head.titled
    roles = list(columns) if columns else _roles(path.name, first, titled)
    if len(roles) != len(first):
        raise InputError(
            f"{path.name} has {len(first)} columns, but {len(roles)} are named: {','.join(roles)}"
        )
    unknown = [role for role in roles if role not in {*QUANTITIES, "-"}]
    missing = [quantity for quantity in ("voltage", "current") if quantity not in roles]
    if unknown or missing:
        problem = f"unknown column {unknown[0]!r}" if unknown else f"no {missing[0]} column"
        raise InputError(
            f"{path.name}: {problem} among {', '.join(first if titled else roles)}; name the columns in order, such as "
            "--columns time,voltage,current (use - for others)"
        )
    frame = _numbers(path, head, roles).iloc[rows]
    if frame.empty:
        raise InputError(f"{path.name} has no rows from {rows.start or 0} to {rows.stop or 'the end'}")
    scales = {role: _scale(role, head, k, units or {}) for k, role in enumerate(roles) if role != "-"}
    good = np.isfinite(frame.to_numpy()).all(axis=1)
    lost = int((~good).sum())
    if lost > 0.2 * len(frame):
        raise InputError(
            f"{path.name}: {lost} of {len(frame)} rows hold no number; repair the file or read a part of it with --rows"
        )
    notes = (f"{lost} rows without numbers left out",) if lost else ()
    return Table(
        path.stem,
        {role: frame[role].to_numpy()[good] * (scale or 1.0) for role, scale in scales.items()},
        frozenset(role for role, scale in scales.items() if scale is not None),
        notes,
    )


def _roles(name: str, first: Sequence[str], titled: bool) -> list[str]:
    if not titled:
        layouts = {2: ["voltage", "current"], 3: ["time", "voltage", "current"]}
        if len(first) not in layouts:
            raise InputError(
                f"{name} has {len(first)} columns and no header; name them in order, such as "
                "--columns time,voltage,current,-"
            )
        return layouts[len(first)]
    roles: list[str] = []
    for title in first:
        text = _TITLE.match(title)
        word = text["name"].strip() if text else title
        found = [q for q, pattern in _NAMES.items() if pattern.fullmatch(word) or _has_word(q, word)]
        roles.append(found[0] if found and found[0] not in roles else "-")
    return roles


def _has_word(quantity: str, title: str) -> bool:
    return quantity in re.split(r"[\s_\-]+", title.lower())


def _scale(role: str, head: Head, column: int, units: Mapping[str, str]) -> float | None:
    if role in units:
        return parse_unit(units[role], role)
    if head.units:
        return parse_unit(head.units[column], role) if head.units[column] else None
    match = _TITLE.match(head.cells[column]) if head.titled else None
    text = (match["unit"] or match["tail"]) if match else None
    return parse_unit(text, role) if text else None


def _numbers(path: Path, head: Head, roles: Sequence[str]) -> pd.DataFrame:
    wanted = [k for k, role in enumerate(roles) if role != "-"]
    frame = _table(path, head, wanted)
    frame.columns = pd.Index([roles[k] for k in wanted])
    for role in frame.columns:
        if frame[role].dtype.kind not in "fiu":
            # as text, no whole number is too long for a float
            values = pd.to_numeric(frame[role].astype(str), errors="coerce")
            text = frame[role][values.isna() & frame[role].notna()]
            text = text[
                ~text.astype(str).str.strip().str.lower().isin(["nan", "", "na", "n/a", "inf", "-inf"])
            ]
            if len(text) > 0.2 * len(frame):
                raise InputError(
                    f"{path.name}: the {role} column holds text, such as {text.iloc[0]!r} in row {text.index[0] + 1}; "
                    "give numbers, or name the columns with --columns"
                )
            frame[role] = values
    return frame.astype(float)


def read_columns(path: str | Path) -> Array:
    """All columns of a table of numbers [rows, columns], NaN where a cell is empty.

    Raises:
        InputError: no such file, or text among the numbers.
    """
    path = Path(path)
    frame = _table(path, read_head(path))
    try:
        return frame.to_numpy(dtype=float)
    except ValueError as error:
        raise InputError(f"{path.name} is not a table of numbers: {error}") from None


def _table(path: Path, head: Head, columns: Sequence[int] | None = None) -> pd.DataFrame:
    """All columns of a file, or those of these numbers, as they stand."""
    try:
        return pd.read_csv(
            path,
            sep=head.separator,
            header=0 if head.titled else None,
            skiprows=list(head.skipped),
            comment="#",
            usecols=columns,
            decimal=head.decimal,
            skipinitialspace=True,
            quoting=csv.QUOTE_MINIMAL,
            encoding_errors="replace",
            low_memory=False,
        )
    except (pd.errors.ParserError, ValueError, OverflowError) as error:
        raise InputError(f"{path.name} is not a table of numbers: {error}") from None
