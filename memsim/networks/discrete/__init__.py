"""What discrete neurons are made of: each policy is a small class, and a new one is a class or a line of a registry."""

from memsim.networks.discrete.coefficients import SHARED, Coefficient, Complement, Fixed, Learned, Logistic
from memsim.networks.discrete.compartments import Compartment, alpha_kernel
from memsim.networks.discrete.resets import KINDS, Reset
from memsim.networks.discrete.spikes import SLOPES, Spike
from memsim.networks.discrete.thresholds import (
    THRESHOLDS,
    Hoyer,
    Scheduled,
    hoyer_extremum,
    hoyer_penalty,
)

__all__ = [
    "KINDS",
    "SHARED",
    "SLOPES",
    "THRESHOLDS",
    "Coefficient",
    "Compartment",
    "Complement",
    "Fixed",
    "Hoyer",
    "Learned",
    "Logistic",
    "Reset",
    "Scheduled",
    "Spike",
    "alpha_kernel",
    "hoyer_extremum",
    "hoyer_penalty",
]
