"""Runs netlists in ngspice: process isolation, time limits, typed errors, many runs at once."""

from memsim.spice.deck import OPTIONS, deck
from memsim.spice.jobs import Job
from memsim.spice.lint import lint
from memsim.spice.netlist import Netlist, read_netlist
from memsim.spice.osdi import compile_verilog_a, openvaf_program
from memsim.spice.parts import split
from memsim.spice.rawfile import read_raw
from memsim.spice.rawwriting import write_raw
from memsim.spice.simulate import run_deck, simulate, simulate_many
from memsim.spice.trust import check_trust
from memsim.spice.version import NgspiceVersion, ngspice_version

__all__ = [
    "OPTIONS",
    "Job",
    "Netlist",
    "NgspiceVersion",
    "check_trust",
    "compile_verilog_a",
    "deck",
    "lint",
    "ngspice_version",
    "openvaf_program",
    "read_netlist",
    "read_raw",
    "run_deck",
    "simulate",
    "simulate_many",
    "split",
    "write_raw",
]
