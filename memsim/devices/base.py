"""The base of all compact models: parameters with units and ranges, states, one current, one rate per state.

A model is written once, as two methods that return sympy expressions. Netlists, torch steps, Jacobians,
NumPy functions, Verilog-A and LaTeX are derived from them elsewhere in this package. A device knows no time
step and no simulator.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from types import MappingProxyType, SimpleNamespace
from typing import ClassVar

import sympy as sp

from memsim.errors import InputError

TERMINAL_VOLTAGE = sp.Symbol("v", real=True)


@dataclass(frozen=True)
class Parameter:
    """A model parameter: default value, SI unit, meaning and the range it may take.

    `low` and `high` are allowed values, except that a `positive` parameter must exceed zero.
    """

    default: float
    unit: str
    meaning: str
    low: float = -math.inf
    high: float = math.inf
    positive: bool = False

    def allowed(self) -> str:
        """The range in words, as error messages print it."""
        if not self.positive and math.isfinite(self.low) and math.isfinite(self.high):
            return f"{self.low:g} to {self.high:g}"
        above = "above 0" if self.positive else f"at least {self.low:g}" if self.low > -math.inf else ""
        below = f"at most {self.high:g}" if self.high < math.inf else ""
        return ", ".join(filter(None, (above, below))) or "any finite number"

    def check(self, name: str, value: float) -> float:
        """Return `value` as a float; raise InputError when it is not a finite number in range."""
        number = _as_float(value)
        if number is None:
            raise InputError(f"parameter {name} = {value!r} is not a number; give a value in {self.unit}")
        inside = self.low <= number <= self.high and (number > 0 or not self.positive)
        if not (math.isfinite(number) and inside):
            unit = "" if self.unit == "1" else f" {self.unit}"
            raise InputError(
                f"parameter {name} = {value!r}{unit} is out of range; allowed: {self.allowed()} ({self.meaning})"
            )
        return number


def _as_float(value: object) -> float | None:
    """None for what is no number: truth values and text, too, which Python would convert."""
    if isinstance(value, bool | str | bytes):
        return None
    try:
        return float(value)  # type: ignore[arg-type] # whatever it is
    except (TypeError, ValueError):
        return None
    except OverflowError:
        return math.inf


def positive(default: float, unit: str, meaning: str, *, high: float = math.inf) -> Parameter:
    """A parameter that must exceed zero."""
    return Parameter(default, unit, meaning, low=0.0, high=high, positive=True)


@dataclass(frozen=True)
class State:
    """A state variable: initial value, physical range and meaning. Scaled to order one."""

    initial: float
    meaning: str
    low: float = 0.0
    high: float = 1.0
    unit: str = "1"

    @property
    def range(self) -> Parameter:
        """What it may be, as a parameter."""
        return Parameter(self.initial, self.unit, self.meaning, self.low, self.high)


@dataclass(frozen=True)
class Expressions:
    """A model as symbols: the terminal voltage, states and parameters, and what the model says of them."""

    voltage: sp.Symbol
    states: tuple[sp.Symbol, ...]
    parameters: tuple[sp.Symbol, ...]
    current: sp.Expr
    rates: tuple[sp.Expr, ...]

    @cached_property
    def jacobian(self) -> sp.Matrix:
        """d(current, rates) / d(voltage, states), one row per equation."""
        return sp.Matrix([self.current, *self.rates]).jacobian([self.voltage, *self.states])


class Device(ABC):
    """A two-terminal compact model with values for its parameters and initial states.

    Current flows from the positive to the negative terminal; `v` is the voltage between them.

    Args:
        initial: initial states by name; the model's own where left out.
        **values: parameters by name in SI units; the model's defaults where left out.

    Raises:
        InputError: unknown name, or a value that is not a finite number in range.
    """

    model: ClassVar[str]
    reference: ClassVar[str]
    parameters: ClassVar[Mapping[str, Parameter]]
    states: ClassVar[Mapping[str, State]]
    ends: ClassVar[tuple[Mapping[str, float], Mapping[str, float]]] = ({}, {})
    """States that belong to what a memory holds at most and at least, where they are not the range's own ends."""

    def __init__(self, *, initial: Mapping[str, float] | None = None, **values: float) -> None:
        known = self.parameters
        self._reject_unknown(values, known, "parameter")
        self.values: Mapping[str, float] = MappingProxyType(
            {
                name: spec.check(f"{self.model}.{name}", values.get(name, spec.default))
                for name, spec in known.items()
            }
        )
        self._reject_unknown(initial or {}, self.states, "state")
        self.initial: Mapping[str, float] = MappingProxyType(
            {
                name: self.check_state(f"{self.model}.{name}", name, (initial or {}).get(name, spec.initial))
                for name, spec in self.states.items()
            }
        )

    @abstractmethod
    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        """Terminal current [A] at voltage `v` [V], states `x` and parameters `p`."""

    @abstractmethod
    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        """Time derivative of each state [1/s], in the order of `states`."""

    @property
    def expressions(self) -> Expressions:
        """The model's symbolic form, shared by all devices of the class."""
        return _expressions(type(self))

    def with_values(self, *, initial: Mapping[str, float] | None = None, **values: float) -> Device:
        """A copy with some parameters or initial states replaced."""
        return type(self)(initial={**self.initial, **(initial or {})}, **{**self.values, **values})

    def __reduce__(self) -> tuple[Callable[[], Device], tuple[()]]:
        # values are read-only views, which cannot be copied or pickled
        return partial(type(self), initial=dict(self.initial), **self.values), ()

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value:g}" for name, value in self.values.items())
        return f"{type(self).__name__}({values})"

    def check_state(self, label: str, state: str, value: float) -> float:
        """`value` as a float; InputError, naming it `label`, where the state cannot take it."""
        return self.states[state].range.check(label, value)

    def _reject_unknown(self, given: Mapping[str, float], known: Mapping[str, object], kind: str) -> None:
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise InputError(f"{self.model} has no {kind} {unknown[0]!r}; it has: {', '.join(known)}")


@cache
def _expressions(model: type[Device]) -> Expressions:
    voltage = TERMINAL_VOLTAGE
    states = {name: sp.Symbol(name, real=True) for name in model.states}
    parameters = {
        name: sp.Symbol(name, real=True, positive=True if spec.positive else None)
        for name, spec in model.parameters.items()
    }
    device = model()
    x, p = SimpleNamespace(**states), SimpleNamespace(**parameters)
    return Expressions(
        voltage=voltage,
        states=tuple(states.values()),
        parameters=tuple(parameters.values()),
        current=sp.sympify(device.current(voltage, x, p)),
        rates=tuple(sp.sympify(rate) for rate in device.rates(voltage, x, p)),
    )
