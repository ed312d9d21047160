"""Circuits as PySpice objects, their stimuli, and their nodal equations."""

from memsim.circuits.bench import device_bench, relaxation_oscillator
from memsim.circuits.cell import CellCircuit, waveform_names
from memsim.circuits.device import DeviceSubCircuit, StaticDeviceSubCircuit
from memsim.circuits.flatten import Element, flatten, state_bounds
from memsim.circuits.network import CrossbarLayer, PairArray, membrane, network_circuit, neuron_instance
from memsim.circuits.neurons import (
    MEMBRANE,
    AfterHyperpolarising,
    IntegrateAndFire,
    Neuron,
    ThresholdSwitching,
    impedance_scale,
)
from memsim.circuits.nodal import NodalEquations, nodal_equations
from memsim.circuits.population import couple, pulsed_population, sampled_population
from memsim.circuits.samples import Samples, triangle
from memsim.circuits.sources import all_stimuli, own_stimuli
from memsim.circuits.stimuli import (
    AlphaTrain,
    Constant,
    ExponentialTrain,
    PulseTrain,
    Sine,
    Stimulus,
)
from memsim.circuits.waveforms import dataset, with_device_currents

__all__ = [
    "MEMBRANE",
    "AfterHyperpolarising",
    "AlphaTrain",
    "CellCircuit",
    "Constant",
    "CrossbarLayer",
    "DeviceSubCircuit",
    "Element",
    "ExponentialTrain",
    "IntegrateAndFire",
    "Neuron",
    "NodalEquations",
    "PairArray",
    "PulseTrain",
    "Samples",
    "Sine",
    "StaticDeviceSubCircuit",
    "Stimulus",
    "ThresholdSwitching",
    "all_stimuli",
    "couple",
    "dataset",
    "device_bench",
    "flatten",
    "impedance_scale",
    "membrane",
    "network_circuit",
    "neuron_instance",
    "nodal_equations",
    "own_stimuli",
    "pulsed_population",
    "relaxation_oscillator",
    "sampled_population",
    "state_bounds",
    "triangle",
    "waveform_names",
    "with_device_currents",
]
