"""The operations of a tape: how torch and C carry them out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from memsim.devices import torch_functions


@dataclass(frozen=True)
class Operation:
    """One elementwise operation.

    Attributes:
        python: expression of torch tensors or numbers, with `{0}`, `{1}`, ... for the arguments.
        c: expression in C; functions come from the kernels' prelude, in its `real` type.
        on_tensors: the operation on tensors.
    """

    python: str
    c: str
    on_tensors: Callable[..., Any]


def _function(name: str, on_tensors: Callable[..., Any] | None = None) -> Operation:
    """A function of one argument that torch and C know by nearly the same name."""
    return Operation(f"torch.{name}({{0}})", f"r_{name}({{0}})", on_tensors or getattr(torch, name))


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
    "add": Operation("{0} + {1}", "{0} + {1}", torch.add),
    "sub": Operation("{0} - {1}", "{0} - {1}", torch.sub),
    "mul": Operation("{0} * {1}", "{0} * {1}", torch.mul),
    "neg": Operation("-{0}", "-{0}", torch.neg),
    "reciprocal": Operation("1.0 / {0}", "ONE / {0}", torch.reciprocal),
    "power": Operation("power({0}, {1})", "r_power({0}, {1})", torch_functions.power),
    "bounded_log": Operation("bounded_log({0})", "r_bounded_log({0})", torch_functions.bounded_log),
    "logistic": Operation("torch.sigmoid({0})", "r_logistic({0})", torch.sigmoid),
    "softplus": Operation("softplus({0})", "r_softplus({0})", torch_functions.softplus),
    "exp": _function("exp"),
    "expm1": _function("expm1"),
    "log": _function("log", torch_functions.log),
    "sqrt": _function("sqrt", torch_functions.sqrt),
    "sin": _function("sin"),
    "cos": _function("cos"),
    "asin": _function("asin", torch_functions.asin),
    "atan": _function("atan"),
    "sinh": _function("sinh"),
    "cosh": _function("cosh"),
    "tanh": _function("tanh"),
    "asinh": _function("asinh"),
    "abs": _function("abs"),
    "sign": Operation("torch.sign({0})", "r_sign({0})", torch.sign),
    "max": Operation("maximum({0}, {1})", "r_max({0}, {1})", _of_tensors(torch.maximum)),
    "min": Operation("minimum({0}, {1})", "r_min({0}, {1})", _of_tensors(torch.minimum)),
    "detach": Operation("{0}.detach()", "{0}", torch.Tensor.detach),
    "lt": Operation("({0} < {1})", "({0} < {1})", torch.lt),
    "le": Operation("({0} <= {1})", "({0} <= {1})", torch.le),
    "and": Operation("({0} & {1})", "({0} && {1})", torch.logical_and),
    "or": Operation("({0} | {1})", "({0} || {1})", torch.logical_or),
    "not": Operation("~({0})", "!({0})", torch.logical_not),
    "where": Operation("where({0}, {1}, {2}, like)", "({0} ? {1} : {2})", torch.where),
}
