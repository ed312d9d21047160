"""Converters of several bits.

An ADC of b bits counts how many of its 2^b - 1 thresholds p + sigma n exceeds. The ideal ones lie at (c - 1/2) step
for c = 1 - 2^(b-1) ... 2^(b-1) - 1, so that zero is a code and codes are rounded sums. Those of one converter lie off
by its offset, by a bow, INL n 4 u (1 - u) with u from 0 to 1 along the range, and by steps of random width, of
deviation DNL, that end where they should.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from memsim.imc.converters.base import Converter, drawn, noise_source, normal


@dataclass(frozen=True, kw_only=True)
class Adc(Converter):
    """Codes of `bits`, times `step`; gradients pass straight through inside the range.

    Attributes:
        bits: of a code.
        step: between codes [LSB].
        offset: standard deviation over converters [LSB].
        noise: standard deviation of each read [LSB].
        inl, dnl: standard deviation of the bow, and of each step, in steps.
        columns: lines that take turns at one converter.
    """

    bits: int
    step: float
    offset: float = 0.0
    noise: float = 0.0
    inl: float = 0.0
    dnl: float = 0.0
    columns: int = 1

    @property
    def random(self) -> bool:
        return self.noise > 0

    @property
    def codes(self) -> tuple[int, int]:
        """Lowest and highest."""
        return -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1

    @property
    def even(self) -> bool:
        """Whether all steps are alike."""
        return not (self.inl or self.dnl)

    def made(self, tiles: int, lines: int, generator: torch.Generator | None) -> Tensor:
        """Offsets [tiles, 1, lines]; thresholds [tiles, 1, lines, 2^bits - 1] where steps are not alike."""
        offset = drawn(self.offset, tiles, lines, self.columns, generator)
        if self.even:
            return offset
        low, high = self.codes
        source, converters = noise_source(generator), -(-lines // self.columns)
        ideal = torch.arange(low + 1, high + 1, device=source.device) - 0.5
        share = torch.linspace(0, 1, len(ideal), device=source.device)
        walk = self.dnl * torch.randn(
            tiles, converters, len(ideal), generator=source, device=source.device
        ).cumsum(-1)
        walk = walk - walk[..., :1]
        walk = walk - share * walk[..., -1:]
        bow = (
            self.inl
            * torch.randn(tiles, converters, 1, generator=source, device=source.device)
            * 4
            * share
            * (1 - share)
        )
        # sorted: a code is the count of thresholds below, whichever they are
        curve = (self.step * (ideal + walk + bow)).sort(-1).values
        shared = curve.repeat_interleave(self.columns, 1)[:, None, :lines]
        return shared - offset[..., None]

    def reads(self, p: Tensor, made: Tensor, generator: torch.Generator | None) -> Tensor:
        seen = p
        if self.noise:
            seen = p + self.noise * normal(p, generator)
        return (self._rounded(seen, made) if self.even else self._counted(seen, made)).mul_(self.step)

    def pulled_back(self, gradient: Tensor, p: Tensor, made: Tensor) -> Tensor:
        """Of sums inside the range, and none outside."""
        (low, high), (lowest, highest) = self.range, torch.aminmax(p)
        inside = bool(lowest >= low) and bool(highest <= high)
        return gradient if inside else gradient * ((p >= low) & (p <= high))

    @property
    def range(self) -> tuple[float, float]:
        """Ends of the sums that codes stand for [LSB]."""
        low, high = self.codes
        return (low - 0.5) * self.step, (high + 0.5) * self.step

    def _rounded(self, p: Tensor, made: Tensor) -> Tensor:
        """Codes of even steps, in place where it can be: this is what converted layers spend their time on."""
        return ((p + made if self.offset else p) / self.step).add_(0.5).floor_().clamp_(*self.codes)

    def _counted(self, p: Tensor, made: Tensor) -> Tensor:
        """Codes of thresholds [tiles, 1, lines, 2^bits - 1]."""
        by_line = p.transpose(-1, -2).contiguous()
        count = torch.searchsorted(made.squeeze(-3).to(p.dtype).contiguous(), by_line)
        return (count.transpose(-1, -2) + self.codes[0]).to(p.dtype)
