"""Time steps that adapt to the circuit: long where nothing happens, picoseconds where a device runs away.

A step of h is compared with two of h/2. For a stepper of order p their difference over 2^p - 1 estimates the error of
the two; it must not exceed the tolerance, and the next step is chosen to just meet it. Added to the two, it leaves an
error of order p + 1, from where the run goes on (Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I,
chapter II.4). Between the three points of a pair the result is a parabola; by how much a cubic through the point before
them, too, leaves it, counts as an error like the other, and is there where the other happens to vanish. No step crosses
a knot of a stimulus.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from memsim.circuits.stimuli import Stimulus, check_times
from memsim.errors import ConvergenceError, InputError
from memsim.surrogate.compiled import CompiledCircuit
from memsim.surrogate.steppers import Attempt
from memsim.surrogate.system import Values

Array = NDArray[np.float64]
Told = Callable[[float], None]
"""Called with the share of a run that is done."""
DEFAULT_TOLERANCE = 1e-5
TIGHTEST_TOLERANCE, LOOSEST_TOLERANCE = 1e-12, 0.1
"""Below the first, rounding is all that is left to see."""
SMALL = 0.01
"""Share of what counts as much of an unknown, down to which errors are relative."""
FEWEST_STEPS = 50
"""Steps that a run takes at least, however quiet."""
FIRST_STEP = 1e-3
"""Share of the longest step that is tried first, and after every knot."""
SHORTEST_STEP = 1e-13
"""Share of the whole run below which two times are no longer told apart."""
JUMP_TIME = 1e-12
"""Share of the whole run in which a stimulus jumps."""
JUMP = 0.01
"""Share of its value that a stimulus must gain in that time to count as jumping."""
FARTHEST = math.sqrt(3) / 36
"""Largest z (z - 1/2) (z - 1) for z from 0 to 1."""
MOST_GROWTH = 1.0
"""Exponent by which a disturbance may grow in one step: what runs away is followed, however small it begins."""
HALVINGS = 8
"""How often a step that fails is divided in the run that shows the error."""
CAUTION, MOST_SHORTER, MOST_LONGER = 0.9, 0.1, 4.0


@dataclass(frozen=True)
class Course:
    """A run at the integrator's own points: both ends of each pair of equal steps, and the point between them.

    Attributes:
        times: [2 pairs + 1] in seconds.
        unknowns: [2 pairs + 1, unknowns].
    """

    times: Array
    unknowns: Array

    def at(self, times: Array) -> Array:
        """Unknowns at other times, [unknowns, T]: parabolas through the three points of a pair.

        What they miss is of the third order in the step, as the error that is controlled. Slopes are not made use of:
        beside a fast relaxation they are wrong by far more than the values.
        """
        first = (np.searchsorted(self.times, times, side="right") - 1) // 2 * 2
        first = np.clip(first, 0, len(self.times) - 3)
        begin, end = self.times[first], self.times[first + 2]
        z = (times - begin) / (end - begin)
        y0, y1, y2 = (self.unknowns[first + k].T for k in range(3))
        return (2 * z - 1) * (z - 1) * y0 + 4 * z * (1 - z) * y1 + z * (2 * z - 1) * y2


def time_grid(
    twin: CompiledCircuit,
    stimuli: Mapping[str, Stimulus],
    *,
    stop: float,
    step: float,
    tolerance: float = DEFAULT_TOLERANCE,
) -> Array:
    """Times [s] from 0 to `stop` at which a twin's steps err by no more than the tolerance.

    The grid suits any later run of the twin that stays close to this one, training included:
    `twin(drive, dt=torch.as_tensor(np.diff(times)))`. Devices that run away are stepped over evenly, as gradients
    need it.

    Args:
        twin: the compiled circuit, with the present values of its parameters.
        stimuli: what each of its inputs does, by name.
        stop: end time [s].
        step: longest step [s].
        tolerance: largest error of a step, as in `simulate`.

    Raises:
        InputError: stop, step or tolerance out of range.
        ConvergenceError: no step is short enough.
    """
    check_times(stop, step)
    return follow(twin, stimuli, stop=stop, tolerance=tolerance, longest=step, even=True).times


def follow(
    twin: CompiledCircuit,
    stimuli: Mapping[str, Stimulus],
    *,
    stop: float,
    tolerance: float,
    longest: float | None = None,
    even: bool = False,
    told: Told | None = None,
) -> Course:
    """Run a twin, in double precision, in steps that err by no more than the tolerance.

    Args:
        twin: the compiled circuit.
        stimuli: what each of its inputs does, by name.
        stop: end time [s].
        tolerance: largest error of a step, as in `simulate`.
        longest: step [s].
        even: whether steps keep up with the pace that the stepper asks for.
        told: how far the run is.
    """
    if not TIGHTEST_TOLERANCE <= tolerance <= LOOSEST_TOLERANCE:
        raise InputError(
            f"tolerance = {tolerance!r} is out of range; allowed: {TIGHTEST_TOLERANCE:g}, below which rounding hides "
            f"what a step errs by, to {LOOSEST_TOLERANCE:g}"
        )
    stop, walk = float(stop), _Walk(_Steps(twin, stimuli), tolerance, even=even)
    for knot in _knots(list(stimuli.values()), stop)[1:].tolist():
        for now in walk.to(
            float(knot), longest=longest or stop / FEWEST_STEPS, shortest=SHORTEST_STEP * stop
        ):
            if told is not None:
                told(now / stop)
    return Course(np.array(walk.times), np.array(walk.unknowns))


def in_halves(
    twin: CompiledCircuit, stimuli: Mapping[str, Stimulus], course: Course, *, told: Told | None = None
) -> Course:
    """The same run in the same steps, each divided in two: by what it differs, the first one errs."""
    steps = _Steps(twin, stimuli)
    times = np.empty(2 * len(course.times) - 1)
    times[::2] = course.times
    times[1::2] = (course.times[1:] + course.times[:-1]) / 2
    unknowns = [steps.start()]
    for k in range(0, len(times) - 1, 2):
        found = steps.safe_pair(unknowns[-1], float(times[k]), float(times[k + 2]))
        unknowns += [found.middle, found.end]
        if told is not None:
            told(k / len(times))
    return Course(times, np.array(unknowns))


def _knots(stimuli: Sequence[Stimulus], stop: float) -> Array:
    """Times that no step passes over, from 0 to the end; just before a jump there is one more."""
    inner = [stimulus.knots(stop) for stimulus in stimuli]
    moment = JUMP_TIME * stop
    for stimulus, times in zip(stimuli, list(inner), strict=True):
        before, after = stimulus(times - moment), stimulus(times)
        inner.append(
            times[np.abs(after - before) > JUMP * np.maximum(np.abs(before), np.abs(after))] - moment
        )
    times = np.unique(np.concatenate([*inner, [0.0, stop]]))
    return times[(times >= 0) & (times <= stop)]


@dataclass(frozen=True)
class _Pair:
    """Two equal steps.

    Attributes:
        middle, end: unknowns after the first and, improved, after both.
        errors: of each after both, before they were improved.
        failed: whether the stepper itself says so: where a state is held at its bound, the errors do not show it.
        pace: at which the stepper wants the steps, over theirs.
    """

    middle: list[float]
    end: list[float]
    errors: list[float]
    failed: bool
    pace: float


class _Steps:
    """Steps of a twin on plain numbers."""

    def __init__(self, twin: CompiledCircuit, stimuli: Mapping[str, Stimulus]) -> None:
        self._twin, self._stimuli = twin, [stimuli[name] for name in twin.inputs]
        self.system, self.stepper = twin.on_numbers(), twin.stepper.controlled()

    def start(self) -> list[float]:
        u = [torch.as_tensor(stimulus(0.0), dtype=torch.float64) for stimulus in self._stimuli]
        with torch.no_grad():
            return [float(part) for part in self._twin.initial_state(*u)]

    def inputs(self, times: Array) -> list[list[float]]:
        """Values of the inputs at each of the times."""
        values = (np.asarray(stimulus(times), dtype=float) for stimulus in self._stimuli)
        rows: list[list[float]] = np.stack(list(values), axis=-1).tolist()
        return rows

    def pair(self, y: Values, u: Sequence[Values], h: float) -> _Pair:
        """Two steps over h seconds in all, with inputs at start, middle and end."""
        whole = self._attempt(y, u[0], u[2], h)
        first = self._attempt(y, u[0], u[1], h / 2)
        second = self._attempt(first.y, u[1], u[2], h / 2)
        errors = [(b - a) / (2**self.stepper.order - 1) for a, b in zip(whole.y, second.y, strict=True)]
        better = self.system.project([b + error for b, error in zip(second.y, errors, strict=True)])
        return _Pair(
            first.y,
            self.system.settle(better, u[2]),
            errors,
            failed=any(step.error is not None and not step.error <= 1 for step in (whole, first, second)),
            pace=max(first.pace, second.pace) * h / 2,
        )

    def safe_pair(self, y: Values, now: float, behind: float, halvings: int = HALVINGS) -> _Pair:
        """Two steps, each divided until none fails."""
        between = (now + behind) / 2
        found = self.pair(y, self.inputs(np.array([now, between, behind])), behind - now)
        if not found.failed or not halvings:
            return found
        first = self.safe_pair(y, now, between, halvings - 1)
        second = self.safe_pair(first.end, between, behind, halvings - 1)
        return replace(second, middle=first.end, failed=first.failed or second.failed)

    def growth_rate(self, y: Values, u: Values) -> float:
        """Largest real part of the eigenvalues of the circuit [1/s], 0 where a disturbance only fades.

        An implicit step that is long beside it would hold the circuit where it cannot stay.
        """
        system, size = self.system, len(y)
        jacobian, mass = np.zeros((size, size)), np.zeros((size, size))
        for matrix, entries in (
            (jacobian, system.linearise(y, u, [0.0] * len(u)).jacobian),
            (mass, system.mass),
        ):
            for key, entry in entries.items():
                matrix[key] = entry
        still = list(system.algebraic)
        moving = [row for row in range(size) if row not in still]
        reduced = jacobian[np.ix_(moving, moving)]
        if still and moving:
            coupling = np.linalg.solve(jacobian[np.ix_(still, still)], jacobian[np.ix_(still, moving)])
            reduced = reduced - jacobian[np.ix_(moving, still)] @ coupling
        if not moving or not np.isfinite(reduced).all():
            return 0.0
        return max(
            0.0, float(np.linalg.eigvals(np.linalg.solve(mass[np.ix_(moving, moving)], reduced)).real.max())
        )

    def _attempt(self, y: Values, u: Values, u_next: Values, h: float) -> Attempt:
        return self.stepper.attempt(self.system, y, u=u, u_next=u_next, h=h)

    def size(self, unknown: int, *values: float) -> float:
        """What errors of an unknown count by: its value, or the distance of a state from the nearer of its bounds."""
        bounds, scale = self.system.bounds[unknown], self.system.scales[unknown]
        if bounds is None:
            return max(SMALL * scale, *map(abs, values))
        return max(SMALL * scale, *(min(value - bounds[0], bounds[1] - value) for value in values))


class _Walk:
    """The steps of one run."""

    def __init__(self, steps: _Steps, tolerance: float, *, even: bool) -> None:
        self._steps, self._tolerance, self._even = steps, tolerance, even
        self.times, self.unknowns = [0.0], [steps.start()]

    def to(self, end: float, *, longest: float, shortest: float) -> Iterator[float]:
        """Go on to `end`, a knot, pausing at each point with its time."""
        h, order, first = FIRST_STEP * longest, self._steps.stepper.order, len(self.times) - 1
        growth = self._growth()
        while (left := end - self.times[-1]) > shortest:
            # two even steps rather than one that leaves a splinter
            h = min(h, longest, left if h >= left else left / 2)
            now = self.times[-1]
            behind = end if h == left else now + h
            found = self._try(now, behind)
            error = max(
                self._error(found, h, smooth=len(self.times) - 1 > first),
                (growth * h / 2 / MOST_GROWTH) ** (order + 1),
            )
            if found is not None and error <= 1:
                self.times += [now + h / 2, behind]
                self.unknowns += [found.middle, found.end]
                growth = self._growth()
                yield behind
            elif h < shortest:
                raise ConvergenceError(
                    f"no step is short enough at t = {now:g} s: {h:g} s errs by {error:g} times the tolerance",
                    remedy="raise the tolerance, or check the values of the circuit and of its sources there.",
                )
            better = CAUTION * max(error, 1e-300) ** (-1 / (order + 1))
            h *= min(max(better, MOST_SHORTER), MOST_LONGER)

    def _growth(self) -> float:
        """Rate at which a disturbance grows at the last point [1/s]."""
        (u,) = self._steps.inputs(np.array(self.times[-1:]))
        return self._steps.growth_rate(self.unknowns[-1], u)

    def _try(self, now: float, behind: float) -> _Pair | None:
        """Both steps; None where they leave the range of numbers, which steps that are too long may."""
        u = self._steps.inputs(np.array([now, (now + behind) / 2, behind]))
        try:
            return self._steps.pair(self.unknowns[-1], u, behind - now)
        except ArithmeticError:
            return None

    def _error(self, found: _Pair | None, h: float, *, smooth: bool) -> float:
        """What a pair errs by over what is allowed, or the part of the pace that it lacks if that is worse.

        Args:
            found: the pair.
            h: its size.
            smooth: whether the point before it belongs to the same piece of the stimuli.
        """
        if found is None or found.failed:
            return math.inf
        before, worst = self.unknowns[-1], 0.0
        for k, error in enumerate(found.errors):
            larger = max(abs(error), abs(self._bend(k, found, h))) if smooth else abs(error)
            share = larger / (self._tolerance * self._steps.size(k, before[k], found.end[k]))
            worst = share if not share <= worst else worst  # no number counts as worst
        if self._even:
            worst = max(worst, found.pace ** (self._steps.stepper.order + 1))
        return worst if math.isfinite(worst) else math.inf

    def _bend(self, unknown: int, found: _Pair, h: float) -> float:
        """By how much a cubic through the point before a pair leaves the parabola through the pair."""
        back = self.times[-1] - self.times[-2]
        earlier, now = (point[unknown] for point in self.unknowns[-2:])
        middle, end = found.middle[unknown], found.end[unknown]
        slopes = [(now - earlier) / back, 2 * (middle - now) / h, 2 * (end - middle) / h]
        curves = [(slopes[1] - slopes[0]) / (back + h / 2), (slopes[2] - slopes[1]) / h]
        return FARTHEST * h**3 * (curves[1] - curves[0]) / (back + h)
