"""Scenes with known flow, as an event camera sees them.

A textured plane moves in front of the camera. With places as complex numbers z = x + iy from the middle of the image
(x along columns, y along rows, which count downwards), its flow is steady, and the texture moves along with it:

    u(z) = v + a z,        a = divergence / 2 + i spin
    L(z, t) = L0(z0),      z0 = exp(-a t) z - v (1 - exp(-a t)) / a
    L0(z) = sum_k |c_k| cos(Re(conj(q_k) z) + arg c_k)

L is the logarithm of intensity and q_k are wave vectors. Pixels give events as `crossed` says; in the refractory time
after an event, the level moves on without events.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.learn.data.dataset import Dataset
from memsim.learn.data.events import Frames, check_history, crossed, empty_counts, with_past
from memsim.learn.data.scene_table import SceneTable, SceneTarget

EVENT_SCENES = "event-scenes"
WAVES = 12
"""Of a texture: in so many directions that its motion can be told along both axes."""
SMALL_MOVE = 0.4
"""What the middle of an edge moves between two looks of the camera, at most [pixels]."""
AT_ONCE = 500
"""Scenes that are looked at at once."""


@dataclass(frozen=True)
class Scenes:
    """n scenes in the terms of the equations above.

    Attributes:
        velocity: v, complex [n] [pixels/s].
        rate: a, complex [n] [1/s].
        waves: q, complex [n, waves] [rad/pixel].
        strength: c, complex [n, waves].
        side: of the image [pixels].
    """

    velocity: Tensor
    rate: Tensor
    waves: Tensor
    strength: Tensor
    side: int

    @classmethod
    def drawn(cls, count: int, table: SceneTable, generator: torch.Generator) -> Scenes:
        """So many scenes at random."""
        parts = (2 * torch.rand(count, 4, generator=generator) - 1).unbind(1)
        turn, phase, size = torch.rand(3, count, WAVES, generator=generator)
        shortest, longest = table.wavelengths
        length = shortest * (longest / shortest) ** size
        strength = length * table.contrast * (2 / length.square().sum(dim=1, keepdim=True)).sqrt()
        return cls(
            table.fastest * torch.complex(parts[0], parts[1]),
            torch.complex(table.zoom / 2 * parts[2], table.spin * parts[3]),
            torch.polar(2 * math.pi / length, 2 * math.pi * turn),
            torch.polar(strength, 2 * math.pi * phase),
            table.side,
        )

    def __len__(self) -> int:
        return len(self.velocity)

    def part(self, chosen: slice) -> Scenes:
        """Chosen scenes."""
        return Scenes(
            self.velocity[chosen], self.rate[chosen], self.waves[chosen], self.strength[chosen], self.side
        )

    def log_intensity(self, time: float) -> Tensor:
        """L [n, side, side] at a time [s]."""
        still = self.rate.abs() * abs(time) < 1e-6
        rate = torch.where(still, torch.ones_like(self.rate), self.rate)
        turned = torch.exp(-self.rate * time)
        moved = self.velocity * torch.where(still, torch.full_like(rate, time), (1 - turned) / rate)
        # Re(conj(q) z0) of z0 = turned z - moved
        waves = self.waves * turned.conj()[:, None]
        strength = self.strength * torch.exp(-1j * (self.waves.conj() * moved[:, None]).real)
        along = _phases(waves.real, self._axis)
        down = strength[..., None] * _phases(waves.imag, self._axis)
        return torch.einsum("nky,nkx->nyx", down.real, along.real) - torch.einsum(
            "nky,nkx->nyx", down.imag, along.imag
        )

    def flow(self) -> Tensor:
        """u at each pixel, [n, 2, side, side]: along columns and along rows [pixels/s]."""
        places = torch.complex(self._axis.expand(self.side, -1), self._axis[:, None].expand(-1, self.side))
        flow = self.velocity[:, None, None] + self.rate[:, None, None] * places
        return torch.stack([flow.real, flow.imag], 1)

    @property
    def divergence(self) -> Tensor:
        """Of the flow, [n] [1/s]."""
        return 2 * self.rate.real

    @property
    def _axis(self) -> Tensor:
        return torch.arange(self.side, dtype=self.velocity.real.dtype) - (self.side - 1) / 2


def _phases(waves: Tensor, axis: Tensor) -> Tensor:
    """exp(i q x), [..., places]."""
    return torch.exp(1j * waves[..., None] * axis)


def events_of(scenes: Scenes, table: SceneTable, bins: int, generator: torch.Generator) -> Tensor:
    """Events of each bin of time, polarity (brighter, darker) and pixel, [n, bins, 2, side, side], at most 255.

    Args:
        scenes: what the camera sees.
        table: what the camera is.
        bins: equal parts of the duration.
        generator: source of noise. Thresholds of the camera are drawn from the seed of the table.
    """
    moved = (table.fastest + (table.zoom / 2 + table.spin) * table.side / 2) * table.duration
    looks = bins * math.ceil(moved / bins / SMALL_MOVE)
    step = table.duration / looks
    most = max(1, int(step / table.refractory)) if table.refractory else 0
    own = torch.Generator().manual_seed(table.seed)
    threshold = table.threshold * (table.mismatch * torch.randn(table.side, table.side, generator=own)).exp()
    level = scenes.log_intensity(0.0)
    blind_until = torch.zeros_like(level)
    counts = torch.zeros(len(scenes), bins, 2, table.side, table.side)
    for look in range(1, looks + 1):
        found, level = crossed(scenes.log_intensity(look * step), level, threshold)
        if table.refractory:
            found = found.clamp(-most, most) * (look * step >= blind_until)
            blind_until[found != 0] = look * step + table.refractory
        events = counts[:, (look - 1) * bins // looks]
        events += torch.stack([found.clamp(min=0), found.clamp(max=0).neg()], 1)
    mean = table.noise * table.duration / bins / 2
    return (counts + torch.poisson(torch.full_like(counts, mean), generator=generator)).clamp(max=255)


def event_scenes(bins: int, target: SceneTarget = "velocity", table: SceneTable | None = None) -> Dataset:
    """Events of scenes with what moves in them, the same at each call.

    Args:
        bins: equal parts of the duration.
        target: `velocity` of the middle, two numbers; `divergence`, one; or `flow`, two for each pixel, [2, h, w],
            NaN where a pixel had no event. Velocities are learned in units of `fastest`, divergence in units of `zoom`.
        table: what scenes and camera are.

    Raises:
        InputError: divergence of scenes that have none, or bins of the past that are none.
    """
    table = table or SceneTable()
    check_history(table.history, bins)
    if target == "divergence" and not table.zoom:
        raise InputError("zoom = 0 leaves no divergence to predict; give it a number above 0")
    generator = torch.Generator().manual_seed(table.seed)
    train, test = (_frames(count, bins, target, table, generator) for count in (table.train, table.test))
    scale = train.full_scale
    outputs = train.labels.shape[1]
    unit = table.zoom if target == "divergence" else table.fastest
    return Dataset(
        EVENT_SCENES,
        outputs,
        (2 * (table.history + 1), table.side, table.side),
        train.split(scale),
        test.split(scale),
        duration=table.duration,
        mean=torch.zeros(outputs, dtype=torch.float64),
        unit=torch.full((outputs,), unit, dtype=torch.float64),
        velocities=target != "divergence",
    )


def _frames(
    count: int, bins: int, target: SceneTarget, table: SceneTable, generator: torch.Generator
) -> Frames:
    scenes = Scenes.drawn(count, table, generator)
    counts = empty_counts(count, bins, (2, table.side, table.side))
    labels = []
    for start in range(0, count, AT_ONCE):
        some = scenes.part(slice(start, start + AT_ONCE))
        events = events_of(some, table, bins, generator)
        counts[start : start + AT_ONCE] = events.flatten(2).to(torch.uint8).numpy()
        labels.append(_labels(some, events, target, table))
    return Frames(with_past(counts, table.history), torch.cat(labels))


def _labels(scenes: Scenes, events: Tensor, target: SceneTarget, table: SceneTable) -> Tensor:
    if target == "divergence":
        return scenes.divergence[:, None] / table.zoom
    if target == "velocity":
        return torch.view_as_real(scenes.velocity) / table.fastest
    silent = events.sum(dim=(1, 2)) == 0
    return (scenes.flow() / table.fastest).masked_fill(silent[:, None], math.nan).flatten(1)
