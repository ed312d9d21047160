"""Statistical non-idealities of programmed conductances, as small transforms that compose.

With n standard normal and drawn anew for each cell:

    levels        g -> nearest of `count` equidistant conductances from g_min to g_max
    programming   g -> max(g + sigma(g) n, 0),  sigma(g) = sum_k c_k (g / g_max)^k
    variation     g -> g exp(sigma n)
    stuck cells   g -> conductance, with probability `rate`
    upsets        g -> g_min + g_max - g, with probability `rate`
    fading        g -> towards + share (g - towards)
    drift         g -> g ((t + t_0) / t_0)^-nu,  nu = |mean(g) + spread(g) n|
    read noise    i_j = sum_i v_i g_ij + n_j sqrt(sum_i v_i^2 s(g_ij)^2 g_ij^2)

The last is the sum over a column of one independent Gaussian per cell: two matrix products and one draw per output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.polynomial import Polynomial
from torch import Tensor

from memsim.crossbar.laws import ClippedLog, ClippedPower, check, check_conductance, straight_through
from memsim.errors import InputError

Transform = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Levels:
    """Rounds to `count` equidistant levels from `g_min` to `g_max` [S]; beyond them lies the end level.

    Gradients pass straight through.
    """

    count: int
    g_min: float
    g_max: float

    def __post_init__(self) -> None:
        if self.count < 2 or self.count != int(self.count):
            raise InputError(f"count = {self.count!r} levels cannot hold a weight; allowed: integers from 2")
        check("g_min", self.g_min, low=0.0)
        check("g_max", self.g_max, above=self.g_min)

    def __call__(self, g: Tensor, generator: torch.Generator) -> Tensor:
        check_conductance(g)
        step = (self.g_max - self.g_min) / (self.count - 1)
        rounded = self.g_min + step * ((g - self.g_min) / step).round().clamp(0, self.count - 1)
        return straight_through(rounded, g)


@dataclass(frozen=True)
class ProgrammingNoise:
    """Gaussian spread around the target, its width a polynomial of the target conductance.

    Measured spreads have heavier tails. Conductances stay at or above zero, and beyond `g_max` the spread
    keeps its value at `g_max`, where the fit ends.

    Args:
        coefficients: of (g / g_max)^0, (g / g_max)^1, ... [S].
        g_max: highest conductance of the fit [S].
    """

    coefficients: Sequence[float]
    g_max: float

    def __post_init__(self) -> None:
        check("g_max", self.g_max, above=0.0)
        for number, value in enumerate(self.coefficients):
            check(f"coefficients[{number}]", value)
        if not any(self.coefficients):
            raise InputError(
                "coefficients are all zero, which adds no noise; leave the transform out instead"
            )
        spread = Polynomial(self.coefficients)
        extremes = np.array([0.0, 1.0, *spread.deriv().roots().real.clip(0, 1)])
        if spread(extremes).min() < 0:
            raise InputError(
                f"coefficients = {tuple(self.coefficients)!r} S give a negative spread at some conductance "
                f"from 0 to {self.g_max:g} S; allowed: a spread of at least 0"
            )

    def sigma(self, g: Tensor) -> Tensor:
        """Standard deviation [S] for targets [S]."""
        relative = (g / self.g_max).clamp(0, 1)
        spread = torch.zeros_like(relative)
        for coefficient in reversed(self.coefficients):
            spread = spread * relative + coefficient
        return spread

    def __call__(self, g: Tensor, generator: torch.Generator) -> Tensor:
        check_conductance(g)
        return (g + self.sigma(g) * _normal(g, generator)).clamp(min=0)


@dataclass(frozen=True)
class LognormalVariation:
    """Multiplies each conductance by exp(sigma n); the median stays.

    From cycle to cycle as it is, from device to device within `PerArray`.
    """

    sigma: float

    def __post_init__(self) -> None:
        check("sigma", self.sigma, above=0.0)

    def __call__(self, g: Tensor, generator: torch.Generator) -> Tensor:
        check_conductance(g)
        return g * (self.sigma * _normal(g, generator)).exp()


@dataclass(frozen=True)
class StuckCells:
    """Leaves each cell with probability `rate` at `conductance` [S], whatever it was programmed to.

    The same cells at each programming within `PerArray`.
    """

    rate: float
    conductance: float

    def __post_init__(self) -> None:
        check("rate", self.rate, above=0.0, high=1.0)
        check("conductance", self.conductance, low=0.0)

    def __call__(self, g: Tensor, generator: torch.Generator) -> Tensor:
        check_conductance(g)
        draw = torch.rand(g.shape, generator=generator, device=g.device, dtype=torch.float32)
        return torch.where(draw < self.rate, self.conductance, g)


@dataclass(frozen=True)
class Upsets:
    """Turns each cell with probability `rate` to the conductance opposite to its own, from `g_min` to `g_max` [S].

    A cell of one bit flips; the middle of the range stays. Beyond the range lies the opposite end.
    """

    rate: float
    g_min: float
    g_max: float

    def __post_init__(self) -> None:
        check("rate", self.rate, above=0.0, high=1.0)
        check("g_min", self.g_min, low=0.0)
        check("g_max", self.g_max, above=self.g_min)

    def __call__(self, g: Tensor, generator: torch.Generator) -> Tensor:
        check_conductance(g)
        draw = torch.rand(g.shape, generator=generator, device=g.device, dtype=torch.float32)
        opposite = (self.g_min + self.g_max - g).clamp(self.g_min, self.g_max)
        return torch.where(draw < self.rate, opposite, g)


@dataclass(frozen=True)
class Fading:
    """Brings all conductances nearer to one that they relax to, as of devices whose states forget at one rate.

    Args:
        share: of the distance that is left, exp(-t / retention) after a time t.
        towards: what they relax to [S].
    """

    share: float
    towards: float

    def __post_init__(self) -> None:
        check("share", self.share, low=0.0, high=1.0)
        check("towards", self.towards, low=0.0)

    def __call__(self, g: Tensor, _: torch.Generator) -> Tensor:
        check_conductance(g)
        return self.towards + self.share * (g - self.towards)


@dataclass(frozen=True)
class Drift:
    """Conductance `time` seconds after programming, from the one at programming.

    Args:
        time: since programming [s].
        reference_time: t_0, when the first read was made [s].
        mean: mean of the exponent, a number or a law of the conductance.
        spread: its standard deviation over the cells.
    """

    time: float
    reference_time: float
    mean: float | ClippedLog
    spread: float | ClippedLog = 0.0

    def __post_init__(self) -> None:
        check("time", self.time, above=0.0)
        check("reference_time", self.reference_time, above=0.0)
        for name in ("mean", "spread"):
            value = getattr(self, name)
            if not isinstance(value, ClippedLog):
                check(name, value, low=0.0)
        if self.mean == 0 and self.spread == 0:
            raise InputError("mean = 0 and spread = 0 let nothing drift; leave the transform out instead")

    def __call__(self, g: Tensor, generator: torch.Generator) -> Tensor:
        check_conductance(g)
        exponent = (_value(self.mean, g) + _value(self.spread, g) * _normal(g, generator)).abs()
        return g * ((self.time + self.reference_time) / self.reference_time) ** -exponent


@dataclass(frozen=True)
class ReadNoise:
    """Noise of one read, with a standard deviation proportional to each cell's conductance.

    Args:
        relative: s, standard deviation over conductance, a number or a law of the conductance.
    """

    relative: float | ClippedPower

    def __post_init__(self) -> None:
        if not isinstance(self.relative, ClippedPower):
            check("relative", self.relative, above=0.0)

    def sigma(self, g: Tensor) -> Tensor:
        """Standard deviation of the conductance of each cell [S]."""
        return _value(self.relative, g) * g

    def added(self, current: Tensor, variance: Tensor, generator: torch.Generator) -> Tensor:
        """Currents with one draw each, of `variance` [A^2]."""
        # sqrt has no slope at 0, the variance of a column without voltage
        sigma = torch.where(variance > 0, variance, 1.0).sqrt() * (variance > 0)
        return current + sigma * _normal(current, generator)

    def perturbed(self, g: Tensor, reads: Sequence[int], generator: torch.Generator) -> Tensor:
        """The cells as each of many reads sees them, [*reads, *g.shape] in S, at or above zero."""
        spread = g.expand(*reads, *g.shape)
        return (g + self.sigma(g) * _normal(spread, generator)).clamp(min=0)

    def __call__(self, voltage: Tensor, g: Tensor, generator: torch.Generator) -> Tensor:
        """Column currents [..., columns] in A for voltages [..., rows] in V and cells [rows, columns] in S."""
        check_conductance(g)
        if voltage.shape[-1:] != g.shape[:1]:
            raise InputError(
                f"voltage of shape {list(voltage.shape)} does not fit cells of shape {list(g.shape)}; "
                "give [..., rows] and [rows, columns]"
            )
        return self.added(voltage @ g, voltage.square() @ self.sigma(g).square(), generator)


@dataclass(frozen=True)
class PerArray:
    """A transform that draws the same at each programming: what cells are, not what happens to them.

    Args:
        transform: such as `StuckCells`, or `LognormalVariation` from device to device.
        seed: which array it is; two of one seed and size are the same.
    """

    transform: Transform
    seed: int

    def __call__(self, g: Tensor, generator: torch.Generator) -> Tensor:
        return self.transform(g, torch.Generator(g.device).manual_seed(self.seed))


def compose(*transforms: Transform) -> Transform:
    """One transform that applies the given ones from left to right with the same generator."""
    if not transforms:
        raise InputError("compose() of no transforms has no effect; give at least one")

    def composed(g: Tensor, generator: torch.Generator) -> Tensor:
        for transform in transforms:
            g = transform(g, generator)
        return g

    return composed


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)


def _value(law: float | ClippedLog | ClippedPower, g: Tensor) -> Tensor | float:
    return law if isinstance(law, (int, float)) else law(g)
