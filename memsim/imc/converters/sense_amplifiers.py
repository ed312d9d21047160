"""Converters of one decision: sense amplifiers of two and of three values.

With n standard normal, a sense amplifier of offset o decides

    d = p + o + sigma n + h q',     q = 1 where d > m,  -1 where d < -m,  either with probability 1/2 between

where q' is its last decision, low before the first: h is the hysteresis and m the metastability window. An amplifier
that serves several lines decides them in turn, and its last decision is that of the line before. Without
hysteresis the probability of a high decision is therefore

    P(q = 1) = (Phi((p + o - m) / sigma) + Phi((p + o + m) / sigma)) / 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import pad

from memsim.errors import InputError
from memsim.imc.converters.base import Converter, drawn, noise_source, normal
from memsim.imc.estimators import Estimator, check_estimator, slope


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

    def __post_init__(self) -> None:
        check_estimator(self.gradient, self.width)

    @property
    def random(self) -> bool:
        return self.noise > 0 or self.metastable > 0

    def made(self, tiles: int, lines: int, generator: torch.Generator | None) -> Tensor:
        return drawn(self.offset, tiles, lines, self.columns, generator)

    @property
    def has_slope(self) -> bool:
        return self._slope_width > 0

    @property
    def decides(self) -> bool:
        return True

    @property
    def sequential(self) -> bool:
        return self.hysteresis > 0

    def reads(self, p: Tensor, made: Tensor, generator: torch.Generator | None) -> Tensor:
        return self.continued(p, made, generator, None)[0]

    def continued(
        self, p: Tensor, made: Tensor, generator: torch.Generator | None, last: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        d = p + made if self.offset else p
        if self.noise:
            d = normal(d, generator).mul_(self.noise).add_(d)
        coin = self._coin(d, generator)
        if not self.hysteresis:
            decided = self._sign(d, coin)
            return decided, decided[..., -1:, :]
        # as a decision is monotone in q', each read either keeps the last decision or forces its own
        after_low, after_high = (self._sign(d + side * self.hysteresis, coin) for side in (-1, 1))
        return self._kept(after_low, after_low == after_high, last)

    def _kept(self, forced_to: Tensor, forced: Tensor, last: Tensor | None) -> tuple[Tensor, Tensor]:
        """Decisions of reads that force their own or keep the last one, and the very last, [samples, 1, amplifiers]."""
        (reads, lines), columns = forced.shape[-2:], self.columns
        turns, keeps = (
            pad(part, (0, -lines % columns)).unflatten(-1, (-1, columns)).mT.flatten(-3, -2)
            for part in (forced_to, forced)
        )
        first = torch.full_like(turns[..., :1, :], -1) if last is None else last
        turns = torch.cat([first, turns], -2)
        keeps = torch.cat([torch.ones_like(keeps[..., :1, :]), keeps], -2)
        turn = torch.arange(turns.shape[-2], device=turns.device)[:, None]
        decided = turns.gather(-2, torch.where(keeps, turn, 0).cummax(dim=-2).values)
        of_lines = decided[..., 1:, :].unflatten(-2, (reads, columns)).mT.flatten(-2)[..., :lines]
        return of_lines, decided[..., -1:, :]

    def pulled_back(self, gradient: Tensor, p: Tensor, made: Tensor) -> Tensor:
        return slope(p + made if self.offset else p, self.gradient, self._slope_width).mul_(gradient)

    @property
    def _slope_width(self) -> float:
        return self.noise if self.gradient == "exact" else self.width

    def _coin(self, d: Tensor, generator: torch.Generator | None) -> Tensor | None:
        if not self.metastable:
            return None
        source = noise_source(generator)
        high = torch.rand(d.shape, generator=source, dtype=d.dtype, device=source.device).to(d.device) < 0.5
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

    def __post_init__(self) -> None:
        check_estimator(self.gradient, self.width)

    @property
    def random(self) -> bool:
        return self.noise > 0

    def made(self, tiles: int, lines: int, generator: torch.Generator | None) -> Tensor:
        parts = [drawn(self.offset, tiles, lines, self.columns, generator) for _ in range(2)]
        return torch.stack(parts, -1)

    @property
    def has_slope(self) -> bool:
        return self._amplifier.has_slope

    @property
    def decides(self) -> bool:
        return True

    def reads(self, p: Tensor, made: Tensor, generator: torch.Generator | None) -> Tensor:
        upper, lower = (self._amplifier.reads(seen, part, generator) for seen, part in self._seen(p, made))
        return upper.sub_(lower).div_(2)

    def pulled_back(self, gradient: Tensor, p: Tensor, made: Tensor) -> Tensor:
        upper, lower = (
            self._amplifier.pulled_back(gradient, seen, part) for seen, part in self._seen(p, made)
        )
        return upper.add_(lower).div_(2)

    def _seen(self, p: Tensor, made: Tensor) -> list[tuple[Tensor, Tensor]]:
        """What each amplifier gets; the lower one mirrored, so that a sum at either threshold is read as zero."""
        upper, lower = made.unbind(-1)
        return [(p - self.threshold, upper), (-self.threshold - p, lower)]

    @cached_property
    def _amplifier(self) -> SenseAmplifier:
        return SenseAmplifier(offset=self.offset, noise=self.noise, gradient=self.gradient, width=self.width)
