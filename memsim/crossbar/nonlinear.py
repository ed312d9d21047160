"""Crossbars of cells that are not ohmic, by Newton's method around the linear solution.

The law of a cell gives its voltage and current as functions of one variable u, its voltage or, behind a resistance,
that of its selector. What is solved for u and the voltages f of floating bit lines is

    F = e - v(u) - K i(u) - f = 0,   and where a line floats  q = sum_rows i(u) = 0.

With D = i' / v', a step sends the currents dI into the linear system of `system` with conductances D,

    (1/D + K) dI + df = F,   sum_rows dI = -q,   dv = F - K dI - df,   du = dv / v',

and is halved until F in V and q / sum_rows s^2 together are smaller than before. At the solution, one more step with
u held fixed is 0, but its derivatives are those of the currents: one adjoint solution for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from memsim.crossbar.cell_laws import Cell, InSeries, branch, quantity
from memsim.crossbar.solver import Method, cell_currents, solver_of, tolerance_of, with_gradients
from memsim.crossbar.system import System, assembled
from memsim.crossbar.wires import Drops
from memsim.devices import numeric
from memsim.errors import ConvergenceError, InputError

_MAX_STEPS = 200
_MAX_HALVINGS = 60
# Linear systems are solved no better than this: the next step takes care of the rest.
_STEP_TOLERANCE = 1e-4

Law = Callable[[Tensor], tuple[Tensor, Tensor, Tensor, Tensor]]


def law_of(cell: Cell, values: Tensor) -> Law:
    """The function of u that gives v, i, dv/du and di/du, for cells whose g or state is `values`.

    Raises:
        InputError: derivatives are asked for an open cell in series, whose u does not say what its voltage is.
    """
    device = branch(cell)
    model: Any = numeric(device, "torch")
    given = {**device.values, quantity(cell): values}
    parameters = [
        torch.as_tensor(given[name], dtype=values.dtype, device=values.device) for name in device.parameters
    ]
    states = [values] if device.states else []
    if isinstance(cell, InSeries) and values.requires_grad and bool((values == 0).any()):
        raise InputError("conductance = 0 S in series with a selector has no derivative; give 1e-15 S or so")

    def law(u: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        current = model.current(u, states, parameters)
        slope = model.jacobian(u, states, parameters)[0].expand(u.shape)
        if not isinstance(cell, InSeries):
            return u, current, torch.ones_like(u), slope
        conducts = values > 0
        resistance = 1 / torch.where(conducts, values, 1)
        current, slope = torch.where(conducts, current, 0), torch.where(conducts, slope, 0)
        return u + resistance * current, current, 1 + resistance * slope, slope

    return law


@dataclass(frozen=True, eq=False)
class _Point:
    """Where Newton's method stands.

    Attributes:
        u: variable of each cell, [..., rows, columns] in V.
        floats: voltages f of floating bit lines, [..., 1, columns] in V; 0 for the others.
        current: i(u) in A.
        steepness: dv/du.
        system: the linear one with conductances D.
        missing: F in V.
    """

    u: Tensor
    floats: Tensor
    current: Tensor
    steepness: Tensor
    system: System
    missing: Tensor

    def charge(self, load: Tensor) -> Tensor:
        """q / load, [..., 1, columns] in V; 0 for lines that do not float."""
        return _charge(self.system.drop, self.current, load)

    def error(self) -> Tensor:
        """The largest of F and q / sum_rows s^2 of each array, [..., 1, 1] in V."""
        charge = self.charge(_load(self.system)).abs().amax((-2, -1), keepdim=True)
        return torch.maximum(self.missing.abs().amax((-2, -1), keepdim=True), charge)

    def distance(self, load: Tensor) -> Tensor:
        """What a step has to make smaller, [..., 1, 1] in V."""
        parts = (self.missing, self.charge(load))
        norms = [torch.linalg.vector_norm(part, dim=(-2, -1), keepdim=True) for part in parts]
        return torch.hypot(*norms)


@dataclass(frozen=True, eq=False)
class _Problem:
    """What is solved: cells, wires and sources; `goal` is the F, [..., 1, 1] in V, at which an array is done."""

    law: Law
    drop: Drops
    source: Tensor
    method: Method
    goal: Tensor

    def at(self, u: Tensor, floats: Tensor) -> _Point:
        voltage, current, steepness, slope = self.law(u)
        missing = self.source - voltage - self.drop(current) - floats
        return _Point(u, floats, current, steepness, assembled(slope / steepness, self.drop), missing)


def currents_of_law(
    cell: Cell, values: Tensor, drop: Drops, source: Tensor, *, method: Method, tolerance: float | None
) -> tuple[Tensor, Tensor]:
    """Currents of cells and voltages of floating bit lines, differentiable in all that goes in.

    Args:
        cell: the static law.
        values: g or state of each cell, [..., rows, columns].
        drop: the operator K.
        source: voltage that each cell would see without wires, to be broadcast to [..., rows, columns], in V.
        method: as in `memsim.crossbar.solver.prefers_direct`, for the linear systems.
        tolerance: F over the largest source voltage; as for linear systems where None.

    Returns:
        [..., rows, columns] in A and [..., 1, columns] in V.

    Raises:
        ConvergenceError: names the cell that stays wrong, or whose current falls where its voltage grows.
    """
    source = torch.broadcast_tensors(source, values, drop.diagonal())[0]
    tolerance = tolerance_of(source, tolerance)
    law = law_of(cell, values)
    with torch.no_grad():
        goal = tolerance * source.abs().amax((-2, -1), keepdim=True)
        point = _newton(_Problem(law, drop, source, method, goal))
    wires = (drop.word, drop.bit, drop.right)
    tracked = any(part is not None and part.requires_grad for part in (source, values, *wires))
    if not (torch.is_grad_enabled() and tracked):
        return point.current, point.floats
    voltage, current, _, _ = law(point.u)
    sent, left = _without_charge(point.system, current, source - voltage - drop(current) - point.floats)
    solve = solver_of(point.system, left.shape, method, tolerance)
    step = with_gradients(point.system, left, torch.zeros_like(left), solve)
    floats = point.floats + point.system.float_voltage(point.system.remaining(left, step))
    return current + sent + step, floats


def _newton(problem: _Problem) -> _Point:
    point = problem.at(torch.zeros_like(problem.source), problem.source.new_zeros(1, 1))
    for _ in range(_MAX_STEPS):
        _check_slopes(point)
        if bool((point.error() <= problem.goal).all()):
            return point
        nearer = _step(problem, point)
        if nearer is None:
            break
        point = nearer
    # rounding may be in the way of the last digit
    if bool((point.error() <= 10 * problem.goal).all()):
        return point
    raise _not_converged(point)


def _step(problem: _Problem, point: _Point) -> _Point | None:
    """The next point, nearer to the solution in each array that is not there yet; None where there is none."""
    system = point.system
    sent, left = _without_charge(system, point.current, point.missing)
    solved = cell_currents(system, left, method=problem.method, tolerance=_STEP_TOLERANCE)
    floats = system.float_voltage(system.remaining(left, solved))
    u = (point.missing - problem.drop(sent + solved) - floats) / point.steepness
    load = _load(system)
    before, there = point.distance(load), point.error() <= problem.goal
    share = torch.ones_like(before)
    for _ in range(_MAX_HALVINGS):
        trial = problem.at(point.u + share * u, point.floats + share * floats)
        # written so that infinite and NaN are not nearer
        farther = ~(trial.distance(load) <= (1 - 1e-4 * share) * before) & ~there
        if not bool(farther.any()):
            return trial
        share = torch.where(farther, share / 2, share)
    return None


def _load(system: System) -> Tensor:
    """sum_rows s^2, 1 where nothing conducts, [..., 1, columns] in S."""
    total = system.squared_scale.sum(-2, keepdim=True)
    return torch.where(total > 0, total, 1)


def _charge(drop: Drops, current: Tensor, load: Tensor) -> Tensor:
    if drop.floating is None:
        return torch.zeros_like(load)
    return torch.where(drop.floating, current.sum(-2, keepdim=True), 0) / load


def _without_charge(system: System, current: Tensor, missing: Tensor) -> tuple[Tensor, Tensor]:
    """Currents that take q out of floating bit lines, and what they leave of F for currents without charge."""
    if system.drop.floating is None:
        return torch.zeros_like(missing), missing
    charge = _charge(system.drop, current, _load(system))
    sent = -charge * system.squared_scale
    # 1/D sent, of which s^2 = own D has the D
    return sent, missing - system.drop(sent) + charge * system.own


def _check_slopes(point: _Point) -> None:
    slope = point.system.conductance
    if not bool((slope >= 0).all()):
        cell = (~(slope >= 0)).nonzero()[0].tolist()
        raise ConvergenceError(
            f"the current of cell {cell} does not grow with its voltage at {point.u[tuple(cell)].item():.3g} V: its "
            f"slope is {slope[tuple(cell)].item():.3g} S",
            remedy="use a law, or a voltage, at which it grows.",
        )


def _not_converged(point: _Point) -> ConvergenceError:
    missing = torch.nan_to_num(point.missing.abs(), nan=torch.inf)
    cell = torch.unravel_index(missing.argmax(), missing.shape)
    return ConvergenceError(
        f"the currents of a crossbar of nonlinear cells did not converge: {missing.max().item():.2g} V are left at "
        f"cell {[int(index) for index in cell]}",
        remedy="use float64, lower voltages, a softer law, or accept a larger `tolerance`.",
    )
