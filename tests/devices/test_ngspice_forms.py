"""The sub-circuits that ngspice reads give the current and the rates that NumPy gives."""

from __future__ import annotations

import numpy as np
import pytest
from PySpice.Spice.Netlist import Circuit

from memsim.circuits import DeviceSubCircuit, StaticDeviceSubCircuit
from memsim.devices import Device, numeric
from memsim.devices.ngspice import STATE_LEAK
from memsim.spice import simulate

pytestmark = pytest.mark.spice

POINTS = 50
VOLTAGE_LIMIT = 2.0
# ngspice evaluates in float64 with parameters folded to about 12 digits; node voltages are held by sources.
TOLERANCE = 1e-6


def random_points(device: Device) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(11)
    return random.uniform(-VOLTAGE_LIMIT, VOLTAGE_LIMIT, POINTS), random.uniform(
        0, 1, (len(device.states), POINTS)
    )


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Worst error over the points, relative to each value, or to 1e-9 of the largest where one vanishes."""
    return float(
        np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1e-9 * np.max(np.abs(expected))))
    )


def operating_points(circuit: Circuit, saved: list[str]):
    return simulate(f"{circuit}.save {' '.join(saved)}\n.op\n.end\n")


def test_static_sub_circuit(device):
    v, x = random_points(device)
    circuit = Circuit("static devices")
    circuit.subcircuit(StaticDeviceSubCircuit(device, "device"))
    for k in range(POINTS):
        circuit.V(f"p{k}", f"p{k}", circuit.gnd, float(v[k]))
        circuit.X(
            f"m{k}",
            "device",
            f"p{k}",
            circuit.gnd,
            **dict(zip(device.states, map(float, x[:, k]), strict=True)),
        )
    data = operating_points(circuit, [f"i(vp{k})" for k in range(POINTS)])
    current = np.array([-float(data[f"i(vp{k})"]) for k in range(POINTS)])
    expected = numeric(device).current(v, x, list(device.values.values()))
    assert relative_error(current, expected) <= TOLERANCE


def test_dynamic_sub_circuit(device):
    """Sources hold the state nodes, so the current that they absorb is the rate, in ampere into 1 F."""
    v, x = random_points(device)
    expected = numeric(device).rates(v, x, list(device.values.values()))
    circuit = Circuit("dynamic devices with their states held")
    circuit.subcircuit(DeviceSubCircuit(device, "device"))
    scale = 1 / np.max(
        np.abs(expected), axis=1
    )  # VTEAM's rates in ampere look like a runaway to the result check
    saved = []
    for k in range(POINTS):
        circuit.V(f"p{k}", f"p{k}", circuit.gnd, float(v[k]))
        circuit.X(f"m{k}", "device", f"p{k}", circuit.gnd)
        saved.append(f"i(vp{k})")
        for index, state in enumerate(device.states):
            circuit.V(f"{state}{k}", f"xm{k}.{state}", circuit.gnd, float(x[index, k]))
            circuit.CCVS(
                f"{state}{k}",
                f"{state}{k}",
                circuit.gnd,
                source=f"V{state}{k}",
                transresistance=float(scale[index]),
            )
            saved.append(f"v({state}{k})")
    data = operating_points(circuit, saved)
    current = np.array([-float(data[f"i(vp{k})"]) for k in range(POINTS)])
    assert relative_error(current, numeric(device).current(v, x, list(device.values.values()))) <= TOLERANCE
    for index, state in enumerate(device.states):
        rate = np.array([float(data[f"v({state}{k})"]) for k in range(POINTS)]) / scale[index]
        assert relative_error(rate, expected[index] - x[index] / STATE_LEAK) <= TOLERANCE
