"""Sense amplifiers from their own circuits: offset, noise, hysteresis and decision time of transistors in ngspice."""

from memsim.imc.amplifiers.bench import Bench
from memsim.imc.amplifiers.card import card_of
from memsim.imc.amplifiers.circuit import TERMINALS, AmplifierCircuit, read_amplifier
from memsim.imc.amplifiers.figures import AmplifierFigures, characterise

__all__ = [
    "TERMINALS",
    "AmplifierCircuit",
    "AmplifierFigures",
    "Bench",
    "card_of",
    "characterise",
    "read_amplifier",
]
