"""Networks: synapses, neurons, and the drives and readouts around them."""

from memsim.networks.circuit_neurons import resting_neuron
from memsim.networks.discrete_neurons import DiscreteNeuron, LeakyIntegrateAndFire
from memsim.networks.network import MemristiveNetwork
from memsim.networks.nonidealities import realised
from memsim.networks.spiking import SpikingNetwork
from memsim.networks.tables import NetworkTable

__all__ = [
    "DiscreteNeuron",
    "LeakyIntegrateAndFire",
    "MemristiveNetwork",
    "NetworkTable",
    "SpikingNetwork",
    "realised",
    "resting_neuron",
]
