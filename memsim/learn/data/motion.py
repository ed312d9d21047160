"""Event data with a number to predict instead of a class: how fast a scene of dots moves.

A camera of 16 x 16 pixels sees bright dots that all move at one velocity and leave one side to come back at the other.
With I the sum of Gaussian spots, a pixel sends an event whenever I has changed between two time bins by more than a
threshold, one of two polarities. Targets are the two parts of the velocity over the largest one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from memsim.learn.data.dataset import Dataset, Split

MOVING_DOTS = "moving-dots"
SIDE, DOTS = 16, 4
SPOT = 1.0
"""Standard deviation of a spot [pixels]."""
FASTEST = 2.0
"""Largest velocity along each axis [pixels per bin]."""
THRESHOLD = 0.15
"""Change of brightness that makes an event, of that of a spot's middle."""
TRAIN, TEST = 4_000, 1_000
SEED = 0


def moving_dots(bins: int) -> Dataset:
    """Events of moving dots in so many time bins, the same at each call."""
    generator = torch.Generator().manual_seed(SEED)
    shape = (2, SIDE, SIDE)
    return Dataset(MOVING_DOTS, 2, shape, _split(TRAIN, bins, generator), _split(TEST, bins, generator))


def _split(count: int, bins: int, generator: torch.Generator) -> Split:
    velocity = 2 * torch.rand(count, 2, generator=generator) - 1
    start = SIDE * torch.rand(count, DOTS, 2, generator=generator)
    seen = [_scene(start + FASTEST * velocity[:, None] * time) for time in range(bins + 1)]
    change = torch.stack(seen, 1).diff(dim=1)
    events = torch.stack([change > THRESHOLD, change < -THRESHOLD], 2)
    return Split(events.flatten(2).to(torch.uint8), velocity)


def _scene(centre: Tensor) -> Tensor:
    """Brightness [n, side, side] of dots at [n, dots, 2] in pixels."""
    pixels = torch.arange(SIDE, dtype=torch.float32)
    # the shorter way round, as the scene is periodic
    away = (centre[..., None] - pixels + SIDE / 2).remainder(SIDE) - SIDE / 2
    spots = (-0.5 * (away / SPOT).square()).exp()
    return torch.einsum("ndy,ndx->nyx", spots[..., 0, :], spots[..., 1, :])
