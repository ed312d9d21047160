"""A recording cut into windows of one length, from its first event on, with what is known in the middle of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memsim.errors import InputError
from memsim.learn.data.events import Counts, count_events, empty_counts, exact, slots_of, with_past
from memsim.learn.data.recording_table import RecordingTable
from memsim.learn.data.recordings.events import Events
from memsim.learn.data.recordings.truth import Truth
from memsim.units import format_si


@dataclass(frozen=True)
class Windows:
    """Examples of one recording, in the order of time.

    Attributes:
        counts: of brighter and of darker events, [n, slots, features].
        wanted: numbers [n, k], or flow [n, 2, rows, columns], NaN where it is not known.
        notes: what was left out.
    """

    counts: Counts
    wanted: NDArray[np.float64]
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.wanted)

    def part(self, chosen: slice) -> Windows:
        """Some of them."""
        return Windows(self.counts[chosen], self.wanted[chosen], ())


def windows_of(
    events: Events, truth: Truth, table: RecordingTable, slots: int, size: tuple[int, int]
) -> Windows:
    """The windows of a recording; the last one is whole where its last slot has an event.

    Args:
        events: of the recording.
        truth: what is known of it.
        table: what a window is.
        slots: equal parts of a window.
        size: rows and columns of the camera.

    Raises:
        InputError: no whole window, none whose middle is known, pixels outside the camera, or flow of another size.
    """
    _check_pixels(events, size)
    height, width = (side // table.binning for side in size)
    shape = (2, height, width)
    when = slots_of(events.ticks, exact(table.window) / slots / events.clock.tick)
    whole = int(when[-1] + 1) // slots
    wanted, known = truth.binned(size, table.binning).at(table.window * np.arange(0.5, whole))
    if not known.any():
        raise InputError(
            f"{events.name}: none of {whole} windows of {table.window:g} s in {events.length:g} s has a target "
            "in its middle; "
            f"targets are from {truth.time[0]:g} to {truth.time[-1]:g} s after the first event. Give a shorter "
            "window, or "
            "targets of this recording"
        )
    row, column = events.row // table.binning, events.column // table.binning
    inside = (row < height) & (column < width)
    counts = empty_counts(
        int(known.sum()),
        slots,
        shape,
        of=f"windows of {events.name}, whose events are {format_si(events.length, 's')} in {events.clock.unit},",
        remedy="look at time_unit, or take a longer window, larger binning or fewer slots",
    )
    edges = np.searchsorted(when, slots * np.arange(whole + 1))
    for number, window in enumerate(np.flatnonzero(known)):
        one = np.arange(edges[window], edges[window + 1])
        one = one[inside[one]]
        place = column[one], row[one], ~events.brighter[one]
        counts[number] = count_events(when[one] - slots * window, place, slots, shape)
    values = wanted[known] if wanted.ndim == 2 else _seen(wanted[known], counts, shape)
    return Windows(with_past(counts, table.history), values, tuple(_notes(events, known, counts, inside)))


def _notes(events: Events, known: NDArray[np.bool_], counts: Counts, inside: NDArray[np.bool_]) -> list[str]:
    notes = [f"{events.name}: {len(counts)} windows"]
    if without := int((~known).sum()):
        notes.append(
            f"warning: {events.name}: {without} of {len(known)} windows are left out, because no target is known "
            "in their "
            "middle (before the first, after the last, or in a gap)"
        )
    if empty := int((counts.max(axis=(1, 2)) == 0).sum()):
        notes.append(f"warning: {events.name}: {empty} of {len(counts)} windows have no event; they stay")
    if cut := int((~inside).sum()):
        notes.append(
            f"{events.name}: {cut} events lie in rows or columns that fill no square of pixels, and are left out"
        )
    return notes


def _check_pixels(events: Events, size: tuple[int, int]) -> None:
    outside = np.flatnonzero((events.row >= size[0]) | (events.column >= size[1]))
    if len(outside):
        k = int(outside[0])
        raise InputError(
            f"{events.name}: {len(outside)} of {len(events.ticks)} events lie outside the camera of {size[1]} x "
            f"{size[0]} "
            f"pixels, the first is event {k} at column {events.column[k]}, row {events.row[k]}; correct width and "
            "height"
        )


def _seen(flow: NDArray[np.float64], counts: Counts, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Flow where there were events in the window."""
    silent = counts.reshape(len(counts), -1, *shape).max(axis=(1, 2)) == 0
    return np.where(silent[:, None], np.nan, flow)
