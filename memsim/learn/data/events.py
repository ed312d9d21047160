"""Events as frames: counts in bins of time, polarity, row and column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memsim.errors import InputError
from memsim.learn.data.dataset import Split
from memsim.memory import check_memory

Counts = NDArray[np.uint8]
Recording = tuple[NDArray, NDArray, NDArray, NDArray]
"""Time [us], column, row and polarity (0 or 1) of each event."""

INT64 = 2**63
SATURATED = 0.999
"""Full scale is the count that this share of the bins with events stays within: a hot pixel does not dim the rest."""


@dataclass(frozen=True)
class Frames:
    """Recordings as counts [n, time, features] with labels [n]."""

    counts: Counts
    labels: Tensor

    def split(self, full_scale: int) -> Split:
        """What training takes, with `full_scale` events in a bin for 1; more saturate."""
        counts = np.minimum(self.counts, full_scale)
        return Split(torch.from_numpy(counts), self.labels, float(full_scale))

    @property
    def full_scale(self) -> int:
        """Events in a bin that stand for 1."""
        seen = np.bincount(self.counts.ravel(), minlength=256)
        seen[0] = 0
        return max(int(np.searchsorted(np.cumsum(seen), SATURATED * seen.sum())), 1)


def crossed(seen: Tensor, level: Tensor, threshold: Tensor | float) -> tuple[Tensor, Tensor]:
    """Events of pixels, and the levels that they remember afterwards.

    A pixel gives one event for each threshold that what it sees has moved away from its level, which moves by as many:
    Gallego et al., Event-based vision: a survey, IEEE TPAMI 44:154 (2022), equation 1.

    Args:
        seen: logarithms of intensity.
        level: that pixels remember.
        threshold: contrast of an event, above 0.

    Returns:
        events, below 0 of those that became darker, and levels.
    """
    events = ((seen - level) / threshold).trunc()
    return events, level + events * threshold


def exact(value: float) -> Fraction:
    """A number as it is written in decimals, which its float only comes near to."""
    return Fraction(repr(float(value)))


def empty_counts(
    count: int,
    bins: int,
    shape: tuple[int, ...],
    *,
    of: str = "recordings",
    remedy: str = "take fewer slots",
) -> Counts:
    """Room for the counts of so many recordings, or of what else there is.

    Raises:
        InputError: more than the memory holds.
    """
    size = count, bins, math.prod(shape)
    check_memory(f"{count} {of} in {bins} bins of time", 2 * math.prod(size), remedy)
    return np.empty(size, np.uint8)


def check_history(history: int, bins: int) -> None:
    """Raise InputError where channels of the past would be empty in every bin."""
    if history >= bins:
        raise InputError(
            f"history = {history} shows bins before the first of {bins}, whose channels are always zero; allowed: 0 "
            f"to {bins - 1}, or more steps"
        )


def with_past(counts: Counts, history: int) -> Counts:
    """Counts of each bin, and behind them those of so many bins before, [n, bins, features * (history + 1)].

    Args:
        counts: [n, bins, features].
        history: bins before, fewer than there are; those before the first one are empty.
    """
    n, bins, features = counts.shape
    shown = np.zeros((n, bins, history + 1, features), np.uint8)
    for past in range(history + 1):
        shown[:, past:, past] = counts[:, : bins - past]
    return shown.reshape(n, bins, -1)


def slots_of(ticks: NDArray[np.int64], slot: Fraction) -> NDArray[np.int64]:
    """Number of the slot that each time lies in, exactly; a time on an edge is in the slot that begins there.

    Args:
        ticks: times, as whole numbers of a unit.
        slot: length of a slot, in that unit.
    """
    many = int(np.abs(ticks).max(initial=0)) * slot.denominator
    whole = ticks if max(many, slot.numerator) < INT64 else ticks.astype(object)
    return (whole * slot.denominator // slot.numerator).astype(np.int64)


def bin_events(recording: Recording, bins: int, shape: tuple[int, ...], duration: float) -> Counts:
    """Events per bin, [time, features], at most 255.

    Args:
        recording: the events; times that are no whole numbers are taken to the nearest nanosecond.
        bins: how many for the duration.
        shape: polarities, rows and columns.
        duration: length of the recording [s]; later events are left out.
    """
    time, *place = recording
    parts = 1 if time.dtype.kind in "iu" else 1000
    ticks = np.rint(time * parts).astype(np.int64)
    return count_events(slots_of(ticks, exact(duration) * 10**6 * parts / bins), place, bins, shape)


def count_events(
    when: NDArray[np.int64], place: Sequence[NDArray], bins: int, shape: tuple[int, ...]
) -> Counts:
    """Events per bin, [time, features], at most 255.

    Args:
        when: bin of each event; those before the first and behind the last are left out.
        place: column, row and polarity of each.
        bins: how many.
        shape: polarities, rows and columns.
    """
    inside = (when >= 0) & (when < bins)
    column, row, polarity = (part[inside].astype(np.int64) for part in place)
    cells = np.ravel_multi_index((when[inside], polarity, row, column), (bins, *shape))
    counts = np.bincount(cells, minlength=bins * int(np.prod(shape)))
    return np.minimum(counts, 255).astype(np.uint8).reshape(bins, -1)
