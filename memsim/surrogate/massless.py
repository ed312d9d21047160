"""Potentials of nodes without a capacitor: Kirchhoff's current law there, G(y, v, u) = 0, solved for v.

Newton's method, damped: a step that does not lessen sum |G| is halved. A kink in a current, where Newton's method may
jump to and fro, and an exponential, which it overshoots, are both met by that. The last iteration carries the gradient:
with v and dG/dv held, v - (dG/dv)^-1 G(y, v, u) has the derivatives of the implicit function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from memsim.surrogate.elementwise import detached, everywhere, larger, select

if TYPE_CHECKING:
    from memsim.surrogate.system import BoundSystem

ITERATIONS = 60
"""Trials allowed; halvings count."""
MILLIVOLT = 1e-3
"""Potentials below this count as this when the method asks whether it has converged."""
ROUNDING = 8
"""Last bits within which two iterates are equal."""


def solve_massless(system: BoundSystem, y: Sequence[Any], u: Sequence[Any]) -> list[Any]:
    """y with the potentials of nodes without a capacitor solved for; not a number where that fails.

    Args:
        system: the equations.
        y: unknowns; the potentials in question are where the search begins.
        u: inputs.
    """
    if not system.algebraic:
        return list(y)
    with torch.no_grad():
        found = search(lambda trial: newton_steps(system, trial, u), y, system.algebraic)
    return _replaced(
        y, {row: _polished(found[row], step) for row, step in _steps(system, found, y, u).items()}
    )


def _polished(value: Any, step: Any) -> Any:
    return detached(value) - step


def _steps(
    system: BoundSystem, found: Mapping[int, Any], y: Sequence[Any], u: Sequence[Any]
) -> dict[int, Any]:
    """Newton steps from the solution, by which gradients go to everything but the potentials themselves."""
    return newton_steps(system, _replaced(y, {row: detached(value) for row, value in found.items()}), u)[0]


def newton_steps(system: BoundSystem, y: Sequence[Any], u: Sequence[Any]) -> tuple[dict[int, Any], Any]:
    """Newton's step for each massless potential, its matrix held, and sum |G|."""
    flows, entries = system.massless(y, u)
    elimination = system.algebraic_elimination
    matrix = {key: detached(entry) for key, entry in entries.items()}
    solution = elimination.solve(elimination.factor(matrix), flows)
    return dict(zip(system.algebraic, solution, strict=True)), sum(map(abs, flows))


def search(
    newton: Callable[[Sequence[Any]], tuple[dict[int, Any], Any]], y: Sequence[Any], rows: Sequence[int]
) -> dict[int, Any]:
    """The unknowns `rows` from where they are in `y` to where a function of y, `newton`, asks for no more steps.

    Args:
        newton: Newton's step for each of them, and sum |G|.
        y: all unknowns.
        rows: those to search.
    """
    now = {row: y[row] for row in rows}
    steps, residual = newton(y)
    share: Any = 0.0 * residual + 1.0
    close = ROUNDING * _epsilon(residual)
    for _ in range(ITERATIONS):
        if everywhere(_within(steps, now, close)):
            return now
        trial = {row: now[row] - share * steps[row] for row in now}
        ahead, left = newton(_replaced(y, trial))
        better = left < residual
        now = {row: select(better, trial[row], now[row]) for row in now}
        steps = {row: select(better, ahead[row], steps[row]) for row in now}
        residual = select(better, left, residual)
        share = select(better, 1.0 + 0.0 * share, share / 2)
    near = _within(steps, now, math.sqrt(close))
    return {row: select(near, now[row], math.nan * now[row]) for row in now}


def _within(steps: Mapping[int, Any], now: Mapping[int, Any], share: float) -> Any:
    """Whether no step is longer than that share of the largest potential."""
    size: Any = MILLIVOLT
    for value in now.values():
        size = larger(abs(value), size)
    longest: Any = 0.0
    for step in steps.values():
        longest = longest + abs(step)
    return longest <= share * size


def _replaced(y: Sequence[Any], values: Mapping[int, Any]) -> list[Any]:
    return [values.get(row, value) for row, value in enumerate(y)]


def _epsilon(like: Any) -> float:
    return float(torch.finfo(like.dtype if isinstance(like, Tensor) else torch.float64).eps)
