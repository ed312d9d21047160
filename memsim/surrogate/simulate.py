"""One run of a circuit by its torch twin, as waveforms that say by how much they err."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from PySpice.Spice.Netlist import Netlist

from memsim.circuits.expressions import evaluate
from memsim.circuits.flatten import flatten
from memsim.circuits.sources import all_stimuli
from memsim.circuits.stimuli import Constant, Stimulus, check_times, time_points
from memsim.circuits.waveforms import dataset
from memsim.errors import ConvergenceError, InputError
from memsim.surrogate.adaptive import DEFAULT_TOLERANCE
from memsim.surrogate.compiled import CompiledCircuit
from memsim.surrogate.plausible import Limits, limits_of, unphysical, violation
from memsim.surrogate.steppers import DEFAULT_STEPPER
from memsim.surrogate.transient import Progress, in_chosen_steps, in_equal_steps

Array = NDArray[np.float64]
UNDETERMINED = 0.5
"""Error over the range of a waveform from which on it says nothing at a given time, if only because edges move."""
SHORTEST_EDGE = 1e-3
"""Of the run, an edge that PySpice's sources leave at 0, where no step says how long it is."""
_SHORTER = "leave out equal_steps: steps are then as short as the circuit needs. Or give a shorter step."
_TIGHTER = "lower the tolerance, or check the values of the circuit and of its sources."


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
    waveform is its error. That of equal steps is by how much they differ from steps that adapt.

    Args:
        circuit: PySpice circuit of R, C, V, I and memsim devices.
        stimuli: what each driven source does, by source name; over what PySpice's own sources of sines, pulses and
            straight lines say themselves.
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
    if equal_steps and (step is None or tolerance is not None):
        raise InputError("equal_steps takes a step, in seconds, and no tolerance")
    stimuli = all_stimuli(circuit, stimuli, step=stop * SHORTEST_EDGE if step is None else step)
    stimuli = stimuli or _resting(circuit)
    twin = CompiledCircuit(circuit, inputs=tuple(stimuli), stepper=stepper)
    samples = _samples(twin, stop, step, times)
    tolerance = DEFAULT_TOLERANCE if tolerance is None else tolerance
    found = in_chosen_steps(twin, stimuli, stop=stop, samples=samples, tolerance=tolerance, progress=progress)
    if equal_steps:
        found = in_equal_steps(twin, stimuli, found)
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
    for ends, waves in found.courses:
        wrong = violation(waves, limits)
        if wrong is not None:
            remedy, before = _SHORTER if equal_steps else _TIGHTER, found.times < ends[wrong.step]
            raise unphysical(wrong, ends.tolist(), remedy, data.isel(time=before))
    _state_errors(data, found.errors, limits)
    if not equal_steps and data.attrs["error"] > UNDETERMINED:
        warnings.warn(
            f"waveforms of {circuit.title!s} are not determined to better than {data.attrs['error']:.0%} of their "
            "range: two runs part where the circuit runs away from where it cannot rest; lower the tolerance",
            stacklevel=2,
        )
    return data


def _resting(circuit: Netlist) -> dict[str, Stimulus]:
    """One source at its DC value, for a circuit that nothing drives."""
    sources = (e for e in flatten(circuit) if e.kind in {"VoltageSource", "CurrentSource"})
    source = next(sources, None)
    if source is None:
        raise InputError(f"{circuit.title!s} has no source, and none is driven; add one, if only of 0 V")
    return {source.name: Constant(evaluate(source.source.dc_value, source.values, source.name))}


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
