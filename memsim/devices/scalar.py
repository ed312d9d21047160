"""Functions of plain numbers for generated code, which numpy takes ten times as long for as `math`.

They return what IEEE arithmetic gives, infinity or no number, where `math` raises.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

TINY = sys.float_info.min**0.5
"""What counts as zero under a negative power: neither 1 / TINY nor its square overflows."""
LINEAR = 40.0
"""Above it softplus(z) and z are equal to rounding."""


def _quiet(function: Callable[..., float], overflow: Callable[..., float]) -> Callable[..., float]:
    """The function, with what it tends to where it overflows, and no number where it is not defined."""

    @wraps(function)
    def quiet(*arguments: float) -> float:
        try:
            return function(*arguments)
        except OverflowError:
            return overflow(*arguments)
        except (ValueError, ZeroDivisionError):
            return math.nan

    return quiet


def _infinite(*_: float) -> float:
    return math.inf


def _logistic(z: float) -> float:
    if z >= 0:
        return 1.0 / (1.0 + math.exp(-z))
    share = math.exp(z)
    return share / (1.0 + share)


def _softplus(z: float) -> float:
    return z if not z <= LINEAR else math.log1p(math.exp(z))


def _log(z: float) -> float:
    return -math.inf if z == 0 else math.log(z)


def _sign(z: float) -> float:
    return 1.0 if z > 0 else -1.0 if z < 0 else 0.0


def _power(base: float, exponent: float) -> float:
    return 0.0 if exponent < 0 and abs(base) <= TINY else math.pow(base, exponent)


def _where(test: bool, a: float, b: float) -> float:
    return a if test else b


SCALAR_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": _quiet(math.exp, _infinite),
    "expm1": _quiet(math.expm1, _infinite),
    "log": _quiet(_log, _infinite),
    "sqrt": _quiet(math.sqrt, _infinite),
    "sin": _quiet(math.sin, _infinite),
    "cos": _quiet(math.cos, _infinite),
    "asin": _quiet(math.asin, _infinite),
    "atan": math.atan,
    "sinh": _quiet(math.sinh, lambda z: math.copysign(math.inf, z)),
    "cosh": _quiet(math.cosh, _infinite),
    "tanh": math.tanh,
    "asinh": math.asinh,
    "power": _quiet(_power, _infinite),
    "pow": _quiet(math.pow, _infinite),
    "logistic": _logistic,
    "softplus": _softplus,
    "bounded_log": lambda z: math.log(max(z, TINY)),
    "step": lambda z: (1.0 + _sign(z)) / 2.0,
    "ramp": lambda z: z if not z < 0 else 0.0,
    "clip": lambda z, limit: limit if z > limit else max(z, -limit),
    "abs": abs,
    "sign": _sign,
    "where": _where,
    "max": max,
    "min": min,
    "maximum": max,
    "minimum": min,
    "logical_and": lambda a, b: a and b,
    "logical_or": lambda a, b: a or b,
    "logical_not": lambda a: not a,
}
"""By the names under which generated torch code calls them."""
