from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from memsim.errors import InputError
from memsim.hdf5 import DAMAGED, check_hdf5
from memsim.learn.data.raw import Array
from memsim.learn.data.recording_table import Unit
from memsim.learn.data.recordings.base import EventFile
from memsim.learn.data.recordings.columns import Columns, chosen, named

MILLISECONDS = "ms_to_idx"
"""Of DSEC: number of the first event of each millisecond."""
OFFSET = "t_offset"
MVSEC = ("x", "y", "t", "p")
"""Columns of its events [n, 4]; times are in seconds."""


class Hdf5Events(EventFile):
    """Groups with t, x, y and p (DSEC), tables with these fields (tonic), or events [n, 4] (MVSEC)."""

    suffixes = (".h5", ".hdf5")

    def read(self, path: Path, place: str | None) -> Columns:
        with suppress(ImportError):
            import hdf5plugin  # noqa: F401 - lets h5py read compressed files such as those of DSEC
        try:
            check_hdf5(path)
            with h5py.File(path, "r") as file:
                where, found = chosen(dict(_places(file)), place)
                events = {key: values[()] for key, values in found.items()}
                return Columns(events, unit=_unit(file, where, events["t"]), offset=_offset(file, where))
        except InputError:
            raise
        except DAMAGED as error:
            raise InputError(
                f"{path} cannot be read: {str(error).splitlines()[0]}; fetch it again, or where it is compressed: "
                "pip install 'memsim[recordings]'"
            ) from None


class _Column:
    """A column of a table, read when it is needed."""

    def __init__(self, table: h5py.Dataset, column: str | int) -> None:
        self.table, self.column = table, column

    def __getitem__(self, everything: tuple[()]) -> Array:
        return self.table[self.column] if isinstance(self.column, str) else self.table[:, self.column]


def _places(file: h5py.File) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Where events are, and their columns, not read."""
    visited: list[tuple[str, Any]] = [("", file)]
    file.visititems(lambda name, one: visited.append((name, one)))
    for name, one in visited:
        if isinstance(one, h5py.Group):
            arrays = {key: part for key, part in one.items() if isinstance(part, h5py.Dataset)}
            if own := named(arrays):
                yield name, {key: arrays[other] for key, other in own.items()}
        elif own := named(one.dtype.names or ()):
            yield name, {key: _Column(one, field) for key, field in own.items()}
        elif one.ndim == 2 and one.shape[1] == len(MVSEC) and name.rpartition("/")[2] == "events":
            yield name, {key: _Column(one, column) for column, key in enumerate(MVSEC)}


def _unit(file: h5py.File, where: str, times: Array) -> tuple[Unit, str] | None:
    """Of time, where the file shows it."""
    one = file[where or "/"]
    if isinstance(one, h5py.Dataset) and one.ndim == 2:
        return "s", "as MVSEC has them"
    index = _beside(file, where, MILLISECONDS)
    if index is None:
        return None
    first = index[()].astype(np.int64)
    inside = np.flatnonzero((first > 0) & (first < len(times)))
    if (
        not len(inside)
        or (times[first[inside]] < 1000 * inside).any()
        or (times[first[inside] - 1] >= 1000 * inside).any()
    ):
        raise InputError(
            f"{MILLISECONDS} does not point to the events at whole milliseconds, if times are in us; the file is "
            "damaged, or its times have another unit"
        )
    return "us", f"by {MILLISECONDS}"


def _offset(file: h5py.File, where: str) -> int:
    offset = _beside(file, where, OFFSET)
    return 0 if offset is None else int(np.asarray(offset[()]).item())


def _beside(file: h5py.File, where: str, name: str) -> h5py.Dataset | None:
    """A data set in the group of events, or in the one around it."""
    for group in (where, where.rpartition("/")[0]):
        place = file[group or "/"]
        if isinstance(place, h5py.Group) and name in place:
            return place[name]
    return None
