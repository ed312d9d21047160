"""Steps that are linear in the slopes at one or two points, and take what comes.

With J = dF/dy and F_t = dF/du du/dt at the start of the step:

    explicit Euler            (M/h) k = F                                             y + k              order 1
    linearly implicit Euler   (M/h - J) k = F + h F_t                                 y + k              order 1
    rosenbrock2               W k1 = F/g + h F_t,  W = M/(g h) - J,  g = 1 - 1/sqrt 2
                              W d  = [F(y + k1, u_next) - M k1/h] / g                 y + k1 + g d       order 2

rosenbrock2 is L-stable and stiffly accurate (its second stage is evaluated at the end of the step), so it also
takes nodes without a capacitor. It is the Rosenbrock method with two stages, alpha_21 = 1, gamma_21 = -g;
see Hairer and Wanner, Solving Ordinary Differential Equations II, chapter IV.7, for the order conditions.
One factorisation serves both stages. Nothing is iterated, so a step is an exact, differentiable function.

W is singular where J has a positive eigenvalue 1/(g h): a step has to be short beside a device that runs away.
"""

from __future__ import annotations

import math
from typing import Any

from memsim.surrogate.steppers.base import Stepper, add, iteration_matrix, slopes
from memsim.surrogate.system import BoundSystem, Values

GAMMA = 1 - 1 / math.sqrt(2)


class ExplicitEuler(Stepper):
    """The literature's step. Diverges once h exceeds twice the fastest time constant."""

    name = "explicit-euler"
    order = 1
    implicit = False

    def step(self, system: BoundSystem, y: Values, *, u: Values, u_next: Values, h: Any) -> list[Any]:
        flow = system.flow(y, u, slopes(u, u_next, h))
        lu = system.mass_elimination.factor({key: entry / h for key, entry in system.mass.items()})
        return add(y, system.mass_elimination.solve(lu, flow))


class LinearlyImplicitEuler(Stepper):
    """First order, L-stable, one evaluation: cheap and robust at large steps."""

    name = "linear-implicit-euler"
    order = 1

    def step(self, system: BoundSystem, y: Values, *, u: Values, u_next: Values, h: Any) -> list[Any]:
        point = system.linearise(y, u, slopes(u, u_next, h))
        lu = system.elimination.factor(iteration_matrix(system.mass, point.jacobian, 1 / h))
        return add(y, system.elimination.solve(lu, add(point.flow, point.input_slope, h)))


class Rosenbrock2(Stepper):
    """Second order, L-stable and stiffly accurate."""

    name = "rosenbrock2"
    order = 2

    def step(self, system: BoundSystem, y: Values, *, u: Values, u_next: Values, h: Any) -> list[Any]:
        g, du = GAMMA, slopes(u, u_next, h)
        point = system.linearise(y, u, du)
        lu = system.elimination.factor(iteration_matrix(system.mass, point.jacobian, 1 / (g * h)))
        first = [f / g + h * s for f, s in zip(point.flow, point.input_slope, strict=True)]
        k = system.elimination.solve(lu, first)
        predicted = add(y, k)
        flow = system.flow(predicted, u_next, du)
        residual = [(f - m / h) / g for f, m in zip(flow, system.mass_times(k), strict=True)]
        return add(predicted, system.elimination.solve(lu, residual), g)
