"""NumPy and torch functions generated from symbolic expressions, with common subexpressions shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any, Literal, cast

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from scipy.special import expit

from memsim.devices.base import Device

Backend = Literal["numpy", "torch"]
Functions = Mapping[str, Callable[..., Any]]
Array = NDArray[np.float64]

_TINY = float(np.finfo(np.float64).smallest_normal) ** 0.5
"""What counts as zero under a negative power, as in `torch_functions`."""
_LAMBDIFY_SETTINGS = {"fully_qualified_modules": False, "inline": True, "allow_unknown_functions": True}


def _select(conditions: Sequence[Any], choices: Sequence[Any], default: float) -> Any:
    """The first choice whose condition holds, elementwise; a condition may be plain True."""
    chosen: Any = default
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        chosen = choice if condition is True else np.where(condition, choice, chosen)
    return chosen


def _power(base: Any, exponent: Any) -> Any:
    """base**exponent, and 0 for a negative exponent of zero."""
    if np.all(np.greater_equal(exponent, 0)):
        return np.power(base, exponent)
    corner = np.less(exponent, 0) & (np.abs(base) <= _TINY)
    return np.where(corner, 0.0, np.power(np.where(corner, 1.0, base), exponent))


def _modules(backend: Backend) -> list[Any]:
    if backend == "numpy":
        functions: dict[str, Any] = {
            "logistic": expit,
            "softplus": lambda z: np.logaddexp(0.0, z),
            "power": _power,
            "bounded_log": lambda z: np.log(np.maximum(z, _TINY)),
            "expm1": np.expm1,
            # np.clip and np.select take ten times as long on the short arrays of an implicit step
            "clip": lambda z, limit: np.minimum(np.maximum(z, -limit), limit),
            "select": _select,
            "ramp": lambda z: np.maximum(z, 0.0),
            "step": lambda z: (1 + np.sign(z)) / 2,
        }
    else:
        import torch

        from memsim.devices import torch_functions

        functions = {
            "logistic": torch.sigmoid,
            "softplus": torch_functions.softplus,
            "power": torch_functions.power,
            "pow": torch_functions.general_power,
            "bounded_log": torch_functions.bounded_log,
            "log": torch_functions.log,
            "sqrt": torch_functions.sqrt,
            "asin": torch_functions.asin,
            "expm1": torch.expm1,
            "clip": torch_functions.clip,
            "ramp": torch_functions.ramp,
            "step": torch_functions.step,
        }
    return [functions, backend]


def generate(
    arguments: Sequence[Any], outputs: Sequence[sp.Expr], backend: Backend
) -> Callable[..., list[Any]]:
    """Function of `arguments` that returns the list of `outputs`, elementwise over any array shape.

    Args:
        arguments: symbols, or nested sequences of symbols, in call order.
        outputs: expressions in those symbols.
        backend: "numpy" or "torch".
    """
    printer = None
    if backend != "numpy":
        # sympy's printer loads torch, which runs in ngspice do without
        from memsim.devices.torch_printer import TorchFunctionsPrinter

        printer = TorchFunctionsPrinter(_LAMBDIFY_SETTINGS)
    return sp.lambdify(list(arguments), list(outputs), modules=_modules(backend), printer=printer, cse=True)


def rebound(generated: Callable[..., list[Any]], functions: Functions) -> Callable[..., list[Any]]:
    """A function made by `generate` for "torch", calling other functions by the same names."""
    found = cast("FunctionType", generated)
    return FunctionType(found.__code__, {**found.__globals__, **functions})


@dataclass(frozen=True)
class NumericModel:
    """A model's equations as NumPy functions of voltage, states and parameter values.

    All arrays broadcast against each other. `states` and `parameters` are sequences in the model's order.
    """

    current: Callable[[Array, Sequence[Array], Sequence[Array]], Array]
    rates: Callable[[Array, Sequence[Array], Sequence[Array]], list[Array]]
    jacobian: Callable[[Array, Sequence[Array], Sequence[Array]], list[Array]]


@cache
def _numeric(model: type[Device], backend: Backend) -> NumericModel:
    form = model().expressions
    arguments = (form.voltage, form.states, form.parameters)
    current = generate(arguments, [form.current], backend)
    return NumericModel(
        current=lambda v, x, p: current(v, x, p)[0],
        rates=generate(arguments, form.rates, backend),
        jacobian=generate(arguments, list(form.jacobian), backend),
    )


def numeric(device: Device | type[Device], backend: Backend = "numpy") -> NumericModel:
    """The generated functions of a device's model.

    `jacobian` returns d(current, rates)/d(voltage, states) row by row as a flat list of
    (1 + states)**2 entries.
    """
    return _numeric(device if isinstance(device, type) else type(device), backend)
