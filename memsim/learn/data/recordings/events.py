"""Events whose numbers are known to be what they should be."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memsim.errors import InputError
from memsim.learn.data.events import exact
from memsim.learn.data.raw import Array
from memsim.learn.data.recording_table import SECONDS, RecordingTable, Unit
from memsim.learn.data.recordings.columns import Columns
from memsim.units import format_si

FINE, COARSE = 1e-9, 1e-6
"""Ticks of times that are no whole numbers [s]."""
CODINGS = ((0, 1), (-1, 1))
"""Numbers of darker and brighter."""


@dataclass(frozen=True)
class Clock:
    """Times of a file, from its first event.

    Attributes:
        unit: of its times.
        first: time of the first event.
        tick: that times are counted in [s]: the unit where they are whole numbers, and a nanosecond where they are
            not, or a microsecond where they are too large for floats to tell nanoseconds apart.
    """

    unit: Unit
    first: int | float
    tick: Fraction

    @classmethod
    def of(cls, times: Array, unit: Unit) -> Clock:
        """Of times of events, [n]."""
        scale = exact(SECONDS[unit])
        if times.dtype.kind in "iu":
            return cls(unit, times[0].item(), scale)
        told = np.spacing(np.abs(times).max()) * SECONDS[unit] < FINE / 10
        return cls(unit, times[0].item(), exact(FINE if told else COARSE))

    def ticks(self, times: Array) -> NDArray[np.int64]:
        """[n] from the first event; whole numbers are compared with it before anything is rounded."""
        if times.dtype.kind in "iu" and isinstance(self.first, int):
            return times.astype(np.int64) - self.first
        scale = float(exact(SECONDS[self.unit]) / self.tick)
        return np.rint(times * scale).astype(np.int64) - round(self.first * scale)

    def seconds(self, times: Array) -> NDArray[np.float64]:
        """[n] from the first event [s]."""
        whole = times.dtype.kind in "iu" and isinstance(self.first, int)
        since = times.astype(np.int64) - self.first if whole else times.astype(np.float64) - self.first
        return np.asarray(since * SECONDS[self.unit], np.float64)


@dataclass(frozen=True)
class Events:
    """Events of a recording, by time.

    Attributes:
        name: of the recording.
        ticks: [n], times from the first one, as whole numbers of the clock's ticks.
        column, row: [n].
        brighter: [n], whether it became brighter there.
        clock: of its file.
        size: rows and columns of the camera, where the file says them.
        note: what was found out.
    """

    name: str
    ticks: NDArray[np.int64]
    column: NDArray[np.int64]
    row: NDArray[np.int64]
    brighter: NDArray[np.bool_]
    clock: Clock
    size: tuple[int, int] | None
    note: str

    @property
    def length(self) -> float:
        """From the first event to the last [s]."""
        return float(int(self.ticks[-1]) * self.clock.tick)

    @property
    def reached(self) -> tuple[int, int]:
        """Rows and columns that have events."""
        return int(self.row.max()) + 1, int(self.column.max()) + 1


def checked_events(path: Path, columns: Columns, table: RecordingTable) -> Events:
    """The events of a file.

    Raises:
        InputError: columns of different length, numbers that cannot be what they should be, times of no known unit or
            that go back.
    """
    each, times = columns.values, columns.values["t"]
    lengths = {name: one.shape for name, one in each.items()}
    if len(set(lengths.values())) > 1 or times.ndim != 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in lengths.items())
        raise InputError(f"{path}: columns of events have shapes {listed}; allowed: [n], all the same")
    if not len(times):
        raise InputError(f"{path} has no events; remove it")
    for name, one in each.items():
        if one.dtype.kind not in "biuf" or (one.dtype.kind == "f" and not np.isfinite(one).all()):
            raise InputError(f"{path}: {name} of events, {one.dtype}, is not finite numbers everywhere")
    times = times.astype(np.int64) + columns.offset if times.dtype.kind in "iu" else times
    unit, how = _unit(path, times, columns, table)
    back = np.flatnonzero(times[1:] < times[:-1])
    if len(back):
        k = int(back[0])
        raise InputError(
            f"{path}: times go back at {len(back)} place(s), the first from {times[k]} of event {k} to "
            f"{times[k + 1]}; sort events by time, or cut the recording where its clock was set back"
        )
    brighter, coding = _brighter(path, each["p"])
    column, row = (_pixels(path, name, each[name]) for name in ("x", "y"))
    clock = Clock.of(times, unit)
    length = format_si(clock.seconds(times[-1:]).item(), "s")
    note = f"{path.stem}: {len(times)} events in {length}, times in {unit} ({how}), polarities {coding}"
    return Events(path.stem, clock.ticks(times), column, row, brighter, clock, columns.size, note)


def _unit(path: Path, times: Array, columns: Columns, table: RecordingTable) -> tuple[Unit, str]:
    """Unit of times, and how it is known."""
    if columns.unit is not None:
        unit, how = columns.unit
        if table.time_unit not in {None, unit}:
            raise InputError(
                f"time_unit = {table.time_unit!r}, and times of {path} are in {unit}, {how}; leave it out"
            )
        return unit, how
    if table.time_unit is not None:
        return table.time_unit, "as time_unit says"
    if times.dtype.kind == "f" and (times != np.round(times)).any():
        return "s", "because they have fractions; time_unit may say another"
    span = float(times[-1]) - float(times[0])
    lengths = ", ".join(f"{unit!r} ({format_si(span * scale, 's')})" for unit, scale in SECONDS.items())
    raise InputError(
        f"{path}: times are whole numbers from {times[0]} to {times[-1]} and the file does not say their unit; give "
        f"time_unit: {lengths}"
    )


def _brighter(path: Path, polarity: Array) -> tuple[NDArray[np.bool_], str]:
    """Which events are brighter, and how that was known."""
    values = np.unique(polarity)
    for low, high in CODINGS:
        if np.isin(values, (low, high)).all():
            only = "" if len(values) > 1 else f", all are {values[0]:g}"
            return polarity == high, f"{low} and {high} for darker and brighter{only}"
    shown = ", ".join(f"{value:g}" for value in values[:5]) + (", ..." if len(values) > 5 else "")
    raise InputError(
        f"{path}: polarities are {shown}; allowed: 0 and 1, or -1 and 1, for darker and brighter"
    )


def _pixels(path: Path, name: str, values: Array) -> NDArray[np.int64]:
    """Columns or rows of pixels."""
    whole = values.astype(np.int64)
    wrong = np.flatnonzero((whole != values) | (whole < 0))
    if len(wrong):
        raise InputError(
            f"{path}: {name} of {len(wrong)} event(s) is no pixel, the first is {values[wrong[0]]} of event "
            f"{wrong[0]}; "
            "allowed: whole numbers from 0, as the camera counts them"
        )
    return whole
