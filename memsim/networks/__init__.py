"""Networks: synapses, neurons, and the drives and readouts around them."""

from memsim.networks.cells import SHIPPED, Cell
from memsim.networks.circuit_neurons import CircuitNeuron
from memsim.networks.discrete_neurons import LeakyIntegrateAndFire
from memsim.networks.named_cells import load_cell, register
from memsim.networks.network import MemristiveNetwork
from memsim.networks.nonidealities import realised
from memsim.networks.regimes import Regime, graded, self_firing
from memsim.networks.spiking import SpikingNetwork
from memsim.networks.tables import NetworkTable

__all__ = [
    "SHIPPED",
    "Cell",
    "CircuitNeuron",
    "LeakyIntegrateAndFire",
    "MemristiveNetwork",
    "NetworkTable",
    "Regime",
    "SpikingNetwork",
    "graded",
    "load_cell",
    "realised",
    "register",
    "self_firing",
]
