"""What reads bit lines: sense amplifiers, ADCs and ideal quantisers.

A converter reads partial sums p, which are bit line currents less those of their reference in LSB (see
memsim.imc.hardware), of shape [tiles, reads, lines]; reads are in the order of time. What its parts are is drawn
once, by `made`, and its noise at each read. With n standard normal, a sense amplifier of offset o decides

    d = p + o + sigma n + h q',     q = 1 where d > m,  -1 where d < -m,  either with probability 1/2 between

where q' is its last decision, low before the first: h is the hysteresis and m the metastability window. Without
hysteresis the probability of a high decision is therefore

    P(q = 1) = (Phi((p + o - m) / sigma) + Phi((p + o + m) / sigma)) / 2.

An ADC of b bits counts how many of its 2^b - 1 thresholds p + sigma n exceeds. The ideal ones lie at (c - 1/2) step
for c = 1 - 2^(b-1) ... 2^(b-1) - 1, so that zero is a code and codes are rounded sums. Those of one converter lie off
by its offset, by a bow, INL n 4 u (1 - u) with u from 0 to 1 along the range, and by steps of random width, of
deviation DNL, that end where they should.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.imc.estimators import Estimator, with_slope
from memsim.imc.hardware import HardwareCard


class Converter(ABC):
    """A kind of converter."""

    @property
    @abstractmethod
    def random(self) -> bool:
        """Whether reads draw random numbers."""

    @abstractmethod
    def made(self, tiles: int, lines: int, generator: torch.Generator | None) -> Tensor:
        """What each line is read by, [tiles, 1, lines, ...]; drawn once for each converter."""

    @abstractmethod
    def __call__(self, p: Tensor, made: Tensor, generator: torch.Generator | None) -> Tensor:
        """Reads [tiles, reads, lines] in LSB, or decisions, of partial sums of that shape in LSB."""


@dataclass(frozen=True)
class IdealConverter(Converter):
    """Reads sums exactly."""

    @property
    def random(self) -> bool:
        return False

    def made(self, tiles: int, lines: int, generator: torch.Generator | None) -> Tensor:
        return torch.zeros(1, 1, 1)

    def __call__(self, p: Tensor, made: Tensor, generator: torch.Generator | None) -> Tensor:
        return p


@dataclass(frozen=True, kw_only=True)
class SenseAmplifier(Converter):
    """One decision, -1 or 1.

    Attributes:
        offset: standard deviation over amplifiers [LSB].
        noise: standard deviation of each decision [LSB].
        hysteresis: by which the threshold moves away from the last decision [LSB].
        metastable: inputs this close to the threshold are decided by chance [LSB].
        tie: the decision at exactly 0, -1 or 1.
        columns: lines that take turns at one amplifier.
        gradient: see memsim.imc.estimators.
        width: of the gradient, where it is not `exact` [LSB]; without width or noise there is none.
    """

    offset: float = 0.0
    noise: float = 0.0
    hysteresis: float = 0.0
    metastable: float = 0.0
    tie: int = -1
    columns: int = 1
    gradient: Estimator = "exact"
    width: float = 1.0

    @property
    def random(self) -> bool:
        return self.noise > 0 or self.metastable > 0

    def made(self, tiles: int, lines: int, generator: torch.Generator | None) -> Tensor:
        return drawn(self.offset, tiles, lines, self.columns, generator)

    def __call__(self, p: Tensor, made: Tensor, generator: torch.Generator | None) -> Tensor:
        shifted = p + made if self.offset else p
        decision = self._decided(shifted.detach(), generator)
        width = self.noise if self.gradient == "exact" else self.width
        if not shifted.requires_grad or not width:
            return decision
        return with_slope(decision, shifted, self.gradient, width)

    def _decided(self, d: Tensor, generator: torch.Generator | None) -> Tensor:
        if self.noise:
            d = torch.randn(d.shape, generator=_source(generator), dtype=d.dtype).mul_(self.noise).add_(d)
        if not self.hysteresis:
            return self._sign(d, self._coin(d, generator))
        coin = self._coin(d, generator)
        # as a decision is monotone in q', each read either keeps the last decision or forces its own
        after_low, after_high = (self._sign(d + side * self.hysteresis, coin) for side in (-1, 1))
        forced = after_low == after_high
        forced[..., :1, :] = True
        reads = torch.arange(d.shape[-2])[:, None]
        last = torch.where(forced, reads, 0).cummax(dim=-2).values
        return after_low.gather(-2, last)

    def _coin(self, d: Tensor, generator: torch.Generator | None) -> Tensor | None:
        if not self.metastable:
            return None
        high = torch.rand(d.shape, generator=_source(generator), dtype=d.dtype) < 0.5
        return torch.where(high, 1.0, -1.0).to(d.dtype)

    def _sign(self, d: Tensor, coin: Tensor | None) -> Tensor:
        # twice a comparison less one, in place, is several times faster than a choice between two numbers
        compare = torch.gt if self.tie < 0 else torch.ge
        decision = compare(d, 0, out=torch.empty_like(d)).mul_(2).sub_(1)
        return decision if coin is None else torch.where(d.abs() < self.metastable, coin, decision)

    def probability(self, d: Tensor) -> Tensor:
        """Of a high decision for inputs d = p + o [LSB]; without hysteresis.

        Raises:
            InputError: an amplifier with hysteresis, whose decisions depend on the ones before.
        """
        if self.hysteresis:
            raise InputError(
                f"hysteresis = {self.hysteresis:g} LSB makes decisions depend on the ones before; leave it out"
            )
        if self.noise:
            ends = (d - self.metastable, d + self.metastable)
            return sum((torch.special.ndtr(end / self.noise) for end in ends), torch.zeros_like(d)) / 2
        return torch.where(d.abs() < self.metastable, 0.5, (self._sign(d, None) + 1) / 2)


@dataclass(frozen=True, kw_only=True)
class TernaryAmplifier(Converter):
    """Two decisions, at a threshold on either side: -1, 0 or 1.

    Attributes:
        threshold: up and down [LSB].
        offset, noise, columns, gradient, width: as of a sense amplifier; each threshold has an offset of its own.
    """

    threshold: float
    offset: float = 0.0
    noise: float = 0.0
    columns: int = 1
    gradient: Estimator = "exact"
    width: float = 1.0

    @property
    def random(self) -> bool:
        return self.noise > 0

    def made(self, tiles: int, lines: int, generator: torch.Generator | None) -> Tensor:
        parts = [drawn(self.offset, tiles, lines, self.columns, generator) for _ in range(2)]
        return torch.stack(parts, -1)

    def __call__(self, p: Tensor, made: Tensor, generator: torch.Generator | None) -> Tensor:
        amplifier = SenseAmplifier(
            offset=self.offset, noise=self.noise, gradient=self.gradient, width=self.width
        )
        upper = amplifier(p - self.threshold, made[..., 0], generator)
        # mirrored, so that a sum at either threshold is read as zero
        lower = amplifier(-self.threshold - p, made[..., 1], generator)
        return (upper - lower) / 2


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
        ideal = torch.arange(low + 1, high + 1) - 0.5
        share = torch.linspace(0, 1, len(ideal))
        source, converters = _source(generator), -(-lines // self.columns)
        walk = self.dnl * torch.randn(tiles, converters, len(ideal), generator=source).cumsum(-1)
        walk = walk - walk[..., :1]
        walk = walk - share * walk[..., -1:]
        bow = self.inl * torch.randn(tiles, converters, 1, generator=source) * 4 * share * (1 - share)
        # sorted: a code is the count of thresholds below, whichever they are
        curve = (self.step * (ideal + walk + bow)).sort(-1).values
        shared = curve.repeat_interleave(self.columns, 1)[:, None, :lines]
        return shared - offset[..., None]

    def __call__(self, p: Tensor, made: Tensor, generator: torch.Generator | None) -> Tensor:
        seen = p.detach()
        if self.noise:
            seen = seen + self.noise * torch.randn(p.shape, generator=_source(generator), dtype=p.dtype)
        value = (self._rounded(seen, made) if self.even else self._counted(seen, made)).mul_(self.step)
        return _Clipped.apply(value, p, *self.range) if p.requires_grad else value

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


class _Clipped(torch.autograd.Function):
    """Values with the gradient of sums inside a range, and none outside."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, p: Tensor, low: float, high: float) -> Tensor:
        lowest, highest = torch.aminmax(p)
        inside = bool(lowest >= low) and bool(highest <= high)
        ctx.save_for_backward(None if inside else (p >= low) & (p <= high))
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None, None]:
        (inside,) = ctx.saved_tensors
        return None, gradient if inside is None else gradient * inside, None, None


def converter_of(card: HardwareCard, gradient: Estimator = "exact", width: float = 0.0) -> Converter:
    """The converters of a card.

    Args:
        card: the hardware.
        gradient: of decisions; see memsim.imc.estimators.
        width: of the gradient [LSB]. `exact` is that of noise, so that decisions get at least this much of it.
    """
    table = card.converter
    # in quadrature, as the noise of the hardware stays
    noise = math.hypot(table.noise, width) if gradient == "exact" else table.noise
    match table.kind:
        case "ideal":
            return IdealConverter()
        case "sense-amplifier":
            return SenseAmplifier(
                offset=table.offset,
                noise=noise,
                hysteresis=table.hysteresis,
                metastable=table.metastable,
                tie=-1 if table.tie == "low" else 1,
                columns=table.columns,
                gradient=gradient,
                width=width,
            )
        case "ternary":
            return TernaryAmplifier(
                threshold=table.threshold,
                offset=table.offset,
                noise=noise,
                columns=table.columns,
                gradient=gradient,
                width=width,
            )
    return Adc(
        bits=table.bits,
        step=card.step,
        offset=table.offset,
        noise=table.noise,
        inl=table.inl,
        dnl=table.dnl,
        columns=table.columns,
    )


def drawn(spread: float, tiles: int, lines: int, columns: int, generator: torch.Generator | None) -> Tensor:
    """One normal number for each converter, [tiles, 1, lines]; zeros that are broadcast without spread."""
    if not spread:
        return torch.zeros(1, 1, 1)
    converters = -(-lines // columns)
    numbers = spread * torch.randn(tiles, 1, converters, generator=_source(generator))
    return numbers.repeat_interleave(columns, -1)[..., :lines]


def _source(generator: torch.Generator | None) -> torch.Generator:
    if generator is None:
        raise InputError("generator = None, but these converters are random; give a torch.Generator")
    return generator
