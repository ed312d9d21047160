"""Numbers of 30 digits that know the size of the terms they were summed from.

Where 1 - logistic(z) cancels to 1e-13, float64 cannot do better than 1e-16; an error is fair only relative to that
size: |a| + |b| for a + b, |a| |b| for a b, |f(z)| + |df/dz| size(z) for f(z). Given data count as exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath


@dataclass(frozen=True)
class Sized:
    """A value, the size of its terms, and whether it was computed at all."""

    value: Any
    size: Any
    given: bool = False

    @property
    def carried(self) -> Any:
        """Size of the rounding that it hands on."""
        return 0 if self.given else self.size

    def __add__(self, other: Any) -> Sized:
        other = sized(other)
        return Sized(self.value + other.value, self.size + other.size)

    def __mul__(self, other: Any) -> Sized:
        other = sized(other)
        return Sized(self.value * other.value, self.size * other.size)

    def __neg__(self) -> Sized:
        return Sized(-self.value, self.size, self.given)

    def __sub__(self, other: Any) -> Sized:
        return self + -sized(other)

    def __rsub__(self, other: Any) -> Sized:
        return sized(other) - self

    def __pow__(self, exponent: Any) -> Sized:
        return power(self, exponent)

    def __rpow__(self, base: Any) -> Sized:
        return power(base, self)

    def __truediv__(self, other: Any) -> Sized:
        return self * power(other, -1)

    def __rtruediv__(self, other: Any) -> Sized:
        return sized(other) * power(self, -1)

    __radd__, __rmul__ = __add__, __mul__

    def __lt__(self, other: Any) -> bool:
        return self.value < sized(other).value

    def __le__(self, other: Any) -> bool:
        return self.value <= sized(other).value

    def __gt__(self, other: Any) -> bool:
        return self.value > sized(other).value

    def __ge__(self, other: Any) -> bool:
        return self.value >= sized(other).value


def sized(number: Any) -> Sized:
    """A given number as one of ours."""
    if isinstance(number, Sized):
        return number
    value = mpmath.mpf(number)
    return Sized(value, abs(value), given=True)


def power(base: Any, exponent: Any) -> Sized:
    base, exponent = sized(base), sized(exponent)
    value = base.value**exponent.value
    if base.value == 0:
        return Sized(value, abs(value))
    by_base = abs(value * exponent.value / base.value) * base.carried
    by_exponent = abs(value * mpmath.log(abs(base.value))) * exponent.carried
    return Sized(value, abs(value) + by_base + by_exponent)


def _function(value: Callable[[Any], Any], slope: Callable[[Any], Any]) -> Callable[[Any], Sized]:
    def apply(z: Any) -> Sized:
        z = sized(z)
        result = value(z.value)
        return Sized(result, abs(result) + abs(slope(z.value)) * z.carried)

    return apply


def _logistic(z: Any) -> Any:
    return 1 / (1 + mpmath.exp(-z))


def _clip(z: Any, limit: Any) -> Sized:
    z, limit = sized(z), sized(limit)
    return z if abs(z.value) < limit.value else Sized(mpmath.sign(z.value) * limit.value, limit.value)


FUNCTIONS: dict[str, Any] = {
    "power": power,
    "clip": _clip,
    "ramp": lambda z: sized(z) if sized(z).value > 0 else Sized(mpmath.mpf(0), mpmath.mpf(0)),
    "step": lambda z: Sized((1 + mpmath.sign(sized(z).value)) / 2, mpmath.mpf(1)),
    "logistic": _function(_logistic, lambda z: _logistic(z) * (1 - _logistic(z))),
    "softplus": _function(lambda z: mpmath.log1p(mpmath.exp(z)), _logistic),
    "expm1": _function(mpmath.expm1, mpmath.exp),
    "exp": _function(mpmath.exp, mpmath.exp),
    "log": _function(mpmath.log, lambda z: 1 / z),
    "sin": _function(mpmath.sin, mpmath.cos),
    "cos": _function(mpmath.cos, lambda z: -mpmath.sin(z)),
    "sinh": _function(mpmath.sinh, mpmath.cosh),
    "cosh": _function(mpmath.cosh, mpmath.sinh),
    "tanh": _function(mpmath.tanh, lambda z: mpmath.sech(z) ** 2),
    "asin": _function(mpmath.asin, lambda z: 1 / mpmath.sqrt(1 - z**2)),
    "sqrt": _function(mpmath.sqrt, lambda z: 1 / (2 * mpmath.sqrt(z))),
    "abs": _function(abs, lambda _: 1),
    "sign": _function(mpmath.sign, lambda _: 0),
    "pi": sized(mpmath.pi),
    "mpf": mpmath.mpf,
}
