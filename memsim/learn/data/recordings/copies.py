"""Recordings whose events are those of another one, or a piece of them: trained on and tested on, they would tell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np

from memsim.errors import InputError
from memsim.learn.data.recordings.events import Events

PIXEL = ("column", "row")
COMPARED = 32
"""Events that a piece must have; that so many are alike by chance does not happen."""


def check_copies(recordings: Sequence[Events]) -> None:
    """See that all recordings are their own.

    Raises:
        InputError: one that has the events of another, or a piece of them.
    """
    for one, other in permutations(recordings, 2):
        if len(one.ticks) == len(other.ticks) and _same(one, other, 0):
            raise InputError(f"recordings {one.name} and {other.name} have the same events; remove one")
        if (start := _start(one, other)) is not None:
            raise InputError(
                f"events of recording {one.name} are those of {other.name} from event {start} on; remove one, or cut "
                "them apart"
            )


def _same(one: Events, other: Events, start: int) -> bool:
    """Whether a recording has as many events of another, from one of these on."""
    piece = slice(start, start + len(one.ticks))
    times = other.ticks[piece]
    return np.array_equal(one.ticks, times - times[0]) and all(
        np.array_equal(getattr(one, name), getattr(other, name)[piece]) for name in PIXEL
    )


def _start(one: Events, other: Events) -> int | None:
    """Event of another recording from which on it has the events of one; None where there is none."""
    count = len(one.ticks)
    if count < COMPARED or count >= len(other.ticks) or one.clock.tick != other.clock.tick:
        return None
    starts = np.arange(len(other.ticks) - count + 1)
    for k in range(COMPARED):
        alike = other.ticks[starts + k] - other.ticks[starts] == one.ticks[k]
        for name in PIXEL:
            alike &= getattr(other, name)[starts + k] == getattr(one, name)[k]
        starts = starts[alike]
    return next((int(start) for start in starts if _same(one, other, int(start))), None)
