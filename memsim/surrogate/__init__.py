"""The differentiable twin of a circuit, and the SciPy reference of the same equations."""

from memsim.surrogate import reference
from memsim.surrogate.adaptive import time_grid
from memsim.surrogate.compiled import CompiledCircuit
from memsim.surrogate.coupling import Coupling
from memsim.surrogate.estimate import StepError, estimate_error, step_error
from memsim.surrogate.run import Engine, State, Waveforms
from memsim.surrogate.simulate import simulate
from memsim.surrogate.steppers import DEFAULT_STEPPER, STEPPERS

compile = CompiledCircuit  # noqa: A001 - the word the field uses

__all__ = [
    "DEFAULT_STEPPER",
    "STEPPERS",
    "CompiledCircuit",
    "Coupling",
    "Engine",
    "State",
    "StepError",
    "Waveforms",
    "compile",
    "estimate_error",
    "reference",
    "simulate",
    "step_error",
    "time_grid",
]
