"""Waveforms of one run of a twin at given times, and by how much they err."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from memsim.circuits.stimuli import Stimulus
from memsim.errors import ConvergenceError
from memsim.surrogate.adaptive import Course, Told, follow, in_halves
from memsim.surrogate.compiled import CompiledCircuit

Array = NDArray[np.float64]
Waves = Mapping[str, Array]
Progress = Callable[[int, int], None]
FINER_ERRS = 0.5
"""Error of a run in half the steps over that of the run, at most. An eighth where all is smooth; kinks leave more."""
SILENT_SHARE = 1e-3
"""Of the run, the longest step where neither stimuli nor samples say what to look at."""
PARTS, FOLLOWING = 100, 33
"""Of the work, and how many of them go to the run itself: half the steps take twice as long."""


@dataclass(frozen=True)
class Transient:
    """What a run found.

    Attributes:
        times: of the samples [s].
        waves: waveforms there.
        finer: the same by a run that errs less, by the share `finer_errs` at most.
        courses: times where steps end, corners of the stimuli among them, and waveforms there, of both runs.
        finer_errs: see there.
        steps: that the run took.
    """

    times: Array
    waves: Waves
    finer: Waves
    courses: Sequence[tuple[Array, Waves]]
    finer_errs: float
    steps: int

    @property
    def errors(self) -> dict[str, float]:
        """Largest error of each waveform, from above."""
        return {
            name: float(np.abs(wave - self.finer[name]).max()) / (1 - self.finer_errs)
            for name, wave in self.waves.items()
        }


def in_chosen_steps(
    twin: CompiledCircuit,
    stimuli: Mapping[str, Stimulus],
    *,
    stop: float,
    samples: Array | None,
    tolerance: float,
    progress: Progress | None = None,
) -> Transient:
    """Run a twin in steps that meet a tolerance, and again in half of each.

    Args:
        twin: the compiled circuit.
        stimuli: what each of its inputs does, by name.
        stop: end time [s].
        samples: times at which waveforms are wanted [s]; where steps end if None.
        tolerance: as in `simulate`.
        progress: called with how much is done, and of how much.
    """
    last = stop if samples is None else max(stop, float(samples[-1]))  # a step may not divide stop
    course = follow(
        twin,
        stimuli,
        stop=last,
        tolerance=tolerance,
        longest=_longest(stimuli, last, samples),
        told=_part(progress, 0, FOLLOWING),
    )
    try:
        check = in_halves(twin, stimuli, course, told=_part(progress, FOLLOWING, PARTS - FOLLOWING))
    except ArithmeticError:
        raise ConvergenceError(
            "half as long steps leave the range of numbers, so that the error is not known",
            remedy="lower the tolerance, or check the values of the circuit and of its sources.",
        ) from None
    times = course.times if samples is None else samples
    waves, finer = (_waveforms(twin, stimuli, run, times) for run in (course, check))
    ends = [(run.times, _waveforms(twin, stimuli, run, run.times)) for run in (course, check)]
    return Transient(times, waves, finer, ends, FINER_ERRS, len(course.times) - 1)


def _longest(stimuli: Mapping[str, Stimulus], stop: float, samples: Array | None) -> float | None:
    """Longest step [s]: where a stimulus says nothing of where it changes, that between samples."""
    if not any(stimulus.silent for stimulus in stimuli.values()):
        return None
    return SILENT_SHARE * stop if samples is None or len(samples) < 2 else float(np.diff(samples).min())


def _part(progress: Progress | None, first: int, parts: int) -> Told | None:
    """Where to say how far a part of the work is, which goes from `first` of `PARTS` on."""
    if progress is None:
        return None
    return lambda share: progress(first + round(parts * share), PARTS)


def _waveforms(
    twin: CompiledCircuit, stimuli: Mapping[str, Stimulus], course: Course, times: Array
) -> dict[str, Array]:
    """Waveforms at given times; potentials of nodes without a capacitor are solved for at each."""
    system = twin.system.bind(twin.values)
    u = [torch.as_tensor(stimuli[name](times), dtype=torch.float64) for name in twin.inputs]
    with torch.no_grad():
        y = system.settle(system.project([torch.as_tensor(row) for row in course.at(times)]), u)
        columns = system.waveforms(y, u)
    return {
        name: torch.as_tensor(column, dtype=torch.float64).expand(len(times)).numpy()
        for name, column in columns.items()
    }


def in_equal_steps(twin: CompiledCircuit, stimuli: Mapping[str, Stimulus], better: Transient) -> Transient:
    """Step a twin from sample to sample of a better run, as training does, and compare."""
    drive = {
        name: torch.as_tensor(stimulus(better.times), dtype=torch.float64)
        for name, stimulus in stimuli.items()
    }
    with torch.no_grad():
        run = twin.run(drive, dt=torch.as_tensor(np.diff(better.times)))
    found = {name: wave.numpy() for name, wave in run.waveforms.items()}
    return Transient(better.times, found, better.waves, [(better.times, found)], 0.0, len(better.times) - 1)
