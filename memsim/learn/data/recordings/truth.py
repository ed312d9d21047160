"""What is to be predicted from a recording: numbers or flow with the times at which they were measured.

Between two times t0 and t1 what is known is interpolated, y(t) = y0 + (y1 - y0) (t - t0) / (t1 - t0), and nothing is
known before the first, after the last, and in a gap.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memsim.errors import InputError
from memsim.learn.data.archives import read_arrays
from memsim.learn.data.raw import Array
from memsim.learn.data.recordings.columns import NAMES
from memsim.learn.data.recordings.events import Events
from memsim.text import read_text

SUFFIXES = (".targets.csv", ".targets.npz")
GAP = 10
"""Times that lie apart by more than so many usual steps have a gap between them."""


@dataclass(frozen=True)
class Truth:
    """Numbers or flow over time.

    Attributes:
        time: [m], from the first event of the recording [s].
        values: [m, k], or flow [m, 2, rows, columns].
        names: of the k numbers, or of flow alone.
    """

    time: NDArray[np.float64]
    values: NDArray[np.float64]
    names: tuple[str, ...]

    def binned(self, size: tuple[int, int], side: int) -> Truth:
        """Flow as the mean of what is known in each square of pixels; numbers as they are.

        Raises:
            InputError: flow of another size than the camera's rows and columns.
        """
        if self.values.ndim == 2:
            return self
        if self.values.shape[2:] != size:
            raise InputError(
                f"flow is of {self.values.shape[3]} x {self.values.shape[2]} pixels, and the camera has {size[1]} "
                f"x {size[0]}; "
                "give both alike"
            )
        height, width = (length // side for length in size)
        whole = self.values[:, :, : height * side, : width * side]
        squares = whole.reshape(-1, 2, height, side, width, side)
        known = ~np.isnan(squares)
        count = known.sum(axis=(3, 5))
        total = np.where(known, squares, 0).sum(axis=(3, 5))
        return Truth(self.time, np.where(count > 0, total / np.maximum(count, 1), np.nan), self.names)

    def at(self, times: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Interpolated values at times [n], and whether they are known there; the others are zero."""
        steps = np.diff(self.time)
        after = np.clip(np.searchsorted(self.time, times, "left"), 1, len(self.time) - 1)
        step = steps[after - 1]
        known = (times >= self.time[0]) & (times <= self.time[-1]) & (step <= GAP * np.median(steps))
        values = np.zeros((len(times), *self.values.shape[1:]))
        part = ((times - self.time[after - 1]) / step)[known].reshape(-1, *[1] * (self.values.ndim - 1))
        before, behind = self.values[after[known] - 1], self.values[after[known]]
        values[known] = before + part * (behind - before)
        return values, known


def truth_beside(path: Path, events: Events) -> Truth:
    """The targets in the file NAME.targets.csv or NAME.targets.npz beside a recording.

    A table has a column of times and one for each number; an .npz file has times [m] and arrays of numbers [m] or
    [m, k], or flow [m, 2, rows, columns] along columns and along rows, NaN where it is not known.

    Raises:
        InputError: none or two files, no times, values of other shapes or not finite, times that do not increase, or
            none within the recording.
    """
    found = [one for suffix in SUFFIXES if (one := path.with_name(path.stem + suffix)).exists()]
    if len(found) != 1:
        names = [path.stem + suffix for suffix in SUFFIXES]
        raise InputError(
            f"{path} has {len(found)} files of targets beside it; give one, {names[0]} or {names[1]}"
        )
    (source,) = found
    columns = _table(source) if source.suffix == ".csv" else read_arrays(source)
    clocks = [name for name in columns if name.lower() in NAMES["t"]]
    if len(clocks) != 1 or len(columns) == 1:
        raise InputError(
            f"{source} has {', '.join(columns)}; give times in one column, {' or '.join(NAMES['t'])}, and targets "
            "in others"
        )
    times = columns.pop(clocks[0])
    if not len(times):
        raise InputError(f"{source} has no rows; give at least two times, to interpolate between")
    _check(source, times, columns)
    time = events.clock.seconds(times)
    if (np.diff(time) <= 0).any():
        k = int(np.argmax(np.diff(time) <= 0))
        raise InputError(f"{source}: times must increase; {times[k]} is followed by {times[k + 1]}")
    last = events.length
    if time[0] > last or time[-1] < 0:
        raise InputError(
            f"{source}: targets are from {time[0]:g} to {time[-1]:g} s after the first event, and the recording "
            f"is {last:g} s "
            f"long; give both times in {events.clock.unit}, from the same zero"
        )
    return Truth(time, *_values(source, columns))


def _table(path: Path) -> dict[str, Array]:
    text = read_text(path, f"targets {str(path)!r}", "a .csv table with titles")
    try:
        frame = pd.read_csv(io.StringIO(text), skipinitialspace=True)
    except ValueError as error:
        raise InputError(f"{path} is no table: {error}") from None
    return {str(name).strip(): column.to_numpy() for name, column in frame.items()}


def _check(source: Path, times: Array, columns: dict[str, Array]) -> None:
    for name, one in {"times": times, **columns}.items():
        if one.dtype.kind not in "iuf":
            raise InputError(
                f"{source}: {name} are of type {one.dtype}; allowed: numbers, in a table below one line of titles"
            )
        if len(times.shape) != 1 or one.shape[:1] != times.shape:
            raise InputError(
                f"{source}: {name} have shape {one.shape} and times {times.shape}; allowed: [m] and [m, ...]"
            )
        if one.ndim != 4 and not np.isfinite(one).all():
            raise InputError(f"{source}: {name} are not finite everywhere; leave these times out")
    if len(times) < 2:
        raise InputError(f"{source} has {len(times)} time(s); give at least two, to interpolate between")


def _values(source: Path, columns: dict[str, Array]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Numbers side by side, or flow."""
    shapes = {name: one.shape[1:] for name, one in columns.items()}
    if any(len(shape) == 3 for shape in shapes.values()):
        ((name, shape),) = shapes.items() if len(shapes) == 1 else [("flow", (0,))]
        if shape[0] != 2:
            raise InputError(
                f"{source} has {shapes}; allowed beside times: one array of flow [m, 2, rows, columns], along "
                "columns and "
                "along rows"
            )
        return columns[name].astype(np.float64), (name,)
    if wrong := [name for name, shape in shapes.items() if len(shape) > 1]:
        raise InputError(
            f"{source}: {wrong[0]} has shape {columns[wrong[0]].shape}; allowed: [m], [m, k] or [m, 2, rows, columns]"
        )
    wide = {name: one.reshape(len(one), -1).astype(np.float64) for name, one in columns.items()}
    names = [
        name if one.shape[1] == 1 else f"{name}[{k}]"
        for name, one in wide.items()
        for k in range(one.shape[1])
    ]
    return np.concatenate(list(wide.values()), axis=1), tuple(names)
