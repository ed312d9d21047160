"""Frames: one step of the caller each.

A frame of one part is one step. Where a stepper checks its steps, the lanes whose step has failed, or asks for shorter
ones, pass their frame in 2, 4, 8, ... equal parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from memsim.surrogate.steppers.base import Attempt

DEEPEST = 12
"""Frames are divided into 2**12 parts at most."""
UNRESOLVED = 255
"""The level of a frame that would have needed more."""

Rows = Sequence[Any]


class Frame(NamedTuple):
    """What a step starts from: unknowns, inputs at its start and its end, each [lanes], and its size [s]."""

    y: Rows
    u: Rows
    u_next: Rows
    h: float

    def of(self, lanes: Tensor) -> Frame:
        """The frame of some lanes."""
        y, u, u_next = ([row[lanes] for row in rows] for rows in (self.y, self.u, self.u_next))
        return Frame(y, u, u_next, self.h)

    def part(self, number: int, parts: int, y: Rows) -> Frame:
        """One of equal parts, from unknowns `y`."""
        first, second = (self._inputs(share / parts) for share in (number, number + 1))
        return Frame(y, first, second, self.h / parts)

    def _inputs(self, share: float) -> Rows:
        if share in {0, 1}:
            return self.u_next if share else self.u
        return [a * (1 - share) + b * share for a, b in zip(self.u, self.u_next, strict=True)]


Step = Callable[[Tensor | None, Frame], Attempt]
"""One step of some lanes, by their numbers, of all where None."""


def divided(step: Step, lanes: Tensor | None, frame: Frame, level: int) -> Attempt:
    """A frame in 2**level parts: unknowns at its end, and the largest error and pace on the way."""
    parts, y = 2**level, frame.y
    error: Any = 0.0
    pace: Any = 0.0
    for number in range(parts):
        attempt = step(lanes, frame.part(number, parts, y))
        y = attempt.y
        if attempt.error is not None:
            error, pace = _most(error, attempt.error), _most(pace, attempt.pace)
    return Attempt(list(y), error, pace)


def _most(a: Any, b: Any) -> Any:
    """The larger; not a number where either is none."""
    return torch.maximum(torch.as_tensor(a).to(b).expand_as(b), b) if isinstance(b, Tensor) else b


def levels_of(step: Step, frame: Frame) -> tuple[list[Tensor], Tensor]:
    """A frame of all lanes, each in as many parts as it needs.

    Returns:
        Unknowns at its end, not a number where no division helps, and the levels, uint8 [lanes].
    """
    attempt, like = step(None, frame), frame.y[0]
    after = [torch.as_tensor(part).expand_as(like) for part in attempt.y]
    level = torch.zeros(like.shape, dtype=torch.uint8, device=like.device)
    if attempt.error is None:
        return after, level
    want = _wanted(0, frame.h, attempt, like)
    want[like.isnan()] = DEEPEST + 1  # a lane that was lost before stays lost
    for tried in range(1, DEEPEST + 1):
        if not bool((want >= tried).any()):
            return after, level
        lanes = torch.nonzero(want == tried).reshape(-1)
        if len(lanes):
            part = divided(step, lanes, frame.of(lanes), tried)
            asked = _wanted(tried, frame.h, part, like[lanes])
            want[lanes] = asked
            fine = lanes[asked == tried]
            level[fine] = tried
            after = [a.index_copy(0, fine, b[asked == tried]) for a, b in zip(after, part.y, strict=True)]
    lost = want > DEEPEST
    level[lost] = UNRESOLVED
    return [part.masked_fill(lost, math.nan) for part in after], level


def recorded(step: Step, frame: Frame) -> tuple[list[Tensor], Tensor]:
    """As `levels_of`, recorded by autograd: only what counts, so that no attempt that failed leaves a gradient."""
    with torch.no_grad():
        after, levels = levels_of(step, frame)
    if not torch.is_grad_enabled():
        return after, levels
    for level, lanes in used(levels):
        if level == UNRESOLVED:
            continue
        if lanes is None:
            return [part.expand_as(levels) for part in divided(step, None, frame, level).y], levels
        part = divided(step, lanes, frame.of(lanes), level)
        after = [a.index_copy(0, lanes, b) for a, b in zip(after, part.y, strict=True)]
    return after, levels


def _wanted(level: int, h: float, attempt: Attempt, like: Tensor) -> Tensor:
    """Level at which each lane wants a frame that was passed at `level`: the same where all is well."""
    error, pace = (torch.as_tensor(value).to(like).expand_as(like) for value in (attempt.error, attempt.pace))
    needed = torch.ceil(torch.log2((h * pace).nan_to_num(0.0).clamp(2.0**-60, 2.0**60)))
    deeper = torch.full_like(like, level + 1)
    return torch.where(error <= 1, needed.clamp(level, DEEPEST + 1), deeper).to(torch.int16)


def used(levels: Tensor) -> list[tuple[int, Tensor | None]]:
    """The levels of a frame, and the lanes of each; None where it is all of them."""
    found = [int(level) for level in levels.unique()]
    if len(found) == 1:
        return [(found[0], None)]
    return [(level, torch.nonzero(levels == level).reshape(-1)) for level in found]
