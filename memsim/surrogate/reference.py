"""SciPy reference: the same nodal equations by an adaptive, error-controlled integrator."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import count, pairwise

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from PySpice.Spice.Netlist import Netlist
from scipy.integrate import solve_ivp
from scipy.optimize import root

from memsim.circuits.flatten import state_bounds
from memsim.circuits.nodal import NodalEquations, nodal_equations
from memsim.circuits.sources import all_stimuli
from memsim.circuits.stimuli import Stimulus, time_points
from memsim.circuits.waveforms import dataset
from memsim.devices.numeric import generate
from memsim.errors import ConvergenceError, InputError

Array = NDArray[np.floating]
METHODS = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")
EDGE = 1e-9
"""Half width [s] of the central difference that gives the slope of a stimulus."""
SETTLING_TIME = 1e3
"""Seconds over which `equilibrium` lets a circuit relax before it solves for the fixed point."""
SETTLING_CALLS = 50_000
"""Evaluations of the equations that relaxing may take; an oscillator would go on for ever."""


class _Problem:
    """Nodal equations as dy/dt = f(t, y) over the unknowns with mass; the others are solved at every call."""

    def __init__(self, equations: NodalEquations, stimuli: Mapping[str, Stimulus]) -> None:
        self.equations, self.stimuli = equations, [stimuli[s.name] for s in equations.inputs]
        values = list(equations.parameters.values())
        n = len(equations.unknowns)
        arguments = (equations.unknowns, equations.inputs, equations.input_rates, list(equations.parameters))
        flow = generate(arguments, equations.flow, "numpy")
        keys = list(equations.jacobian)
        jacobian = generate(arguments, [equations.jacobian[key] for key in keys], "numpy")
        self.algebraic = np.array(equations.algebraic, dtype=int)
        self.dynamic = np.setdiff1d(np.arange(n), self.algebraic)
        mass = np.zeros((n, n))
        entries = generate([list(equations.parameters)], list(equations.mass.values()), "numpy")(values)
        for key, entry in zip(equations.mass, entries, strict=True):
            mass[key] = entry
        self.inverse_mass = np.linalg.inv(mass[np.ix_(self.dynamic, self.dynamic)])
        charge = generate((equations.inputs, list(equations.parameters)), equations.charge, "numpy")
        start = np.array(charge([float(s(0.0)) for s in self.stimuli], values), dtype=float)[self.dynamic]
        self.guess = np.zeros(n)
        self.start = self.guess[self.dynamic] = self.inverse_mass @ start

        used = {symbol for expr in equations.flow for symbol in expr.free_symbols}
        sloped = [rate in used for rate in equations.input_rates]

        def slope(stimulus: Stimulus, t: float) -> float:
            return float(stimulus(t + EDGE) - stimulus(t - EDGE)) / (2 * EDGE)

        @lru_cache(maxsize=1)  # asked for several times at the same instant
        def inputs(t: float) -> tuple[list[float], list[float]]:
            slopes = [slope(s, t) if needed else 0.0 for s, needed in zip(self.stimuli, sloped, strict=True)]
            return [float(s(t)) for s in self.stimuli], slopes

        def dense_jacobian(t: float, y: Array) -> Array:
            matrix = np.zeros((n, n))
            for key, entry in zip(keys, jacobian(y, *inputs(t), values), strict=True):
                matrix[key] = entry
            return matrix

        self.flow: Callable[[float, Array], Array] = lambda t, y: np.array(
            flow(y, *inputs(t), values), dtype=float
        )
        self.jacobian = dense_jacobian

    def complete(self, t: float, dynamic: Array) -> Array:
        """All unknowns from those with mass."""
        y = self.guess.copy()
        y[self.dynamic] = dynamic
        rows = self.algebraic
        for _ in range(100 if len(rows) else 0):
            change = np.linalg.solve(self.jacobian(t, y)[np.ix_(rows, rows)], self.flow(t, y)[rows])
            y[rows] -= change
            if np.max(np.abs(change)) <= 1e-14 * max(1e-3, np.max(np.abs(y[rows]))):
                break
        if np.isfinite(y).all():
            self.guess = y
        return y

    def rate(self, t: float, dynamic: Array) -> Array:
        """dy/dt of the unknowns with mass."""
        return self.inverse_mass @ self.flow(t, self.complete(t, dynamic))[self.dynamic]


def simulate(
    circuit: Netlist,
    *,
    stimuli: Mapping[str, Stimulus],
    stop: float,
    step: float,
    rtol: float = 1e-10,
    method: str = "LSODA",
    stated: bool = False,
) -> xr.Dataset:
    """Transient of a circuit by SciPy, restarted at every corner of the stimuli.

    Args:
        circuit: PySpice circuit of R, C, V, I and memsim devices.
        stimuli: what each driven source does, by source name; over what PySpice's own sources of sines, pulses and
            straight lines say themselves.
        stop: end time [s].
        step: spacing of the returned samples [s]; also the longest internal step.
        rtol: relative tolerance; the absolute one is rtol times 1 mV or a state of 1.
        method: a method of scipy.integrate.solve_ivp.
        stated: whether waveforms carry their `error`, in their units: by how much ten times the tolerance moves them.

    Raises:
        InputError: unknown source or method; stop, step or rtol out of range.
        ConvergenceError: the integrator gave up.
    """
    if not 0 < rtol < 1:
        raise InputError(f"rtol = {rtol!r} is out of range; allowed: above 0, below 1")
    if method not in METHODS:
        raise InputError(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    began = time.perf_counter()
    stimuli = all_stimuli(circuit, stimuli, step=step)
    equations = nodal_equations(circuit, tuple(stimuli))
    times = time_points(stop, step, len(equations.unknowns) + len(equations.waveforms))
    problem = _Problem(equations, stimuli)
    corners = [s.corners(stop) for s in stimuli.values()]
    runs = [
        _integrate(problem, times, looser * rtol, method, corners) for looser in ((1, 10) if stated else (1,))
    ]
    u = np.array([stimulus(times) for stimulus in problem.stimuli])
    observe = generate(
        (equations.unknowns, equations.inputs, list(equations.parameters)),
        list(equations.waveforms.values()),
        "numpy",
    )
    found = [observe(y, u, list(equations.parameters.values())) for y in runs]
    signals = {
        name: np.broadcast_to(c, times.shape) for name, c in zip(equations.waveforms, found[0], strict=True)
    }
    data = dataset(times, signals, state_bounds(circuit))
    for name, exact, looser in zip(equations.waveforms, found[0], found[-1], strict=True):
        if stated:
            data[name].attrs["error"] = float(np.abs(np.subtract(exact, looser)).max())
    data.attrs |= {
        "engine": f"scipy-{method}",
        "title": str(circuit.title),
        "wall_seconds": time.perf_counter() - began,
    }
    return data


def _integrate(problem: _Problem, times: Array, rtol: float, method: str, corners: Sequence[Array]) -> Array:
    edges = np.unique(np.concatenate([[times[0], times[-1]], *corners]))
    y0, samples = problem.start, np.empty((len(problem.guess), len(times)))
    for left, right in pairwise(edges):
        inside = (times >= left) & (times <= right)
        grid = np.union1d(times[inside], [left, right])
        solution = solve_ivp(
            problem.rate,
            (left, right),
            y0,
            method=method,
            t_eval=grid,
            rtol=rtol,
            atol=rtol * 1e-3,
            max_step=times[1] - times[0],
        )
        if not solution.success:
            raise ConvergenceError(
                f"SciPy's {method} stopped at t = {solution.t[-1]:g} s: {solution.message}"
            )
        if not np.isfinite(solution.y).all():
            lost = float(solution.t[np.argmin(np.isfinite(solution.y).all(axis=0))])
            raise ConvergenceError(
                f"SciPy's {method} loses the solution at t = {lost:g} s",
                remedy="use another method; Radau and BDF take the stiffest circuits.",
            )
        full = np.array([problem.complete(t, y) for t, y in zip(solution.t, solution.y.T, strict=True)]).T
        samples[:, inside] = full[:, np.isin(solution.t, times[inside])]
        y0 = solution.y[:, -1]
    return samples


def equilibrium(circuit: Netlist) -> dict[str, float]:
    """The state a circuit relaxes to with all sources at their DC values, by name of waveform or unknown.

    Raises:
        ConvergenceError: the circuit does not come to rest (it oscillates), or the solver failed.
    """
    problem = _Problem(nodal_equations(circuit), {})
    if not len(problem.dynamic):
        return _by_name(problem, problem.complete(0.0, np.empty(0)))
    calls = count()

    def rate(t: float, y: Array) -> Array:
        if next(calls) > SETTLING_CALLS:
            raise ConvergenceError(
                "the circuit does not come to rest",
                remedy="start from a stated state; an oscillator has no equilibrium.",
            )
        return problem.rate(t, y)

    relaxed = solve_ivp(
        rate,
        (0, SETTLING_TIME),
        problem.start,
        method="LSODA",
        rtol=1e-8,
        atol=1e-12,
    )
    solution = root(lambda y: problem.rate(0.0, y), relaxed.y[:, -1], tol=1e-14)
    drift = np.abs(solution.x - relaxed.y[:, -1]) / np.maximum(np.abs(solution.x), 1e-3)
    if not relaxed.success or np.max(drift) > 1e-3:
        raise ConvergenceError("the circuit drifts after it settled", remedy="start from a stated state.")
    return _by_name(problem, problem.complete(0.0, solution.x))


def _by_name(problem: _Problem, y: Array) -> dict[str, float]:
    """Every unknown, potential and state."""
    equations = problem.equations
    values = list(equations.parameters.values())
    observe = generate(
        (equations.unknowns, list(equations.parameters)), list(equations.waveforms.values()), "numpy"
    )
    unknowns = zip((symbol.name for symbol in equations.unknowns), y, strict=True)
    return {
        name: float(value)
        for name, value in (*zip(equations.waveforms, observe(y, values), strict=True), *unknowns)
    }
