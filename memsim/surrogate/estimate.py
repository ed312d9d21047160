"""How far equal steps are off: a run at h beside one at h/2 that divides its steps twice as finely.

For a stepper of order p the difference of the two, times 2^p / (2^p - 1), estimates the error of the coarser one
(Richardson). At second order the error falls with h^2, so the step at which it would be smaller is known, too.
Corners of stimuli that lie between samples are samples of the finer run: what equal steps pass over is seen.

Rounding is a disturbance that comes anew at every step, and a circuit can make it grow. A third run starts a small
distance away; by how much the two runs part is the growth, and growth times the last bit what rounding may do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from memsim.circuits.stimuli import Array, Stimulus, check_times
from memsim.surrogate.compiled import CompiledCircuit

DISTURBANCE = 1e-9
"""Distance of a start from another, in units of a state's range and of 0.1 V."""
NOTICEABLE = 0.01
SAME_TIME = 1e-9
"""Of a run: knots so near to a sample are one."""


@dataclass(frozen=True)
class StepError:
    """What equal steps cost in accuracy.

    Attributes:
        step: size of the steps [s].
        order: of convergence.
        errors: estimated largest error of each waveform, in its unit.
        spans: largest minus smallest value of each.
        growth: how many times larger a disturbance at the start becomes, at most; 1 where it was not looked at.
    """

    step: float
    order: int
    errors: Mapping[str, float]
    spans: Mapping[str, float]
    growth: float = 1.0

    @property
    def relative(self) -> float:
        """Largest error over the span of its waveform."""
        return max((self.errors[name] / span for name, span in self.spans.items() if span > 0), default=0.0)

    @property
    def decided_by_rounding(self) -> bool:
        """Whether the circuit makes roundings of single precision grow to a percent of a state's range or of 0.1 V."""
        return self.growth * torch.finfo(torch.float32).eps > NOTICEABLE

    def step_for(self, relative: float) -> float:
        """Step [s] at which the relative error would be that, while errors follow the order of the stepper."""
        return math.inf if self.relative == 0 else self.step * (relative / self.relative) ** (1 / self.order)


def step_error(
    coarse: Mapping[str, Tensor], fine: Mapping[str, Tensor], *, step: float, order: int
) -> StepError:
    """The error of waveforms at `step`, [T, ...] each, from those at half of it, [2 T - 1, ...]."""
    factor = 2**order / (2**order - 1)
    errors = {name: factor * float((wave - fine[name][::2]).abs().max()) for name, wave in coarse.items()}
    spans = {name: float(wave.max() - wave.min()) for name, wave in fine.items()}
    return StepError(step, order, errors, spans)


def estimate_error(
    twin: CompiledCircuit, stimuli: Mapping[str, Stimulus], *, stop: float, step: float
) -> StepError:
    """The error of a run in equal steps.

    Args:
        twin: the compiled circuit.
        stimuli: what each of its inputs does, by name.
        stop: end time [s].
        step: size of the steps [s].

    Raises:
        InputError: stop or step out of range.
        ConvergenceError: a step fails however it is divided.
    """
    check_times(stop, step)
    times = np.arange(round(stop / step) + 1, dtype=float) * step
    with torch.no_grad():
        coarse, _ = twin(_drive(twin, stimuli, times), dt=step)
    growth = _growth(twin, stimuli, times, step)
    fine = _finer(twin, stimuli, times)
    return replace(step_error(coarse, fine, step=step, order=twin.stepper.order), growth=growth)


def _finer(twin: CompiledCircuit, stimuli: Mapping[str, Stimulus], times: Array) -> Mapping[str, Tensor]:
    """Waveforms at the ends and the middles of the steps, from a run that also ends steps at every knot between."""
    halves = np.linspace(times[0], times[-1], 2 * len(times) - 1)
    knots = np.concatenate([stimuli[name].knots(times[-1]) for name in twin.inputs])
    near = halves[np.searchsorted(halves, knots).clip(1, len(halves) - 1) + np.array([[-1], [0]])]
    inner = knots[(np.abs(near - knots).min(0) > SAME_TIME * times[-1]) & (knots < times[-1])]
    every = np.union1d(halves, inner)
    with torch.no_grad():
        waves, _ = twin(_drive(twin, stimuli, every), dt=torch.as_tensor(np.diff(every)), refined=True)
    return {name: wave[np.searchsorted(every, halves)] for name, wave in waves.items()}


def _drive(twin: CompiledCircuit, stimuli: Mapping[str, Stimulus], times: Array) -> dict[str, Tensor]:
    return {name: torch.as_tensor(stimuli[name](times)) for name in twin.inputs}


def _growth(twin: CompiledCircuit, stimuli: Mapping[str, Stimulus], times: Array, step: float) -> float:
    """How many times farther apart two runs get than they started."""
    drive, scales = _drive(twin, stimuli, times), twin.system.scales
    start = twin.initial_state(*(signal[0] for signal in drive.values()))
    # upwards, which no state at its lower end is projected away from
    moved = tuple(part + DISTURBANCE * scale for part, scale in zip(start, scales, strict=True))
    with torch.no_grad():
        (here, _), (there, _) = (twin(drive, state, dt=step) for state in (start, moved))
    known = dict(zip(twin.unknowns, scales, strict=True))
    apart = [
        float((here[name] - there[name]).abs().max()) / scale for name, scale in known.items() if name in here
    ]
    return max(apart, default=0.0) / DISTURBANCE
