"""Coefficients that depend on a cell's conductance, rounding with a slope, checks of numbers and conductances."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from memsim.errors import InputError


@dataclass(frozen=True)
class ClippedLog:
    """A coefficient of the conductance: slope ln(g / g_max) + intercept, kept between `low` and `high`."""

    slope: float
    intercept: float
    low: float
    high: float
    g_max: float

    def __post_init__(self) -> None:
        check("g_max", self.g_max, above=0.0)
        check("high", self.high, above=self.low)
        if self.slope == 0:
            raise InputError(
                "slope = 0 makes a law that does not depend on conductance; give a number instead"
            )

    def __call__(self, g: Tensor) -> Tensor:
        # the argument is clipped, not the result: ln 0 would leave NaN in gradients
        ends = [math.exp((end - self.intercept) / self.slope) for end in (self.low, self.high)]
        return self.slope * (g / self.g_max).clamp(min(ends), max(ends)).log() + self.intercept


@dataclass(frozen=True)
class ClippedPower:
    """A coefficient of the conductance: factor (g / g_max)^exponent with exponent < 0, at most `high`."""

    factor: float
    exponent: float
    high: float
    g_max: float

    def __post_init__(self) -> None:
        for name in ("factor", "high", "g_max"):
            check(name, getattr(self, name), above=0.0)
        check("exponent", self.exponent, below=0.0)

    def __call__(self, g: Tensor) -> Tensor:
        lowest = (self.high / self.factor) ** (1 / self.exponent)
        return self.factor * (g / self.g_max).clamp(min=lowest) ** self.exponent


def straight_through(rounded: Tensor, smooth: Tensor) -> Tensor:
    """The value of `rounded` with the slope of `smooth` (Bengio, Leonard and Courville, arXiv:1308.3432)."""
    return rounded.detach() + (smooth - smooth.detach())


def check_conductance(g: Tensor, name: str = "conductance") -> None:
    """Raise InputError unless every entry is a finite number of at least zero."""
    if not g.is_floating_point():
        raise InputError(f"{name} is a tensor of {g.dtype}; give one of floating point, in S")
    wrong = ~((g >= 0) & g.isfinite())
    if bool(wrong.any()):
        place = tuple(wrong.nonzero()[0].tolist())
        raise InputError(
            f"{name}{list(place)} = {g[place].item()!r} S is out of range; allowed: finite, >= 0"
        )


def check(
    name: str,
    value: float,
    *,
    above: float = -math.inf,
    below: float = math.inf,
    low: float = -math.inf,
    high: float = math.inf,
) -> None:
    """Raise InputError unless `value` is a finite number within all bounds."""
    if above < value < below and low <= value <= high and math.isfinite(value):
        return
    bounds = [(">", above), ("<", below), (">=", low), ("<=", high)]
    allowed = ", ".join(f"{sign} {bound:g}" for sign, bound in bounds if math.isfinite(bound))
    raise InputError(f"{name} = {value!r} is out of range; allowed: {allowed or 'finite numbers'}")
