"""Crossbars of memristive synapses: signed weights, exact wires, non-idealities, writing."""

from memsim.crossbar import presets
from memsim.crossbar.budget import Budget
from memsim.crossbar.cell_laws import InSeries, SinhCell, SinhSelector, StaticDevice, ThresholdCell
from memsim.crossbar.cells import Cells
from memsim.crossbar.counted import CountedPulses, Written
from memsim.crossbar.hardware import Hardware
from memsim.crossbar.in_place import ByCounts, ByVerifying, Pairs, Writer
from memsim.crossbar.laws import ClippedLog, ClippedPower
from memsim.crossbar.layer import Crossbar
from memsim.crossbar.mapping import DifferentialPairs, Mapping, ReferenceColumn, conductance_range
from memsim.crossbar.netlist import crossbar_deck, crossbar_transient_deck
from memsim.crossbar.nonidealities import (
    Drift,
    Fading,
    Levels,
    LognormalVariation,
    PerArray,
    ProgrammingNoise,
    ReadNoise,
    StuckCells,
    Upsets,
    compose,
)
from memsim.crossbar.operating_point import (
    OperatingPoint,
    column_currents,
    effective_conductance,
    operating_point,
)
from memsim.crossbar.programming import Programmed, Pulse, WriteVerify
from memsim.crossbar.wires import Wires

__all__ = [
    "Budget",
    "ByCounts",
    "ByVerifying",
    "Cells",
    "ClippedLog",
    "ClippedPower",
    "CountedPulses",
    "Crossbar",
    "DifferentialPairs",
    "Drift",
    "Fading",
    "Hardware",
    "InSeries",
    "Levels",
    "LognormalVariation",
    "Mapping",
    "OperatingPoint",
    "Pairs",
    "PerArray",
    "Programmed",
    "ProgrammingNoise",
    "Pulse",
    "ReadNoise",
    "ReferenceColumn",
    "SinhCell",
    "SinhSelector",
    "StaticDevice",
    "StuckCells",
    "ThresholdCell",
    "Upsets",
    "Wires",
    "WriteVerify",
    "Writer",
    "Written",
    "column_currents",
    "compose",
    "conductance_range",
    "crossbar_deck",
    "crossbar_transient_deck",
    "effective_conductance",
    "operating_point",
    "presets",
]
