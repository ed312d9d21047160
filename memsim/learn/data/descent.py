"""Events of a camera that looks straight down while it comes down over a textured plane.

With h the height, v the speed, p the place of a pixel as a complex number (tangents of its angles along columns and
rows), q_k the wave vectors of the texture and w the width of a pixel (a tangent, too), pixels average what they see:

    h(t) = h0 - v t,      D(t) = v / h(t)
    L(p, t) = sum_k |c_k| S(h q_k w / 2) cos(h Re(conj(q_k) p) + arg c_k)
    S(x + iy) = sin(x) / x  sin(y) / y

L is the logarithm of intensity; an event is a whole threshold that it has moved since the last one, see `crossed`. What
the camera sees flows away from its middle with a divergence of 2 D; a landing at constant D never comes down hard. D
alone can be told from events, as a texture twice as coarse from twice the height, at twice the speed, looks the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from memsim.learn.data.dataset import Dataset, Split
from memsim.learn.data.descent_table import DescentTable
from memsim.learn.data.events import crossed
from memsim.memory import check_memory

DESCENT = "descent"
WAVES = 24
"""Of a texture."""
FIELD = 2.0
"""Width of what a camera of 90 degrees sees, of its height."""


@dataclass(frozen=True)
class Descent:
    """n descents at constant speed.

    Attributes:
        start: height at the start, [n] [m].
        speed: downwards, [n] [m/s].
    """

    start: Tensor
    speed: Tensor

    @classmethod
    def ending(cls, start: Tensor, divergence: Tensor, duration: float) -> Descent:
        """Descents from these heights [m] that reach a divergence [1/s] at the end of the duration [s]."""
        return cls(start, divergence * start / (1 + divergence * duration))

    def height(self, time: float) -> Tensor:
        """At a time [s], [n] [m]."""
        return self.start - self.speed * time

    def divergence(self, time: float) -> Tensor:
        """Speed over height at a time [s], [n] [1/s]."""
        return self.speed / self.height(time)


@dataclass(frozen=True)
class Plane:
    """n textures in the terms of the equations above.

    Attributes:
        waves: q, complex [n, waves] [rad/m].
        strength: c, complex [n, waves].
    """

    waves: Tensor
    strength: Tensor

    @classmethod
    def drawn(cls, count: int, table: DescentTable, generator: torch.Generator) -> Plane:
        """So many textures at random, in which waves are the stronger the longer they are."""
        turn, phase, size = torch.rand(3, count, WAVES, generator=generator)
        shortest, longest = table.wavelengths
        length = shortest * (longest / shortest) ** size
        strength = length * table.contrast * (2 / length.square().sum(dim=1, keepdim=True)).sqrt()
        return cls(
            torch.polar(2 * math.pi / length, 2 * math.pi * turn),
            torch.polar(strength, 2 * math.pi * phase),
        )

    def seen(self, height: Tensor, side: int) -> Tensor:
        """L [n, side, side] by a camera of so many pixels at heights [n] in m."""
        pitch = FIELD / side
        places = pitch * (torch.arange(side, dtype=height.dtype) - (side - 1) / 2)
        waves = height[:, None] * self.waves
        # torch.sinc is of pi x
        averaged = torch.sinc(waves.real * pitch / (2 * math.pi)) * torch.sinc(
            waves.imag * pitch / (2 * math.pi)
        )
        along, down = (torch.exp(1j * part[..., None] * places) for part in (waves.real, waves.imag))
        return torch.einsum("nk,nky,nkx->nyx", averaged * self.strength, down, along).real


def descents(steps: int, table: DescentTable | None = None) -> Dataset:
    """Events of descents in so many steps, and D at the end of each, the same at each call.

    A pixel and polarity has one line, which is on in steps with an event, however many: inputs are 0 and 1. D is
    learned as its distance from the middle of `divergences`, in units of half that range.

    Args:
        steps: equal parts of the duration.
        table: what descents, textures and the camera are.

    Raises:
        InputError: more than the memory holds.
    """
    table = table or DescentTable()
    generator = torch.Generator().manual_seed(table.seed)
    train, test = (_split(count, steps, table, generator) for count in (table.train, table.test))
    slowest, fastest = table.divergences
    return Dataset(
        DESCENT,
        1,
        (2, table.side, table.side),
        train,
        test,
        duration=table.duration,
        mean=torch.tensor([(fastest + slowest) / 2], dtype=torch.float64),
        unit=torch.tensor([(fastest - slowest) / 2], dtype=torch.float64),
    )


def _split(count: int, steps: int, table: DescentTable, generator: torch.Generator) -> Split:
    # waves of one look are complex64, events of all steps uint8 and their noise float32
    size = count * (5 * steps * 2 * table.side**2 + 16 * WAVES * table.side)
    check_memory(f"{count} descents in {steps} steps", size, "take fewer descents")
    first, last = torch.rand(2, count, generator=generator)
    (lowest, highest), (slowest, fastest) = table.heights, table.divergences
    start = lowest + (highest - lowest) * first
    wanted = slowest + (fastest - slowest) * last
    plane = Plane.drawn(count, table, generator)
    events = events_of(plane, Descent.ending(start, wanted, table.duration), steps, table)
    noise = torch.rand(events.shape, generator=generator) < table.noise * table.duration / steps / 2
    lines = ((events > 0) | noise).flatten(2).to(torch.uint8)
    return Split(lines, 2 * last[:, None] - 1)


def events_of(plane: Plane, falling: Descent, steps: int, table: DescentTable) -> Tensor:
    """Events of each step, polarity (brighter, darker) and pixel, uint8 [n, steps, 2, side, side], without noise."""
    level = plane.seen(falling.height(0.0), table.side)
    events = torch.zeros(len(level), steps, 2, table.side, table.side, dtype=torch.uint8)
    for step in range(steps):
        seen = plane.seen(falling.height((step + 1) * table.duration / steps), table.side)
        found, level = crossed(seen, level, table.threshold)
        events[:, step] = torch.stack([found.clamp(min=0), found.clamp(max=0).neg()], 1).clamp(max=255)
    return events
