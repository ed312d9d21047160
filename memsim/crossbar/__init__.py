"""Crossbars of memristive synapses."""

from memsim.crossbar.differential import DifferentialCrossbar, conductance_range
from memsim.crossbar.netlist import crossbar_deck
from memsim.crossbar.operating_point import (
    OperatingPoint,
    column_currents,
    effective_conductance,
    operating_point,
)
from memsim.crossbar.wires import Wires

__all__ = [
    "DifferentialCrossbar",
    "OperatingPoint",
    "Wires",
    "column_currents",
    "conductance_range",
    "crossbar_deck",
    "effective_conductance",
    "operating_point",
]
