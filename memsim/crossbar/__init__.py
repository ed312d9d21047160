"""Crossbars of memristive synapses."""

from memsim.crossbar.differential import DifferentialCrossbar, conductance_range

__all__ = ["DifferentialCrossbar", "conductance_range"]
