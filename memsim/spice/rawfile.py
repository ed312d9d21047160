"""Binary raw files of ngspice as xarray data sets."""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from memsim.errors import BadResultError

UNITS = {
    "time": "s", "frequency": "Hz", "voltage": "V", "current": "A", "temperature": "degC", "charge": "C",
    "capacitance": "F", "impedance": "ohm", "admittance": "S", "power": "W", "voltage-density": "V/sqrt(Hz)",
    "current-density": "A/sqrt(Hz)",
}  # fmt: skip
_LENGTH = re.compile(r"dims=(\d+)(?!\S)")
"""How many values a variable has, where its column is longer, as that of a vector of another length is."""

Raw = bytes | mmap.mmap
"""Content of a raw file, or its pages, which come into memory as they are read."""


@dataclass(frozen=True)
class Plot:
    """One analysis of a raw file.

    Attributes:
        title: title line of the deck.
        name: kind of analysis, e.g. `Transient Analysis`.
        names: variables in file order, lower case, as ngspice writes them (`v(mem)`, `i(v1)`).
        types: ngspice's type of each variable (`time`, `voltage`, ...), and what it says of its axis or size.
        data: values [points, variables], float64 or complex128.
        complete: whether as many points were found as the header promises.
    """

    title: str
    name: str
    names: tuple[str, ...]
    types: tuple[str, ...]
    data: np.ndarray
    complete: bool


def read_raw(path: str | Path, *, plot: str | None = None) -> xr.Dataset:
    """Read one analysis of a binary raw file.

    Args:
        path: raw file written by `ngspice -r` or by the command `write`.
        plot: start of the plot's name, any case (`"transient"`, `"dc"`); the last plot when not given.

    Returns:
        Data set over `time` [s], `frequency` [Hz] or `sweep`; an operating point gives scalars.

    Raises:
        BadResultError: the file is missing, damaged or cut off; `partial` then holds the rows found.
    """
    try:
        content = mapped(Path(path))
    except OSError as cause:
        raise BadResultError(f"raw file {path} cannot be read: {cause}") from cause
    chosen = choose(read_plots(content), plot)
    dataset = to_dataset(chosen)
    if not chosen.complete:
        raise BadResultError(
            f"raw file {path} is cut off: {len(chosen.data)} points of `{chosen.name}` were found, "
            "which is not what its header says",
            partial=dataset,
        )
    return dataset


def mapped(path: Path) -> Raw:
    """Content of a raw file, without reading it yet."""
    if path.stat().st_size == 0:
        return b""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)


def choose(plots: list[Plot], name: str | None = None) -> Plot:
    """The last plot, or the last whose name starts with `name` (any case)."""
    found = [plot for plot in plots if name is None or plot.name.lower().startswith(name.lower())]
    if not found:
        raise BadResultError(f"raw file has no plot `{name}`; it has {[plot.name for plot in plots]}")
    return found[-1]


def read_plots(content: Raw) -> list[Plot]:
    """Every plot in the bytes of a raw file, the last one possibly incomplete.

    ngspice writes the number of points when an analysis ends, so an aborted one says 0: its rows are
    counted from the size of the file.

    Raises:
        BadResultError: not a binary raw file, or rows and header contradict each other.
    """
    plots: list[Plot] = []
    position = 0
    while position < len(content):
        try:
            plot, position = _read_plot(content, position)
        except BadResultError:
            if plots and _is_title(content, position):
                break  # a further analysis that stopped inside its header
            raise
        plots.append(plot)
    if not plots:
        raise BadResultError("raw file is empty")
    return plots


def _is_title(content: Raw, position: int) -> bool:
    return content[position : position + 6] == b"Title:"


def _read_plot(content: Raw, start: int) -> tuple[Plot, int]:
    if not _is_title(content, start):
        raise BadResultError(
            f"raw file has {len(content) - start} bytes that belong to no plot (`.options interp`?)"
        )
    mark = content.find(b"Binary:\n", start)
    if mark < 0:
        raise BadResultError("raw file ends inside its header, or is not a binary one")
    header = content[start:mark].decode("latin-1")
    fields = dict(re.findall(r"^([A-Z][\w. ]*):[ \t]*(.*?)[ \t\r]*$", header, flags=re.MULTILINE))
    names, types = _variables(header, _count(fields, "No. Variables"))
    flags = fields.get("Flags", "").lower().split()
    if "unpadded" in flags or not {"real", "complex"} & set(flags):
        raise BadResultError(
            f"raw file has flags `{' '.join(flags)}`; only padded real or complex data can be read"
        )
    dtype = np.dtype("<c16" if "complex" in flags else "<f8")
    begin = mark + len(b"Binary:\n")
    data, end, complete = _rows(content, begin, dtype, len(names), _count(fields, "No. Points"))
    return Plot(fields.get("Title", ""), fields.get("Plotname", ""), names, types, data, complete), end


def _rows(
    content: Raw, begin: int, dtype: np.dtype, width: int, declared: int
) -> tuple[np.ndarray, int, bool]:
    row = dtype.itemsize * width
    available = (len(content) - begin) // row
    points = min(declared, available) if declared else available
    data = np.frombuffer(content, dtype, count=points * width, offset=begin).reshape(points, width)
    complete = declared > 0 and points == declared
    return data, begin + points * row if complete else len(content), complete


def _count(fields: dict[str, str], name: str) -> int:
    text = fields.get(name, "")
    if not re.fullmatch(r"\d{1,12}", text, flags=re.ASCII):
        raise BadResultError(f"raw file header says `{name}: {text}`; a whole number was expected")
    return int(text)


def _variables(header: str, count: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and types from lines `<tab>index<tab>name<tab>type[ grid=3| dims=1]`; a name may be empty."""
    rows = [line.split("\t") for line in header.partition("\nVariables:\n")[2].split("\n") if line.strip()]
    if count < 1 or len(rows) != count or any(len(row) < 4 for row in rows):
        raise BadResultError(f"raw file header promises {count} variables and lists {len(rows)}")
    return tuple(row[2].lower() for row in rows), tuple(" ".join(row[3:]).strip().lower() for row in rows)


def to_dataset(plot: Plot) -> xr.Dataset:
    """Data set of one plot: the first variable becomes the coordinate where it is an axis.

    What a deck made itself may have another length than the axis, and has a dimension of its own then.
    """
    axis = _axis(plot)
    points = _length(plot, 0)
    dataset = xr.Dataset(attrs={"title": plot.title, "analysis": plot.name})
    if axis is not None:
        attrs = {"units": _unit(plot.types[0]), "long_name": axis}
        dataset = dataset.assign_coords({axis: (axis, plot.data[:points, 0].real.copy(), attrs)})
    columns: dict[str, Any] = {}
    for index in range(0 if axis is None else 1, len(plot.names)):
        length = _length(plot, index)
        dims = _dims(length, points, axis)
        values = plot.data[:length, index].copy() if dims else plot.data[0, index]
        attrs = {"units": _unit(plot.types[index]), "long_name": long_name(plot.names[index])}
        columns.setdefault(plot.names[index], (dims, values, attrs))
    return dataset.assign(columns)


def _dims(length: int, points: int, axis: str | None) -> tuple[str, ...]:
    if axis is not None and length == points:
        return (axis,)
    if length == 1:
        return ()
    return ("point",) if length == points else (f"points_{length}",)


def _length(plot: Plot, index: int) -> int:
    found = _LENGTH.search(plot.types[index])
    return len(plot.data) if found is None else min(int(found[1]), len(plot.data))


def _unit(kind: str) -> str:
    return UNITS.get(kind.split(" ", maxsplit=1)[0], "1")


def _axis(plot: Plot) -> str | None:
    kind = plot.types[0].split(" ", maxsplit=1)[0]
    if kind in ("time", "frequency"):
        return kind
    return "sweep" if re.search(r"-sweep\)?$", plot.names[0]) else None


def long_name(name: str) -> str:
    """Words for a variable: `v(mem)` is `voltage of mem`, `i(v1)` is `current of v1`."""
    found = re.fullmatch(r"([vi])\((.*)\)", name)
    if found is None:
        return name
    return f"{'voltage' if found[1] == 'v' else 'current'} of {found[2]}"
