"""The operations of a tape: how torch and C carry them out, and their slopes.

A slope is written with the operation's own result where that is cheaper: d exp(a) = exp(a). An implicit step contains
first derivatives, and its adjoint second ones: slopes and their slopes are finite at every corner, where the second
counts as 0. A power does that for all: a negative power of zero is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from memsim.devices import torch_functions

Slope = Callable[..., Any]


@dataclass(frozen=True)
class Operation:
    """One elementwise operation.

    Attributes:
        python: expression of torch tensors or numbers, with `{0}`, `{1}`, ... for the arguments.
        c: expression in C; functions come from the kernels' prelude, in its `real` type.
        slopes: derivative by each argument, called with the result and the arguments; None where it is zero.
        on_tensors: the operation on tensors.
    """

    python: str
    c: str
    slopes: tuple[Slope | None, ...]
    on_tensors: Callable[..., Any]


def _apply(operation: str, *arguments: Any) -> Any:
    from memsim.surrogate.fused.tape import apply

    return apply(operation, *arguments)


def _function(name: str, slope: Slope, on_tensors: Callable[..., Any] | None = None) -> Operation:
    """A function of one argument that torch and C know by nearly the same name."""
    return Operation(f"torch.{name}({{0}})", f"r_{name}({{0}})", (slope,), on_tensors or getattr(torch, name))


def _logistic_of(_: Any, a: Any) -> Any:
    return _apply("logistic", a)


def _power_by_base(_: Any, base: Any, exponent: Any) -> Any:
    return exponent * _apply("power", base, exponent - 1)


def _power_by_exponent(result: Any, base: Any, _: Any) -> Any:
    return result * _apply("bounded_log", base)


def _of_tensors(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """A function of two tensors that also takes a number for one of them."""

    def apply_to(a: Any, b: Any) -> Any:
        like = a if isinstance(a, torch.Tensor) else torch.as_tensor(b)
        return function(*(torch.as_tensor(value, dtype=like.dtype, device=like.device) for value in (a, b)))

    return apply_to


def where(condition: Any, a: Any, b: Any, like: torch.Tensor) -> Any:
    """`torch.where` in the precision of `like`, where of two numbers it makes single ones."""
    if not isinstance(a, torch.Tensor) and not isinstance(b, torch.Tensor):
        a = torch.as_tensor(a, dtype=like.dtype, device=like.device)
    return torch.where(condition, a, b)


OPERATIONS: dict[str, Operation] = {
    "add": Operation("{0} + {1}", "{0} + {1}", (lambda _r, _a, _b: 1.0, lambda _r, _a, _b: 1.0), torch.add),
    "sub": Operation("{0} - {1}", "{0} - {1}", (lambda _r, _a, _b: 1.0, lambda _r, _a, _b: -1.0), torch.sub),
    "mul": Operation("{0} * {1}", "{0} * {1}", (lambda _r, _a, b: b, lambda _r, a, _b: a), torch.mul),
    "neg": Operation("-{0}", "-{0}", (lambda _r, _a: -1.0,), torch.neg),
    "reciprocal": Operation("1.0 / {0}", "ONE / {0}", (lambda r, _: -(r * r),), torch.reciprocal),
    "power": Operation(
        "power({0}, {1})", "r_power({0}, {1})", (_power_by_base, _power_by_exponent), torch_functions.power
    ),
    "bounded_log": Operation(
        "bounded_log({0})",
        "r_bounded_log({0})",
        (lambda _, a: _apply("power", a, -1.0),),
        torch_functions.bounded_log,
    ),
    "logistic": Operation(
        "torch.sigmoid({0})", "r_logistic({0})", (lambda r, _: r * (1.0 - r),), torch.sigmoid
    ),
    "softplus": Operation("softplus({0})", "r_softplus({0})", (_logistic_of,), torch_functions.softplus),
    "exp": _function("exp", lambda r, _: r),
    "expm1": _function("expm1", lambda r, _: r + 1.0),
    "log": _function("log", lambda _, a: _apply("power", a, -1.0), torch_functions.log),
    "sqrt": _function("sqrt", lambda _, a: 0.5 * _apply("power", a, -0.5), torch_functions.sqrt),
    "sin": _function("sin", lambda _, a: _apply("cos", a)),
    "cos": _function("cos", lambda _, a: -_apply("sin", a)),
    "asin": _function(
        "asin", lambda _, a: _apply("power", (1.0 - a) * (1.0 + a), -0.5), torch_functions.asin
    ),
    "atan": _function("atan", lambda _, a: 1.0 / (1.0 + a * a)),
    "sinh": _function("sinh", lambda _, a: _apply("cosh", a)),
    "cosh": _function("cosh", lambda _, a: _apply("sinh", a)),
    "tanh": _function("tanh", lambda r, _: 1.0 - r * r),
    "asinh": _function("asinh", lambda _, a: 1.0 / _apply("sqrt", 1.0 + a * a)),
    "abs": _function("abs", lambda _, a: _apply("sign", a)),
    "sign": Operation("torch.sign({0})", "r_sign({0})", (None,), torch.sign),
    "max": Operation(
        "maximum({0}, {1})",
        "r_max({0}, {1})",
        (
            lambda _, a, b: _apply("where", _apply("lt", b, a), 1.0, 0.0),
            lambda _, a, b: _apply("where", _apply("lt", b, a), 0.0, 1.0),
        ),
        _of_tensors(torch.maximum),
    ),
    "min": Operation(
        "minimum({0}, {1})",
        "r_min({0}, {1})",
        (
            lambda _, a, b: _apply("where", _apply("lt", a, b), 1.0, 0.0),
            lambda _, a, b: _apply("where", _apply("lt", a, b), 0.0, 1.0),
        ),
        _of_tensors(torch.minimum),
    ),
    "detach": Operation("{0}.detach()", "{0}", (None,), torch.Tensor.detach),
    "lt": Operation("({0} < {1})", "({0} < {1})", (None, None), torch.lt),
    "le": Operation("({0} <= {1})", "({0} <= {1})", (None, None), torch.le),
    "and": Operation("({0} & {1})", "({0} && {1})", (None, None), torch.logical_and),
    "or": Operation("({0} | {1})", "({0} || {1})", (None, None), torch.logical_or),
    "not": Operation("~({0})", "!({0})", (None,), torch.logical_not),
    "where": Operation(
        "where({0}, {1}, {2}, like)",
        "({0} ? {1} : {2})",
        (
            None,
            lambda _r, c, _a, _b: _apply("where", c, 1.0, 0.0),
            lambda _r, c, _a, _b: _apply("where", c, 0.0, 1.0),
        ),
        torch.where,
    ),
}
