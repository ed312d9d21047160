"""Networks: synapses, neurons, and the drives and readouts around them."""

from memsim.networks.circuit_neurons import resting_neuron
from memsim.networks.discrete_neurons import LeakyIntegrateAndFire
from memsim.networks.layer import Join, Layer
from memsim.networks.memristive import MemristiveNetwork
from memsim.networks.network import Clock, Network
from memsim.networks.nonidealities import realised
from memsim.networks.spiking import SpikingNetwork
from memsim.networks.tables import NetworkTable

__all__ = [
    "Clock",
    "Join",
    "Layer",
    "LeakyIntegrateAndFire",
    "MemristiveNetwork",
    "Network",
    "NetworkTable",
    "SpikingNetwork",
    "realised",
    "resting_neuron",
]
