"""Slopes of the operations of a tape, on the tape.

A slope is written with the operation's own result where that is cheaper: d exp(a) = exp(a). An implicit step contains
first derivatives, and its adjoint second ones: slopes and their slopes are finite at every corner, where the second
counts as 0. A power does that for all: a negative power of zero is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from memsim.surrogate.fused.tape import apply

Slope = Callable[..., Any]


def _power_by_base(_: Any, base: Any, exponent: Any) -> Any:
    return exponent * apply("power", base, exponent - 1)


def _power_by_exponent(result: Any, base: Any, _: Any) -> Any:
    return result * apply("bounded_log", base)


SLOPES: dict[str, tuple[Slope | None, ...]] = {
    "add": (lambda _r, _a, _b: 1.0, lambda _r, _a, _b: 1.0),
    "sub": (lambda _r, _a, _b: 1.0, lambda _r, _a, _b: -1.0),
    "mul": (lambda _r, _a, b: b, lambda _r, a, _b: a),
    "neg": (lambda _r, _a: -1.0,),
    "reciprocal": (lambda r, _: -(r * r),),
    "power": (_power_by_base, _power_by_exponent),
    "bounded_log": (lambda _, a: apply("power", a, -1.0),),
    "logistic": (lambda r, _: r * (1.0 - r),),
    "softplus": (lambda _, a: apply("logistic", a),),
    "exp": (lambda r, _: r,),
    "expm1": (lambda r, _: r + 1.0,),
    "log": (lambda _, a: apply("power", a, -1.0),),
    "sqrt": (lambda _, a: 0.5 * apply("power", a, -0.5),),
    "sin": (lambda _, a: apply("cos", a),),
    "cos": (lambda _, a: -apply("sin", a),),
    "asin": (lambda _, a: apply("power", (1.0 - a) * (1.0 + a), -0.5),),
    "atan": (lambda _, a: 1.0 / (1.0 + a * a),),
    "sinh": (lambda _, a: apply("cosh", a),),
    "cosh": (lambda _, a: apply("sinh", a),),
    "tanh": (lambda r, _: 1.0 - r * r,),
    "asinh": (lambda _, a: 1.0 / apply("sqrt", 1.0 + a * a),),
    "abs": (lambda _, a: apply("sign", a),),
    "sign": (None,),
    "max": (
        lambda _, a, b: apply("where", apply("lt", b, a), 1.0, 0.0),
        lambda _, a, b: apply("where", apply("lt", b, a), 0.0, 1.0),
    ),
    "min": (
        lambda _, a, b: apply("where", apply("lt", a, b), 1.0, 0.0),
        lambda _, a, b: apply("where", apply("lt", a, b), 0.0, 1.0),
    ),
    "detach": (None,),
    "lt": (None, None),
    "le": (None, None),
    "and": (None, None),
    "or": (None, None),
    "not": (None,),
    "where": (
        None,
        lambda _r, c, _a, _b: apply("where", c, 1.0, 0.0),
        lambda _r, c, _a, _b: apply("where", c, 0.0, 1.0),
    ),
}
"""By operation: derivatives by its arguments, called with the result and the arguments; None where they are zero."""
