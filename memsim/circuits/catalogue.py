"""Circuits that ship with memsim, ready to run: each with its stimulus, duration and what to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PySpice.Spice.Netlist import Circuit

from memsim.circuits.bench import device_bench
from memsim.circuits.network import CrossbarLayer, network_circuit
from memsim.circuits.neurons import (
    MEMBRANE,
    AfterHyperpolarising,
    IntegrateAndFire,
    Neuron,
    ThresholdSwitching,
    impedance_scale,
)
from memsim.circuits.samples import triangle
from memsim.circuits.stimuli import AlphaTrain, Constant, PulseTrain, Sine, Stimulus
from memsim.devices import load_device
from memsim.errors import InputError
from memsim.text import meant


@dataclass(frozen=True)
class Bench:
    """A circuit with everything a transient needs.

    Attributes:
        title: one line on what it shows.
        circuit: the PySpice circuit.
        stimuli: what its sources do.
        stop: end time [s].
        step: longest time step [s].
        show: waveforms to plot.
    """

    title: str
    circuit: Circuit
    stimuli: Mapping[str, Stimulus]
    stop: float
    step: float
    show: tuple[str, ...]


_NEURON_STATES = (f"v({MEMBRANE})", "v(xm1.x)", "v(xm2.x)")
_DEVICE_WAVES = ("v(top)", "v(drive)", "v(xm1.x)")


def _integrate_and_fire(number: int) -> Bench:
    title = f"memristive integrate-and-fire neuron, parameter set {number}: one alpha pulse"
    pulse = AlphaTrain(5e-6 * impedance_scale(number), 1e-3)
    circuit = IntegrateAndFire.published(number).circuit(title)
    return Bench(title, circuit, {"iin": pulse}, 10e-3, 5e-6, _NEURON_STATES)


def _pulse_train() -> Bench:
    title = "memristive integrate-and-fire neuron: 20 alpha pulses at 100 Hz"
    pulses = AlphaTrain(5e-6, 1e-3, tuple(float(t) for t in np.arange(20) * 10e-3))
    return Bench(
        title, IntegrateAndFire.published(1).circuit(title), {"iin": pulses}, 200e-3, 10e-6, _NEURON_STATES
    )


def _after_hyperpolarising() -> Bench:
    title = "after-hyperpolarising neuron: each of 6 alpha pulses at 100 Hz lowers the next spike"
    pulses = AlphaTrain(8e-6, 1e-3, tuple(float(t) for t in np.arange(6) * 10e-3))
    circuit = AfterHyperpolarising.set_1().circuit(title)
    return Bench(title, circuit, {"iin": pulses}, 60e-3, 10e-6, (*_NEURON_STATES, "v(xm3.x)"))


def _self_firing(neuron: Neuron, current: float, stop: float, step: float) -> Bench:
    title = f"threshold-switching neuron firing by itself at {current * 1e6:g} uA"
    return Bench(title, neuron.circuit(title), {"iin": Constant(current)}, stop, step, _NEURON_STATES[:2])


def _hysteresis(card: str, stimulus: Stimulus, series_resistance: float, stop: float) -> Bench:
    title = f"{card}: pinched hysteresis"
    circuit = device_bench(load_device(card), series_resistance=series_resistance, title=title)
    return Bench(title, circuit, {"vdrive": stimulus}, stop, stop / 2000, _DEVICE_WAVES)


def _pulsed_device() -> Bench:
    title = "knowm-sdc: conductance under a train of 10 us pulses"
    circuit = device_bench(load_device("knowm-sdc"), series_resistance=100.0, title=title)
    pulses = PulseTrain(level=0.5, width=10e-6, period=50e-6, rise=1e-6, fall=1e-6)
    return Bench(title, circuit, {"vdrive": pulses}, 1e-3, 0.5e-6, _DEVICE_WAVES)


def _crossbar_neurons() -> Bench:
    title = "4 x 2 crossbar of differential pairs feeding two neurons"
    weight = np.array([[1.0, -0.5], [0.5, 0.25], [-0.25, 1.0], [0.75, 0.5]])
    g_min, g_max = 4e-6, 25e-6
    plus, minus = (g_min + (g_max - g_min) * np.maximum(sign * weight, 0) for sign in (1, -1))
    circuit = network_circuit(
        [CrossbarLayer(plus, minus, 1.0)], IntegrateAndFire.published(1), [1, 0.8, 0.6, 0.4], title=title
    )
    return Bench(title, circuit, {"vdrive": AlphaTrain(0.1, 1e-3)}, 10e-3, 10e-6, ("v(mem1_0)", "v(mem1_1)"))


CATALOGUE: dict[str, Callable[[], Bench]] = {
    "integrate-and-fire-set1": lambda: _integrate_and_fire(1),
    "integrate-and-fire-set2": lambda: _integrate_and_fire(2),
    "integrate-and-fire-set3": lambda: _integrate_and_fire(3),
    "integrate-and-fire-train": _pulse_train,
    "after-hyperpolarising-set1": _after_hyperpolarising,
    "threshold-switching-a": lambda: _self_firing(ThresholdSwitching.set_a(), 5e-6, 12e-3, 0.4e-6),
    "threshold-switching-b": lambda: _self_firing(ThresholdSwitching.set_b(), 5e-6, 1.2e-3, 0.04e-6),
    "hysteresis-knowm-sdc": lambda: _hysteresis("knowm-sdc", Sine(0.5, 100.0), 1.0, 20e-3),
    "hysteresis-ag-chalcogenide": lambda: _hysteresis("ag-chalcogenide", Sine(0.25, 100.0), 1.0, 20e-3),
    "hysteresis-vteam-memtorch": lambda: _hysteresis("vteam-memtorch", Sine(0.25, 5e6), 1.0, 400e-9),
    "hysteresis-yakopcic-oblea": lambda: _hysteresis("yakopcic-oblea", Sine(0.45, 100.0), 1.0, 20e-3),
    "hysteresis-yakopcic-miao": lambda: _hysteresis("yakopcic-miao", triangle(0.75, 0.05), 1.0, 20.0),
    "pulses-knowm-sdc": _pulsed_device,
    "crossbar-neurons": _crossbar_neurons,
}


def load_bench(name: str) -> Bench:
    """A shipped circuit by name.

    Raises:
        InputError: no circuit of that name; the message lists them.
    """
    if name not in CATALOGUE:
        raise InputError(f"unknown circuit {name!r}; known: {', '.join(CATALOGUE)}{meant(name, CATALOGUE)}")
    return CATALOGUE[name]()
