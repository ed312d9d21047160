"""One run of a circuit by its torch twin, as waveforms that say by how much they err."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from PySpice.Spice.Netlist import Netlist

from memsim.circuits.stimuli import Stimulus, check_times, time_points
from memsim.circuits.waveforms import dataset
from memsim.errors import ConvergenceError, InputError
from memsim.surrogate.adaptive import DEFAULT_TOLERANCE, Course, Told, follow, in_halves
from memsim.surrogate.compiled import CompiledCircuit
from memsim.surrogate.plausible import Limits, limits_of, unphysical, violation
from memsim.surrogate.steppers import DEFAULT_STEPPER

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]
FINER_ERRS = 0.25
"""Error of a run in half the steps over that of the run; an eighth once all steps are short enough."""

PARTS, FOLLOWING = 100, 33
"""Of the work, and how many of them go to the run itself: half the steps take twice as long."""


def simulate(  # noqa: PLR0913 - what to run, how far, where to look, how exactly
    circuit: Netlist,
    *,
    stimuli: Mapping[str, Stimulus],
    stop: float,
    step: float | None = None,
    times: Sequence[float] | Array | None = None,
    tolerance: float | None = None,
    equal_steps: bool = False,
    stepper: str = DEFAULT_STEPPER,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Transient of a circuit in steps that adapt to it, or in equal steps, with an estimate of its error.

    Steps end at every corner of the stimuli, are as short as the tolerance asks for in between, and have nothing to do
    with where the result is sampled. The whole run is done again in half the steps; by how much that changes a
    waveform is its error.

    Args:
        circuit: PySpice circuit of R, C, V, I and memsim devices.
        stimuli: what each driven source does, by source name.
        stop: end time [s].
        step: between the samples of the result [s].
        times: of the samples [s], increasing, instead of `step`. Without either, samples are where steps end.
        tolerance: largest error of a step, as a share of the value of each unknown; of 1 mV where a potential is below
            that. States count by how far they are from the nearer end of their range, or a hundredth of it where they
            are closer. 1e-5 where left out.
        equal_steps: whether each step is `step`, as in training, whatever it errs by.
        stepper: integrator by name.
        progress: called with how much is done, and of how much.

    Returns:
        Waveforms with the names ngspice gives them. Each states its largest `error` among its attributes, in its own
        unit: an estimate from above, of the numerical error alone. The attributes of the whole are `engine`,
        `integrator`, `tolerance` (0 where steps are equal), `steps`, `error`, the largest of all as a share of a
        potential's peak-to-peak amplitude or a state's range, `title` and `wall_seconds`.

    Raises:
        InputError: unknown source or stepper; stop, step, times or tolerance out of range.
        ConvergenceError: no step meets the tolerance; a state is outside its range, or a potential outside what the
            sources can give.
    """
    began = time.perf_counter()
    twin = CompiledCircuit(circuit, inputs=tuple(stimuli), stepper=stepper)
    samples = _samples(twin, stop, step, times)
    if equal_steps and tolerance is not None:
        raise InputError("tolerance has no effect on equal_steps; leave one of them out")
    tolerance = DEFAULT_TOLERANCE if tolerance is None else tolerance
    if equal_steps:
        found = _in_equal_steps(twin, stimuli, step, samples)
    else:
        found = _in_chosen_steps(
            twin, stimuli, stop=stop, samples=samples, tolerance=tolerance, progress=progress
        )
    limits = limits_of(circuit, twin.system.equations)
    data = dataset(found.times, found.waves, limits.states)
    data.attrs |= {
        "engine": f"torch-{stepper}",
        "integrator": f"{stepper} in {'equal' if equal_steps else 'extrapolated pairs of'} steps",
        "tolerance": 0.0 if equal_steps else tolerance,
        "steps": found.steps,
        "error": 0.0,
        "title": str(circuit.title),
        "wall_seconds": time.perf_counter() - began,
    }
    wrong = violation(found.waves, limits)
    if wrong is not None:
        remedy = _SHORTER if equal_steps else _TIGHTER
        raise unphysical(wrong, found.times.tolist(), remedy, data.isel(time=slice(0, wrong.step)))
    _state_errors(data, found.errors, limits)
    return data


_SHORTER = "leave out equal_steps: steps are then as short as the circuit needs. Or give a shorter step."
_TIGHTER = "lower the tolerance, or check the values of the circuit and of its sources."


class _Found(NamedTuple):
    """Waveforms at times, how much they err by at most, and the number of steps that it took."""

    times: Array
    waves: dict[str, Array]
    errors: dict[str, float]
    steps: int


def _samples(
    twin: CompiledCircuit, stop: float, step: float | None, times: Sequence[float] | Array | None
) -> Array | None:
    """Times of the samples; None where they are those of the steps."""
    if step is not None and times is not None:
        raise InputError("step and times both say where samples are; give one of them")
    if step is not None:
        return time_points(stop, step, len(twin.unknowns) + len(twin.system.equations.waveforms))
    check_times(stop, stop)
    if times is None:
        return None
    given = np.asarray(times, dtype=float)
    if (
        given.ndim != 1
        or not given.size
        or not ((given >= 0) & (given <= stop)).all()
        or (np.diff(given) <= 0).any()
    ):
        raise InputError(
            f"times = {times!r} are out of range; allowed: a row that increases, from 0 to stop = {stop!r} s"
        )
    return given


def _in_chosen_steps(
    twin: CompiledCircuit,
    stimuli: Mapping[str, Stimulus],
    *,
    stop: float,
    samples: Array | None,
    tolerance: float,
    progress: Progress | None,
) -> _Found:
    last = stop if samples is None else max(stop, float(samples[-1]))  # a step that does not divide stop
    course = follow(twin, stimuli, stop=last, tolerance=tolerance, told=_part(progress, 0, FOLLOWING))
    check = in_halves(twin, stimuli, course, told=_part(progress, FOLLOWING, PARTS - FOLLOWING))
    times = course.times if samples is None else samples
    waves, finer = (_waveforms(twin, stimuli, run, times) for run in (course, check))
    return _Found(times, waves, _changes(waves, finer, FINER_ERRS), len(course.times) - 1)


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


def _in_equal_steps(
    twin: CompiledCircuit, stimuli: Mapping[str, Stimulus], step: float | None, samples: Array | None
) -> _Found:
    if step is None or samples is None:
        raise InputError("equal_steps needs to know how long they are; give step in seconds")
    between = (samples[1:] + samples[:-1]) / 2
    fine = np.sort(np.concatenate([samples, between]))
    waves, finer = (_run(twin, stimuli, times, h) for times, h in ((samples, step), (fine, step / 2)))
    finer = {name: wave[::2] for name, wave in finer.items()}
    return _Found(samples, waves, _changes(waves, finer, 1 / 2**twin.stepper.order), len(samples) - 1)


def _run(twin: CompiledCircuit, stimuli: Mapping[str, Stimulus], times: Array, h: float) -> dict[str, Array]:
    drive = {
        name: torch.as_tensor(stimulus(times), dtype=torch.float64) for name, stimulus in stimuli.items()
    }
    with torch.no_grad():
        waves, _ = twin(drive, dt=h)
    return {name: wave.numpy() for name, wave in waves.items()}


def _changes(waves: Mapping[str, Array], finer: Mapping[str, Array], left: float) -> dict[str, float]:
    """By how much waveforms err, if finer ones err by the share `left` of it."""
    return {name: float(np.abs(wave - finer[name]).max()) / (1 - left) for name, wave in waves.items()}


def _state_errors(data: xr.Dataset, errors: Mapping[str, float], limits: Limits) -> None:
    """Write errors into attributes; ConvergenceError where one is no number."""
    for name, error in errors.items():
        if not np.isfinite(error):
            raise ConvergenceError(
                f"{name} has no value in half as long steps", remedy=_TIGHTER, partial=data
            )
        data[name].attrs["error"] = error
        low, high = limits.states.get(name, (float(data[name].min()), float(data[name].max())))
        if high > low:
            data.attrs["error"] = max(data.attrs["error"], error / (high - low))
