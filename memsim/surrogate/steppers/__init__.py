"""Time steps: a new one is a file here and a line in the tuple below."""

from __future__ import annotations

from memsim.errors import InputError
from memsim.surrogate.steppers.base import Attempt, Stepper
from memsim.surrogate.steppers.guarded import Guarded
from memsim.surrogate.steppers.rosenbrock import ExplicitEuler, LinearlyImplicitEuler, Rosenbrock2
from memsim.surrogate.steppers.strang import Strang

__all__ = ["DEFAULT_STEPPER", "STEPPERS", "Attempt", "Stepper", "stepper_named"]

STEPPERS: dict[str, Stepper] = {
    stepper.name: stepper
    for stepper in (Guarded(), Rosenbrock2(), Strang(), LinearlyImplicitEuler(), ExplicitEuler())
}
DEFAULT_STEPPER = Guarded.name


def stepper_named(name: str) -> Stepper:
    """The stepper of that name; InputError lists the known ones."""
    if name not in STEPPERS:
        raise InputError(f"unknown stepper {name!r}; known: {', '.join(STEPPERS)}")
    return STEPPERS[name]
