"""Networks: synapses, neurons, and the drives and readouts around them."""

from memsim.networks.build import build_network, check_network
from memsim.networks.cells import SHIPPED, Cell
from memsim.networks.circuit_neurons import CircuitNeuron
from memsim.networks.discrete_neurons import DiscreteNeuron, LeakyIntegrateAndFire
from memsim.networks.gates import Gate
from memsim.networks.layer import Join, Layer
from memsim.networks.lines import parts_of
from memsim.networks.memristive import MemristiveNetwork
from memsim.networks.named_cells import load_cell, register
from memsim.networks.network import Clock, Network
from memsim.networks.nonidealities import realised
from memsim.networks.normalisation import BatchNorm, BatchNormThroughTime
from memsim.networks.regimes import Regime, graded, self_firing
from memsim.networks.spiking import SpikingNetwork
from memsim.networks.tables import NetworkTable

__all__ = [
    "SHIPPED",
    "BatchNorm",
    "BatchNormThroughTime",
    "Cell",
    "CircuitNeuron",
    "Clock",
    "DiscreteNeuron",
    "Gate",
    "Join",
    "Layer",
    "LeakyIntegrateAndFire",
    "MemristiveNetwork",
    "Network",
    "NetworkTable",
    "Regime",
    "SpikingNetwork",
    "build_network",
    "check_network",
    "graded",
    "load_cell",
    "parts_of",
    "realised",
    "register",
    "self_firing",
]
