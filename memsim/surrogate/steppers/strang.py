"""Strang splitting.

Unknowns move one after another, each by its own row with all others held, over a time s:

    y_i + s [phi1(z) F_i + s phi2(z) F_t,i] / M_ii,     z = s J_ii / M_ii
    phi1(z) = (1 - z/2) / D,   phi2(z) = (1 - z) / (2 D),   D = 1 - z + z^2/2

1 + z phi1 = 1/D is exp(z) to second order, lies between 0 and 1 for z < 0 and vanishes for z -> -oo. Where F_i is
affine in y_i, as for a state that relaxes between two bounds or a potential behind conductances, no h takes y_i out
of the range where it belongs. Rows that do not meet in the Jacobian form a group and go together. Groups go in the
order n, ..., 2 over h/2, 1 over h, 2, ..., n over h/2, which is symmetric and so of second order (G. Strang, SIAM
J. Numer. Anal. 5:506, 1968). States are the first group: their rates, the costly part, are evaluated once a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from memsim.errors import InputError
from memsim.surrogate.steppers.base import Stepper, slopes
from memsim.surrogate.system import BoundSystem, Values


class Strang(Stepper):
    """Second order, and within the bounds of states and conductances at any step size."""

    name = "strang"
    order = 2
    implicit = False

    def step(self, system: BoundSystem, y: Values, *, u: Values, u_next: Values, h: Any) -> list[Any]:
        if any(row != column for row, column in system.mass):
            raise InputError(
                f"{self.name} takes capacitors to fixed potentials only; use an implicit stepper"
            )
        first, *others = _groups(len(y), system.jacobian_pattern)
        rates = slopes(u, u_next, h)
        middle = [0.5 * (a + b) for a, b in zip(u, u_next, strict=True)]
        moved = list(y)
        for rows in reversed(others):
            moved = _move(system, moved, rows, u=u, rates=rates, time=0.5 * h)
        moved = _move(system, moved, first, u=u, rates=rates, time=h)
        for rows in others:
            moved = _move(system, moved, rows, u=middle, rates=rates, time=0.5 * h)
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
    system: BoundSystem, y: Values, rows: Sequence[int], *, u: Values, rates: Values, time: float
) -> list[Any]:
    """y with some rows moved over `time`, all others held."""
    point, moved = system.linearise(y, u, rates), list(y)
    for row in rows:
        scale = time / system.mass[row, row]
        z = scale * point.jacobian.get((row, row), 0.0)
        flow = (1.0 - 0.5 * z) * point.flow[row] + (0.5 * time) * (1.0 - z) * point.input_slope[row]
        moved[row] = y[row] + scale * flow / (1.0 - z + 0.5 * z * z)
    return moved
