"""One run of a circuit by its torch twin, as waveforms."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from PySpice.Spice.Netlist import Netlist

from memsim.circuits.flatten import state_bounds
from memsim.circuits.sources import all_stimuli
from memsim.circuits.stimuli import Stimulus, time_points
from memsim.circuits.waveforms import dataset
from memsim.errors import ConvergenceError
from memsim.surrogate.adaptive import time_grid
from memsim.surrogate.compiled import CompiledCircuit
from memsim.surrogate.steppers import DEFAULT_STEPPER

ABSURD_VOLTAGE = 1e6
"""No circuit of memristors reaches a megavolt; a step that diverges does."""
OVERSHOOT = 0.05
"""Share of its range by which a state may overshoot: explicit steps at their stability limit ring by less."""


def simulate(
    circuit: Netlist,
    *,
    stimuli: Mapping[str, Stimulus],
    stop: float,
    step: float,
    tolerance: float | None = None,
    stepper: str = DEFAULT_STEPPER,
    dtype: torch.dtype = torch.float64,
) -> xr.Dataset:
    """Transient of a circuit in equal steps, or in steps that adapt.

    Args:
        circuit: PySpice circuit of R, C, V, I and memsim devices.
        stimuli: what each driven source does, by source name; over what PySpice's own sources of sines, pulses and
            straight lines say themselves.
        stop: end time [s].
        step: time step [s]; the longest where steps adapt.
        tolerance: largest error of a step, in V for potentials and in units of the states, to which steps adapt;
            all steps are equal where left out. 1e-6 does for most devices; one that runs away from a state it hardly
            leaves at first may want less, and a run at a hundredth of the tolerance shows it.
        stepper: integrator by name.
        dtype: floating-point type of the run.

    Returns:
        Waveforms with the names ngspice gives them.

    Raises:
        InputError: unknown source or stepper; stop, step or tolerance out of range.
        ConvergenceError: a potential or state runs away, which happens to explicit steps that are too long, or no step
            meets the tolerance.
    """
    began = time.perf_counter()
    stimuli = all_stimuli(circuit, stimuli, step=step)
    twin = CompiledCircuit(circuit, inputs=tuple(stimuli), stepper=stepper)
    times, dt = _grid(twin, stimuli, stop, step, tolerance)
    drive = {name: torch.as_tensor(stimulus(times), dtype=dtype) for name, stimulus in stimuli.items()}
    with torch.no_grad():
        waveforms, _ = twin(drive, dt=dt)
    data = dataset(times, {name: signal.numpy() for name, signal in waveforms.items()}, state_bounds(circuit))
    data.attrs |= {
        "engine": f"torch-{stepper}",
        "title": str(circuit.title),
        "wall_seconds": time.perf_counter() - began,
    }
    _check_plausible(data, state_bounds(circuit), stepper, step)
    return data


def _grid(
    twin: CompiledCircuit,
    stimuli: Mapping[str, Stimulus],
    stop: float,
    step: float,
    tolerance: float | None,
) -> tuple[NDArray[np.floating], float | torch.Tensor]:
    """Times [s], and how far they are apart."""
    equal = time_points(stop, step, len(twin.unknowns) + len(twin.system.equations.waveforms))
    if tolerance is None:
        return equal, step
    times = time_grid(twin, stimuli, stop=stop, step=step, tolerance=tolerance)
    return times, torch.as_tensor(np.diff(times))


def _check_plausible(
    data: xr.Dataset, bounds: Mapping[str, tuple[float, float]], stepper: str, step: float
) -> None:
    for name, signal in data.data_vars.items():
        low, high = bounds.get(str(name), (-ABSURD_VOLTAGE, ABSURD_VOLTAGE))
        margin = OVERSHOOT * (high - low)
        bad = np.flatnonzero(~((signal.values >= low - margin) & (signal.values <= high + margin)))
        if len(bad):
            first = int(bad[0])
            raise ConvergenceError(
                f"{name} = {float(signal[first]):g} at t = {float(data['time'][first]):g} s "
                f"lies outside {low:g} to {high:g}, with {stepper} at a step of {step:g} s",
                remedy="shorten the step, or use an implicit stepper.",
                partial=data.isel(time=slice(0, first)),
            )
