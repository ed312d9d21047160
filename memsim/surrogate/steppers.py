"""Time steps for M dy/dt = F(y, u, du/dt), u linear between two samples that are h apart.

With J = dF/dy and F_t = dF/du du/dt at the start of the step:

    explicit Euler            (M/h) k = F                                             y + k              order 1
    linearly implicit Euler   (M/h - J) k = F + h F_t                                 y + k              order 1
    rosenbrock2               W k1 = F/g + h F_t,  W = M/(g h) - J,  g = 1 - 1/sqrt 2
                              W d  = [F(y + k1, u_next) - M k1/h] / g                 y + k1 + g d       order 2

rosenbrock2 is L-stable and stiffly accurate (its second stage is evaluated at the end of the step), so it also
takes nodes without a capacitor. It is the Rosenbrock method with two stages, alpha_21 = 1, gamma_21 = -g;
see Hairer and Wanner, Solving Ordinary Differential Equations II, chapter IV.7, for the order conditions.
One factorisation serves both stages. Nothing is iterated, so a step is an exact, differentiable function.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from memsim.errors import InputError
from memsim.surrogate.elimination import Entries
from memsim.surrogate.system import BoundSystem, Values


class Stepper(ABC):
    """One time step. `order` is the order of convergence, `implicit` whether rows without mass are solved."""

    name: ClassVar[str]
    order: ClassVar[int]
    implicit: ClassVar[bool] = True

    @abstractmethod
    def step(self, system: BoundSystem, y: Values, *, u: Values, u_next: Values, h: float) -> list[Any]:
        """State after `h` seconds, from state `y` and inputs `u` (now) and `u_next` (at the end)."""


def _slopes(u: Values, u_next: Values, h: float) -> list[Any]:
    return [(b - a) / h for a, b in zip(u, u_next, strict=True)]


def _add(y: Values, k: Values, weight: float = 1.0) -> list[Any]:
    return [a + (b if weight == 1.0 else weight * b) for a, b in zip(y, k, strict=True)]


def _iteration_matrix(mass: Mapping[tuple[int, int], Any], jacobian: Entries, scale: float) -> Entries:
    """mass * scale - jacobian."""
    matrix = {key: -entry for key, entry in jacobian.items()}
    for key, entry in mass.items():
        matrix[key] = entry * scale + matrix[key] if key in matrix else entry * scale
    return matrix


class ExplicitEuler(Stepper):
    """The literature's step. Diverges once h exceeds twice the fastest time constant."""

    name = "explicit-euler"
    order = 1
    implicit = False

    def step(self, system: BoundSystem, y: Values, *, u: Values, u_next: Values, h: float) -> list[Any]:
        flow = system.flow(y, u, _slopes(u, u_next, h))
        lu = system.mass_elimination.factor({key: entry / h for key, entry in system.mass.items()})
        return _add(y, system.mass_elimination.solve(lu, flow))


class LinearlyImplicitEuler(Stepper):
    """First order, L-stable, one evaluation: cheap and robust at large steps."""

    name = "linear-implicit-euler"
    order = 1

    def step(self, system: BoundSystem, y: Values, *, u: Values, u_next: Values, h: float) -> list[Any]:
        point = system.linearise(y, u, _slopes(u, u_next, h))
        lu = system.elimination.factor(_iteration_matrix(system.mass, point.jacobian, 1 / h))
        return _add(y, system.elimination.solve(lu, _add(point.flow, point.input_slope, h)))


class Rosenbrock2(Stepper):
    """Second order, L-stable and stiffly accurate: the default."""

    name = "rosenbrock2"
    order = 2
    gamma = 1 - 1 / math.sqrt(2)

    def step(self, system: BoundSystem, y: Values, *, u: Values, u_next: Values, h: float) -> list[Any]:
        g, du = self.gamma, _slopes(u, u_next, h)
        point = system.linearise(y, u, du)
        lu = system.elimination.factor(_iteration_matrix(system.mass, point.jacobian, 1 / (g * h)))
        first = [f / g + h * s for f, s in zip(point.flow, point.input_slope, strict=True)]
        k = system.elimination.solve(lu, first)
        predicted = _add(y, k)
        flow = system.flow(predicted, u_next, du)
        residual = [(f - m / h) / g for f, m in zip(flow, system.mass_times(k), strict=True)]
        return _add(predicted, system.elimination.solve(lu, residual), g)


STEPPERS: dict[str, Stepper] = {
    stepper.name: stepper for stepper in (ExplicitEuler(), LinearlyImplicitEuler(), Rosenbrock2())
}
DEFAULT_STEPPER = Rosenbrock2.name


def stepper_named(name: str) -> Stepper:
    """The stepper of that name; InputError lists the known ones."""
    if name not in STEPPERS:
        raise InputError(f"unknown stepper {name!r}; known: {', '.join(STEPPERS)}")
    return STEPPERS[name]
