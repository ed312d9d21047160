"""Implicit transients of a device behind a series resistor, many at once, and their sensitivities.

    source      V = v + R y                 or, where the instrument limits the current,  I = y
    current     y = i(v, x, p) + C dv/dt
    device      dx/dt = f(v, x, p)

with R the series resistance and C a capacitance in parallel to the device. Derivatives are backward
differences of order two on the steps of a `Grid` (Hairer and Wanner, Solving Ordinary Differential Equations II,
III.5), the equations G of a step are solved by Newton's method. With E = dG/du, u = (v, x) and
S = du/dp, the derivative of the numerical solution follows exactly from

    E S_n = D (a_1 S_{n-1} + a_2 S_{n-2}) - dG/dp,    D = diag(R C / (b h), 1, ..., 1)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memsim.devices.base import Device
from memsim.devices.numeric import generate
from memsim.fit.grids import Grid
from memsim.fit.records import Array

MOST_ITERATIONS = 16
UNDAMPED = 4  # iterations; what has not settled by then mostly jumps to and fro: after each so many, moves are halved
LARGEST_MOVE = 0.3  # V and state: the most by which one Newton iteration moves an unknown
SOLVED = 1e-4  # a last move of Newton's method, which squares: what is left is far smaller
GIVEN_UP = 1e-3  # an unknown that still moves by more has no solution that can be trusted


@dataclass(frozen=True)
class Batch:
    """Parameter sets to simulate on all records of a grid, `starts` times `records` transients.

    Args:
        model: the device class.
        parameters: [parameters, starts], in the model's order.
        initial: [states, starts, records].
        capacitance: [starts] in F.
        polarity: [starts], -1 where the device's terminals are swapped, 1 otherwise.
    """

    model: type[Device]
    parameters: Array
    initial: Array
    capacitance: Array
    polarity: Array


@dataclass(frozen=True)
class Trajectory:
    """Numerical solution [steps, transients] in the device's own polarity.

    Args:
        unknowns: [steps, 1 + states, transients].
        load: resistance in the source equation; that of a current source where the current is limited.
        own: 1 where the source equation holds v, 0 where the current is limited.
        converged: [transients].
    """

    unknowns: Array
    load: Array
    own: Array
    converged: NDArray[np.bool_]


@cache
def _step_function(model: type[Device]) -> Any:
    form = model().expressions
    arguments = (form.voltage, form.states, form.parameters)
    return generate(arguments, [form.current, *form.rates, *form.jacobian], "numpy")


class _Tables:
    """A grid repeated for every start, [steps, transients], and what the steps need of the model."""

    def __init__(self, grid: Grid, batch: Batch) -> None:
        starts = batch.capacitance.size
        records = grid.resistance.size
        self.a_1, self.a_2, self.b_h = (np.tile(t, starts) for t in (grid.a_1, grid.a_2, grid.b_h))
        self.inverse = np.divide(1.0, self.b_h, out=np.zeros_like(self.b_h), where=self.b_h > 0)
        self.polarity = np.repeat(batch.polarity, records)
        self.drive = np.tile(grid.drive, starts) * self.polarity
        self.limit = np.tile(grid.limit, starts) * self.polarity
        self.limiting = np.isfinite(grid.limit).sum(axis=1) > 0
        self.resistance = np.tile(grid.resistance, starts)
        self.parameters = [np.repeat(row, records) for row in batch.parameters]
        self.capacitance = np.repeat(batch.capacitance, records)
        self.charging = self.capacitance * self.inverse
        self.function = _step_function(batch.model)
        states = batch.model.states.values()
        self.low = np.array([-np.inf, *(state.low for state in states)])[:, None]
        self.high = np.array([np.inf, *(state.high for state in states)])[:, None]


def simulate(grid: Grid, batch: Batch) -> Trajectory:
    """Solve all transients of the batch."""
    t = _Tables(grid, batch)
    size, count, length = len(t.low), t.resistance.size, len(grid.drive)
    u = np.concatenate([np.zeros((1, count)), batch.initial.reshape(size - 1, count)])
    previous = u
    unknowns, load, own = (
        np.empty((length, size, count)),
        np.empty((length, count)),
        np.empty((length, count)),
    )
    converged = np.ones(count, bool)
    for n in range(length):
        history = t.a_1[n] * u + t.a_2[n] * previous
        previous, (u, load[n], own[n], moved) = u, _step(t, n, u, history, converged)
        converged &= moved < GIVEN_UP
        unknowns[n] = u
    return Trajectory(unknowns, load, own, converged)


def _step(
    t: _Tables, n: int, u: Array, history: Array, converged: NDArray[np.bool_]
) -> tuple[Array, Array, Array, Array]:
    """Newton's method for step n: unknowns, load, own voltage's share, and by how much the unknowns still move.

    np.minimum and np.maximum stand for np.clip, which takes ten times as long on arrays this short.
    """
    b_h, charging, r, one, target = t.b_h[n], t.charging[n], t.resistance, np.ones(1), t.drive[n]
    for iteration in range(MOST_ITERATIONS):
        out = t.function(u[0], list(u[1:]), t.parameters)
        g = u - history
        y = out[0] + charging * g[0]
        if t.limiting[n]:
            r, one, target = _limited(t, n, u[0], y)
        g[0] = one * u[0] + r * y - target
        for row in range(1, len(u)):
            g[row] -= b_h * out[row]
        move = _move(out[len(u) :], g, r, b_h, one + r * charging)
        if iteration >= UNDAMPED:
            move *= 0.5 ** (iteration // UNDAMPED)
        before = u
        u = u - np.minimum(np.maximum(move, -LARGEST_MOVE), LARGEST_MOVE)
        # a state that the formula would carry past its end stays there, and has settled
        u = np.minimum(np.maximum(u, t.low), t.high)
        moved = np.abs(u - before).max(0)
        # those without a solution are lost, and not worth an iteration
        if not (moved[converged] >= SOLVED).any():
            break
    return u, r, one, moved


def _move(entries: list[Array], g: Array, r: Array, b_h: Array, charged: Array) -> Array:
    """Newton's move [unknowns, transients] E^-1 g, from the entries of the device's Jacobian."""
    size = len(g)
    if size == 2:
        # most devices have one state, and most of the time goes here
        a, b, c, d = charged + r * entries[0], r * entries[1], b_h * entries[2], 1 - b_h * entries[3]
        e, f = g
        return np.array([d * e - b * f, a * f + c * e]) / (a * d + b * c)
    matrix = np.empty((g.shape[1], size, size))
    for k, entry in enumerate(entries):
        matrix[:, k // size, k % size] = r * entry if k < size else -b_h * entry
    matrix[:, 0, 0] += charged
    matrix[:, range(1, size), range(1, size)] += 1.0
    return np.asarray(np.linalg.solve(matrix, g.T[..., None])[..., 0].T, dtype=np.float64)


def _limited(t: _Tables, n: int, v: Array, y: Array) -> tuple[Array, Array, Array]:
    """Source equation where the instrument gives the voltage or the current, whichever asks for less."""
    imposed = np.isfinite(t.limit[n])
    limit = np.where(imposed, t.limit[n], 1.0)
    scale = np.abs(t.drive[n] / limit)
    excess = np.sign(limit) * (scale * (y - limit) - (v + t.resistance * y - t.drive[n]))
    mode = imposed & (excess > 0)
    return (
        np.where(mode, scale, t.resistance),
        np.where(mode, 0.0, 1.0),
        np.where(mode, scale * limit, t.drive[n]),
    )


@cache
def _partial_function(model: type[Device], names: tuple[str, ...]) -> Any:
    import sympy as sp

    form = model().expressions
    free = [symbol for name in names for symbol in form.parameters if symbol.name == name]
    outputs = sp.Matrix([form.current, *form.rates])
    by_parameter = list(outputs.jacobian(free)) if free else []
    arguments = (form.voltage, form.states, form.parameters)
    return generate(arguments, [form.current, *form.jacobian, *by_parameter], "numpy")


def currents(grid: Grid, batch: Batch, trajectory: Trajectory, names: Sequence[str]) -> tuple[Array, Array]:
    """Currents at the samples and their derivatives.

    Args:
        grid: steps of the records.
        batch: what was simulated.
        trajectory: its solution.
        names: parameters to differentiate by.

    Returns:
        [samples, transients] in A, and [samples, transients, columns]: the parameters named, the
        capacitance, the initial states of the transient.
    """
    t = _Tables(grid, batch)
    u, size = trajectory.unknowns, trajectory.unknowns.shape[1]
    length, count = len(u), u.shape[2]
    function = _partial_function(batch.model, tuple(names))
    with np.errstate(divide="ignore", invalid="ignore"):
        out = function(u[:, 0], [u[:, k] for k in range(1, size)], t.parameters)
    i, entries = out[0], [np.broadcast_to(entry, (length, count)) for entry in out[1:]]
    jacobian = np.stack(entries[: size * size], -1).reshape(length, count, size, size)
    partial = np.zeros((length, count, size * len(names)))
    for k, entry in enumerate(entries[size * size :]):
        # a power with base 0 gives 0 log 0, whose limit is 0
        partial[..., k] = np.where(np.isnan(entry), 0.0, entry)
    partial = partial.reshape(length, count, size, len(names))

    before = np.concatenate([u[:1], u[:-1]])
    earlier = np.concatenate([before[:1], before[:-1]])
    slope = t.inverse * (u[:, 0] - t.a_1 * before[:, 0] - t.a_2 * earlier[:, 0])

    columns = len(names) + 1 + size - 1
    by_g = np.zeros((length, count, size, columns))
    by_g[:, :, 0, : len(names)] = trajectory.load[..., None] * partial[:, :, 0]
    by_g[:, :, 1:, : len(names)] = -t.b_h[..., None, None] * partial[:, :, 1:]
    by_g[:, :, 0, len(names)] = trajectory.load * slope
    e = np.eye(size) - t.b_h[..., None, None] * jacobian
    e[:, :, 0] = trajectory.load[..., None] * jacobian[:, :, 0]
    e[:, :, 0, 0] += trajectory.own + trajectory.load * t.charging
    inverse = np.linalg.inv(e)
    forcing = inverse @ by_g
    memory = inverse.copy()
    memory[..., 0] *= (trajectory.load * t.charging)[..., None]
    first, second = t.a_1[..., None, None] * memory, t.a_2[..., None, None] * memory

    s = np.zeros((length + 2, count, size, columns))
    s[0, :, np.arange(1, size), len(names) + np.arange(1, size)] = 1.0
    s[1] = s[0]
    for n in range(length):
        s[n + 2] = first[n] @ s[n + 1] + second[n] @ s[n] - forcing[n]

    by_y = np.einsum("ncu,ncuq->ncq", jacobian[:, :, 0], s[2:])
    by_y[..., : len(names)] += partial[:, :, 0]
    by_y[..., len(names)] += slope
    voltage = s[:, :, 0]
    by_y += t.charging[..., None] * (
        voltage[2:] - t.a_1[..., None] * voltage[1:-1] - t.a_2[..., None] * voltage[:-2]
    )
    y = (i + t.capacitance * slope) * t.polarity
    rows = np.tile(grid.sample, batch.capacitance.size)
    pick = (rows, np.arange(count))
    return y[pick], by_y[pick] * t.polarity[:, None]
