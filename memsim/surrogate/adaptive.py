"""Time steps that adapt to the circuit: long where nothing happens, picoseconds where a device runs away.

A step of h is compared with two of h/2. For a stepper of order p their difference over 2^p - 1 estimates the error of
the two; it must not exceed the tolerance, and the next step is chosen to just meet it (Hairer, Norsett and Wanner,
Solving Ordinary Differential Equations I, chapter II.4). No step crosses a corner of a stimulus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from memsim.circuits.stimuli import Stimulus
from memsim.errors import ConvergenceError, InputError
from memsim.surrogate.compiled import CompiledCircuit

Array = NDArray[np.float64]
LOOSEST_TOLERANCE = 0.1
FIRST_STEP = 1e-3
"""Share of the longest step that is tried first, and after every corner."""
SHORTEST_STEP = 1e-13
"""Share of the whole run below which two times are no longer told apart."""
CAUTION, MOST_SHORTER, MOST_LONGER = 0.9, 0.1, 4.0


def time_grid(
    twin: CompiledCircuit,
    stimuli: Mapping[str, Stimulus],
    *,
    stop: float,
    step: float,
    tolerance: float,
) -> Array:
    """Times [s] from 0 to `stop` at which a twin's steps err by no more than the tolerance.

    The grid suits any later run of the twin that stays close to this one, training included:
    `twin(drive, dt=torch.as_tensor(np.diff(times)))`.

    Args:
        twin: the compiled circuit, with the present values of its parameters.
        stimuli: what each of its inputs does, by name.
        stop: end time [s].
        step: longest step [s].
        tolerance: largest error of a step, in V for potentials and in units of the states; above 0, at most 0.1.

    Raises:
        InputError: a tolerance out of range.
        ConvergenceError: no step is short enough.
    """
    if not 0 < tolerance <= LOOSEST_TOLERANCE:
        raise InputError(
            f"tolerance = {tolerance!r} V is out of range; allowed: above 0, at most {LOOSEST_TOLERANCE}"
        )
    walk = _Walk(twin, [stimuli[name] for name in twin.inputs], tolerance)
    corners = np.concatenate([*(stimulus.corners(stop) for stimulus in stimuli.values()), [stop]])
    for corner in np.unique(corners[corners > 0]):
        walk.to(float(corner), longest=step, shortest=SHORTEST_STEP * stop)
    return np.array(walk.times)


class _Walk:
    """The steps of one run, in double precision."""

    def __init__(self, twin: CompiledCircuit, stimuli: Sequence[Stimulus], tolerance: float) -> None:
        self.times = [0.0]
        self._stepper, self._stimuli, self._tolerance = twin.stepper, stimuli, tolerance
        self._system = twin.on_numbers()
        start = [torch.tensor(u, dtype=torch.float64) for u in self._inputs(0.0)]
        with torch.no_grad():
            self._state: list[Any] = [float(part) for part in twin.initial_state(*start)]

    def to(self, end: float, *, longest: float, shortest: float) -> None:
        """Go on to `end`, a corner or the last instant."""
        h = FIRST_STEP * longest
        while (left := end - self.times[-1]) > shortest:
            # two even steps rather than one that leaves a splinter
            h = min(h, longest, left if h >= left else left / 2)
            after, error = self._try(h)
            if error <= self._tolerance:
                self.times += [self.times[-1] + h / 2, end if h == left else self.times[-1] + h]
                self._state = after
            elif h < shortest:
                raise ConvergenceError(
                    f"no step is short enough at t = {self.times[-1]:g} s: {h:g} s errs by {error:g}",
                    remedy="raise the tolerance, or use another stepper.",
                )
            order = self._stepper.order
            better = CAUTION * (self._tolerance / max(error, 1e-300)) ** (1 / (order + 1))
            h *= min(max(better, MOST_SHORTER), MOST_LONGER)

    def _try(self, h: float) -> tuple[list[Any], float]:
        """State after two steps of h/2, and by how much it errs."""
        now = self.times[-1]
        before, between, behind = (self._inputs(t) for t in (now, now + h / 2, now + h))
        with np.errstate(all="ignore"):  # a step that is too long overflows, and is rejected
            whole = self._stepper.step(self._system, self._state, u=before, u_next=behind, h=h)
            half = self._stepper.step(self._system, self._state, u=before, u_next=between, h=h / 2)
            after = self._stepper.step(self._system, half, u=between, u_next=behind, h=h / 2)
            error = max(abs(a - b) for a, b in zip(whole, after, strict=True)) / (2**self._stepper.order - 1)
        return after, float(error) if np.isfinite(error) else np.inf

    def _inputs(self, time: float) -> list[float]:
        return [float(stimulus(time)) for stimulus in self._stimuli]
