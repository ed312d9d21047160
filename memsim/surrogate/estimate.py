"""How far equal steps are off: a run at h beside one at h/2 that divides its steps twice as finely.

For a stepper of order p the difference of the two, times 2^p / (2^p - 1), estimates the error of the coarser one
(Richardson). At second order the error falls with h^2, so the step at which it would be smaller is known, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from memsim.circuits.stimuli import Stimulus, check_times
from memsim.surrogate.compiled import CompiledCircuit


@dataclass(frozen=True)
class StepError:
    """What equal steps cost in accuracy.

    Attributes:
        step: size of the steps [s].
        order: of convergence.
        errors: estimated largest error of each waveform, in its unit.
        spans: largest minus smallest value of each.
    """

    step: float
    order: int
    errors: Mapping[str, float]
    spans: Mapping[str, float]

    @property
    def relative(self) -> float:
        """Largest error over the span of its waveform."""
        return max((self.errors[name] / span for name, span in self.spans.items() if span > 0), default=0.0)

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
    runs = []
    for refinement in (1, 2):
        times = torch.arange(refinement * round(stop / step) + 1, dtype=torch.float64) * (step / refinement)
        drive = {name: torch.as_tensor(stimuli[name](times.numpy())) for name in twin.inputs}
        with torch.no_grad():
            waveforms, _ = twin(drive, dt=step / refinement, refined=refinement > 1)
        runs.append(waveforms)
    return step_error(*runs, step=step, order=twin.stepper.order)
