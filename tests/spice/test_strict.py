"""ngspice under memsim's own options: nothing stepped over, nothing that drifts."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import xarray as xr
from PySpice.Spice.Netlist import Circuit

from memsim.circuits import (
    AlphaTrain,
    Constant,
    DeviceSubCircuit,
    ExponentialTrain,
    IntegrateAndFire,
    PulseTrain,
    Sine,
    Stimulus,
    relaxation_oscillator,
)
from memsim.devices import load_device
from memsim.spice import simulate

pytestmark = pytest.mark.spice
STEP = 5e-6

# Largest potential of the published neuron [V], by SciPy in steps of 10 ns with rtol 1e-9
BRIEF = {
    "alpha of 20 ns": (AlphaTrain(1e-3, 20e-9, [1.0023e-3]), 48.425e-3),
    "alpha of 300 ns": (AlphaTrain(1e-3, 300e-9, [1.0023e-3]), 746.15e-3),
    "exponential of 20 ns": (ExponentialTrain(1e-3, 20e-9, [1.0023e-3]), 14.371e-3),
    "rectangle of 200 ns": (PulseTrain(0.5e-3, 200e-9, 1.0, 1e-9, 1e-9, delay=1.0023e-3), 94.458e-3),
}


@pytest.mark.parametrize("name", BRIEF)
def test_pulses_much_shorter_than_the_step(name):
    stimulus, peak = BRIEF[name]
    data = simulate(IntegrateAndFire.published().circuit(), stimuli={"iin": stimulus}, stop=2e-3, step=STEP)
    assert float(data["v(mem)"].max()) == pytest.approx(peak, rel=5e-3)


@pytest.mark.parametrize("capacitance", [1e-9, 1e-12])
def test_a_jump_of_voltage_into_a_capacitor(capacitance):
    """No step that ends in a jump is short enough for ngspice, so the jump comes after the end of a step."""
    circuit = Circuit("jump")
    circuit.V("in", "a", circuit.gnd, 0)
    circuit.R("1", "a", "b", 1e3)
    circuit.C("1", "b", circuit.gnd, capacitance)
    train = ExponentialTrain(1.0, 1e-3, (0.1e-3, 1e-3))
    data = simulate(circuit, stimuli={"vin": train}, stop=2e-3, step=STEP)
    late = data["time"].values > 1.1e-3  # 100 time constants after the jump
    # the voltage of the capacitor lags by its time constant, a thousandth of the stimulus's at most
    np.testing.assert_allclose(data["v(b)"].values[late], train(data["time"].values)[late], rtol=2e-3)


def neuron(stimulus: Stimulus) -> xr.Dataset:
    return simulate(IntegrateAndFire.published().circuit(), stimuli={"iin": stimulus}, stop=20e-6, step=STEP)


def test_sines_faster_than_the_step_are_warned_of():
    with pytest.warns(
        UserWarning, match="iin: a quarter of the sine takes 2.5e-06 s, less than the step of 5e-06 s"
    ):
        neuron(Sine(1e-6, 100e3))


def test_slow_sines_are_not(recwarn):
    neuron(Sine(1e-6, 40e3))
    assert not recwarn.list


def oscillator(**values: float) -> Circuit:
    return relaxation_oscillator(load_device("vo2-switch"), **values)


def pair() -> Circuit:
    """Two oscillators coupled by a resistor."""
    circuit = Circuit("pair")
    device = DeviceSubCircuit(load_device("vo2-switch"))
    circuit.subcircuit(device)
    circuit.V("drive", "drive", circuit.gnd, 0)
    for name, node, load in (("1", "top", 20e3), ("2", "other", 21e3)):
        circuit.R(name, "drive", node, load)
        circuit.C(name, node, circuit.gnd, 1e-9)
        circuit.X(f"m{name}", device.name, node, circuit.gnd)
    circuit.R("coupling", "top", "other", 100e3)
    return circuit


def discharges(data: xr.Dataset) -> np.ndarray:
    """Times [s] at which the capacitor falls below 1.5 V."""
    t, v = data["time"].values, data["v(top)"].values
    k = np.flatnonzero((v[:-1] > 1.5) & (v[1:] <= 1.5))
    return t[k] + (1.5 - v[k]) / (v[k + 1] - v[k]) * (t[k + 1] - t[k])


OSCILLATORS = {
    "loaded by 20 kohm": (oscillator(load_resistance=20e3, capacitance=1e-9), 5.0),
    "loaded by 50 kohm": (oscillator(load_resistance=50e3, capacitance=1e-9), 10.0),
    "pair": (pair(), 5.0),
}


@cache
def exact_discharges(name: str) -> np.ndarray:
    circuit, drive = OSCILLATORS[name]
    options = {"reltol": 1e-7}
    return discharges(
        simulate(circuit, stimuli={"vdrive": Constant(drive)}, stop=170e-6, step=200e-9, options=options)
    )


@pytest.mark.parametrize("step", [20e-9, 400e-9, 2e-6])
@pytest.mark.parametrize("name", OSCILLATORS)
def test_oscillators_keep_their_spikes_at_any_step(name, step):
    """21 and more spikes; `reltol` of 1e-7 is ten times closer to the exact times."""
    circuit, drive = OSCILLATORS[name]
    exact = exact_discharges(name)
    found = discharges(simulate(circuit, stimuli={"vdrive": Constant(drive)}, stop=170e-6, step=step))
    assert len(exact) >= 21
    assert len(found) == len(exact)
    assert np.abs(found - exact).max() < 0.02 * np.diff(exact).mean()
