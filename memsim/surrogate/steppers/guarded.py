"""rosenbrock2 behind guards: a step that stays finite, knows when it was too long, and says how finely to divide it.

    W k = F(y0, u0)/g + h F_t          ys = P(y0 + k),  k' = ys - y0
    W d = [F(ys, u1) - M k'/h] / g     y1 = P(ys + g d)

1. Nodes without a capacitor are solved for wherever F is wanted (`massless`).
2. W = M/(g h) - A cannot become singular by the feedback of states. A is J, except that what pushes a state on fades
   out once a step cannot resolve it: A_ii = J- + J+ fade(g h J+, 1/4), and, where a state i and an unknown j push each
   other, J_ij J_ji > 0, A_ij = J_ij fade(q, c) with q = J_ij J_ji / [(M_ii/(g h) - A_ii)(M_jj/(g h) - J_jj)], c = 1/4
   or 1/(2 states on the node) if that is less, fade(q, c) = [2 - q/c] within 0 and 1.
3. P keeps states within their bounds.
4. A step has failed where the defect W^-1 [F(y1, u1) - M (k' + d)/h], which is zero for linear F, exceeds the
   tolerance, or g d exceeds `LENIENCE` times that, all unknowns as one vector in units of a state's range and of 0.1 V.
   The error handed on is the square of its length.
5. Where a transition is under way, h J+ > `UNDER_WAY` at either end, the frame wants steps of `resolution`/max J+
   throughout, and never longer ones than `resolution` times the one in which such a state relaxes. Where no bound of
   J+ is known, its value at the ends has to do. Equal steps that begin early are what makes gradients right: an error
   made just before a switch grows with it, and a tolerance alone lets it be large there.

When no guard acts this is rosenbrock2. Any A keeps it consistent; A = J makes it of second order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from memsim.surrogate.elementwise import larger, select, smaller
from memsim.surrogate.elimination import Entries
from memsim.surrogate.steppers.base import Attempt, Stepper, add, iteration_matrix, slopes
from memsim.surrogate.steppers.rosenbrock import GAMMA
from memsim.surrogate.system import BoundSystem, Linearisation, Values

LENIENCE = 6.0
"""How many times more g d may be than the defect: it is up to ten times the error, but misses nothing at a jump."""
UNDER_WAY = 0.003
LARGEST_SHARE = 0.25
"""Part of a pivot that positive feedback may take."""


@dataclass(frozen=True)
class Guarded(Stepper):
    """Second order, safe at any step size where frames are divided as it asks: the default.

    Attributes:
        tolerance: largest defect of a step, in units of a state's range and of 0.1 V.
        resolution: largest product of a step and J+ while a state pushes itself on.
        fading: whether guard 2 acts. Steps that are kept short by their error do without: they resolve feedback, and
            where resistors hold a device on the middle branch of its S, long ones may pass.
    """

    tolerance: float = 0.03
    resolution: float = 0.5
    fading: bool = True

    name = "guarded"
    order = 2
    checked = True

    def controlled(self) -> Stepper:
        return replace(self, fading=False)

    def step(self, system: BoundSystem, y: Values, *, u: Values, u_next: Values, h: Any) -> list[Any]:
        return self.attempt(system, y, u=u, u_next=u_next, h=h).y

    def attempt(self, system: BoundSystem, y: Values, *, u: Values, u_next: Values, h: Any) -> Attempt:
        g, du = GAMMA, slopes(u, u_next, h)
        point = system.linearise(y, u, du)
        scale = 1 / (g * h)
        solve = _Solver(system, _dissipative(system, point, scale) if self.fading else point.jacobian, scale)
        k = solve([f / g + h * s for f, s in zip(point.flow, point.input_slope, strict=True)])
        stage = system.settle(system.project(add(y, k)), u_next)
        moved = [b - a for a, b in zip(y, stage, strict=True)]
        flow = system.flow(stage, u_next, du)
        d = solve([(f - m / h) / g for f, m in zip(flow, system.mass_times(moved), strict=True)])
        after = system.settle(system.project(add(stage, d, g)), u_next)
        reached = system.flow(after, u_next, du)
        covered = system.mass_times(add(moved, d))
        defect = solve([f - m / h for f, m in zip(reached, covered, strict=True)])
        error: Any = 0.0
        for change, left, scale in zip(d, defect, system.scales, strict=True):
            allowed = self.tolerance * scale
            error = error + (g * change / (LENIENCE * allowed)) ** 2 + (left / allowed) ** 2
        behind = system.positive(after, u_next, du)
        return Attempt(after, error, self._pace(system, point.positive, behind, h))

    def refined(self) -> Guarded:
        # errors of a step of second order fall by 4 or more
        return Guarded(self.tolerance / 4, self.resolution / 2)

    def _pace(self, system: BoundSystem, before: dict[int, Any], behind: dict[int, Any], h: Any) -> Any:
        """Rate [1/s] at which the frame wants to be stepped over."""
        pace: Any = 0.0
        for row, first in before.items():
            rate = larger(first, behind[row])
            if row in system.paces:
                strongest = system.paces[row].strongest / self.resolution
                relaxation = system.paces[row].relaxation / self.resolution
                rate = larger(select(rate * h > UNDER_WAY, strongest, 0.0), relaxation)
            else:
                rate = rate / self.resolution
            pace = larger(rate, pace)
        return pace


class _Solver:
    """Solves with W, factored once.

    Args:
        system: the circuit.
        jacobian: A.
        scale: 1 / (g h).
    """

    def __init__(self, system: BoundSystem, jacobian: Entries, scale: Any) -> None:
        self._elimination = system.elimination
        matrix = iteration_matrix(system.mass, jacobian, scale)
        self._lu = system.elimination.factor(matrix)

    def __call__(self, right: Values) -> list[Any]:
        return self._elimination.solve(self._lu, right)


def _dissipative(system: BoundSystem, point: Linearisation, scale: Any) -> Entries:
    """A: the Jacobian without what a step of 1 / (g scale) cannot resolve."""
    jacobian, faded = point.jacobian, dict(point.jacobian)
    for row, positive in point.positive.items():
        faded[row, row] = jacobian[row, row] - positive * (1.0 - _fade(positive / scale, LARGEST_SHARE))
    for state, other in faded:
        if state >= system.states or other <= state or (other, state) not in faded:
            continue
        sharing = sum(
            1 for row, column in jacobian if column == other and row < system.states and row != other
        )
        pivots = [
            system.mass.get((row, row), 0.0) * scale - faded.get((row, row), 0.0) for row in (state, other)
        ]
        product = jacobian[state, other] * jacobian[other, state]
        share = product / (pivots[0] * pivots[1])
        faded[state, other] = jacobian[state, other] * _fade(share, min(LARGEST_SHARE, 0.5 / sharing))
    return faded


def _fade(share: Any, limit: float) -> Any:
    """1 up to a share of `limit`, 0 from twice that on."""
    return larger(smaller(2.0 - share / limit, 1.0), 0.0)
