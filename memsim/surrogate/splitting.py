"""Strang splitting: unknowns one after another, each by itself an equation of one unknown.

While all others are held, row i of M dy/dt = F(y, u) is one equation with slope J_ii. Over a time s it is stepped by

    y_i + s [phi1(z) F_i + s phi2(z) dF_i/dt] / M_ii,     z = s J_ii / M_ii
    phi1(z) = (1 - z/2) / D,   phi2(z) = (1 - z) / (2 D),   D = 1 - z + z^2/2

1 + z phi1 = 1/D approximates exp(z) to second order, lies between 0 and 1 for every z < 0 and vanishes for
z -> -oo. Where F_i is affine in y_i, as for a state that relaxes between two bounds and for a potential behind
conductances, no step size takes y_i out of the range in which it belongs: the step is stable for any h.
Rows that do not meet in the Jacobian go together. The groups go in the order n/2, ..., 2/2, 1, 2/2, ..., n/2, so the
step is symmetric and of second order (G. Strang, SIAM J. Numer. Anal. 5:506, 1968); the states are the first group,
so that their rates, the costly part, are evaluated once a step. With staggered rows this is the classical step of
nerve membrane equations (M. Hines, Int. J. Biomed. Comput. 15:69, 1984).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from memsim.surrogate.steppers import Stepper
from memsim.surrogate.system import BoundSystem, Values


class Strang(Stepper):
    """Second order, and within the bounds of states and conductances at any step size."""

    name = "strang"
    order = 2
    implicit = False

    def step(self, system: BoundSystem, y: Values, *, u: Values, u_next: Values, h: float) -> list[Any]:
        first, *others = groups(len(y), system.jacobian_pattern)
        slopes = [(b - a) / h for a, b in zip(u, u_next, strict=True)]
        middle = [0.5 * (a + b) for a, b in zip(u, u_next, strict=True)]
        moved = list(y)
        for rows in reversed(others):
            moved = _advance(system, moved, rows, u=u, du=slopes, time=0.5 * h)
        moved = _advance(system, moved, first, u=u, du=slopes, time=h)
        for rows in others:
            moved = _advance(system, moved, rows, u=middle, du=slopes, time=0.5 * h)
        return moved


def groups(size: int, pattern: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Rows in groups whose members do not meet in the Jacobian, each row in the first group that takes it."""
    met = {pair for row, column in pattern for pair in ((row, column), (column, row))}
    found: list[list[int]] = []
    for row in range(size):
        group = next((g for g in found if not any((row, other) in met for other in g)), None)
        if group is None:
            found.append([row])
        else:
            group.append(row)
    return found


def _advance(
    system: BoundSystem, y: Values, rows: Sequence[int], *, u: Values, du: Values, time: float
) -> list[Any]:
    point, moved = system.linearise(y, u, du), list(y)
    for row in rows:
        scale = time / system.mass[row, row]
        z = scale * point.jacobian.get((row, row), 0.0)
        flow = (1.0 - 0.5 * z) * point.flow[row] + (0.5 * time) * (1.0 - z) * point.input_slope[row]
        moved[row] = y[row] + scale * flow / (1.0 - z + 0.5 * z * z)
    return moved
