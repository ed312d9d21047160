"""Conformance: circuits beside the abstract neurons that other programs know, and a decision that circuits make."""

from memsim.methods.conformance.decision import UNDECIDED, Decision, winners
from memsim.methods.conformance.twins import SelfFiring, lowest_peak, pulses_answered, rate_of_circuit

__all__ = [
    "UNDECIDED",
    "Decision",
    "SelfFiring",
    "lowest_peak",
    "pulses_answered",
    "rate_of_circuit",
    "winners",
]
