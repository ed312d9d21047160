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

Strang splitting moves unknowns one after another, each by its own row with all others held, over a time s:

    y_i + s [phi1(z) F_i + s phi2(z) F_t,i] / M_ii,     z = s J_ii / M_ii
    phi1(z) = (1 - z/2) / D,   phi2(z) = (1 - z) / (2 D),   D = 1 - z + z^2/2

1 + z phi1 = 1/D is exp(z) to second order, lies between 0 and 1 for z < 0 and vanishes for z -> -oo. Where F_i is
affine in y_i, as for a state that relaxes between two bounds or a potential behind conductances, no h takes y_i out
of the range where it belongs. Rows that do not meet in the Jacobian form a group and go together. Groups go in the
order n, ..., 2 over h/2, 1 over h, 2, ..., n over h/2, which is symmetric and so of second order (G. Strang, SIAM
J. Numer. Anal. 5:506, 1968). States are the first group: their rates, the costly part, are evaluated once a step.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
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


class Strang(Stepper):
    """Second order, and within the bounds of states and conductances at any step size."""

    name = "strang"
    order = 2
    implicit = False

    def step(self, system: BoundSystem, y: Values, *, u: Values, u_next: Values, h: float) -> list[Any]:
        if any(row != column for row, column in system.mass):
            raise InputError(
                f"{self.name} takes capacitors to fixed potentials only; use an implicit stepper"
            )
        first, *others = _groups(len(y), system.jacobian_pattern)
        slopes = _slopes(u, u_next, h)
        middle = [0.5 * (a + b) for a, b in zip(u, u_next, strict=True)]
        moved = list(y)
        for rows in reversed(others):
            moved = _move(system, moved, rows, u=u, slopes=slopes, time=0.5 * h)
        moved = _move(system, moved, first, u=u, slopes=slopes, time=h)
        for rows in others:
            moved = _move(system, moved, rows, u=middle, slopes=slopes, time=0.5 * h)
        return moved


def _groups(size: int, pattern: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Each row in the first group with no member that it meets in the Jacobian."""
    met = {pair for row, column in pattern for pair in ((row, column), (column, row))}
    groups: list[list[int]] = []
    for row in range(size):
        free = (group for group in groups if not any((row, other) in met for other in group))
        group = next(free, None)
        if group is None:
            groups.append([row])
        else:
            group.append(row)
    return groups


def _move(
    system: BoundSystem, y: Values, rows: Sequence[int], *, u: Values, slopes: Values, time: float
) -> list[Any]:
    """y with some rows moved over `time`, all others held."""
    point, moved = system.linearise(y, u, slopes), list(y)
    for row in rows:
        scale = time / system.mass[row, row]
        z = scale * point.jacobian.get((row, row), 0.0)
        flow = (1.0 - 0.5 * z) * point.flow[row] + (0.5 * time) * (1.0 - z) * point.input_slope[row]
        moved[row] = y[row] + scale * flow / (1.0 - z + 0.5 * z * z)
    return moved


STEPPERS: dict[str, Stepper] = {
    stepper.name: stepper for stepper in (ExplicitEuler(), LinearlyImplicitEuler(), Rosenbrock2(), Strang())
}
DEFAULT_STEPPER = Rosenbrock2.name


def stepper_named(name: str) -> Stepper:
    """The stepper of that name; InputError lists the known ones."""
    if name not in STEPPERS:
        raise InputError(f"unknown stepper {name!r}; known: {', '.join(STEPPERS)}")
    return STEPPERS[name]
