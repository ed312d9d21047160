"""Circuits around a single device: the test bench of its hysteresis loop, and the oscillator it may make."""

from __future__ import annotations

from PySpice.Spice.Netlist import Circuit

from memsim.circuits.device import DeviceSubCircuit
from memsim.circuits.stimuli import check_positive
from memsim.devices import Device


def device_bench(device: Device, *, series_resistance: float, title: str = "device test bench") -> Circuit:
    """Source `Vdrive` at node `drive`, resistor `Rseries`, device `Xm1` from node `top` to ground.

    Args:
        device: the device under test.
        series_resistance: in ohm; limits the current when the device turns on.
        title: first line of the deck.

    Raises:
        InputError: a resistance that is not positive and finite.
    """
    check_positive("series_resistance", series_resistance)
    circuit = Circuit(title)
    circuit.subcircuit(DeviceSubCircuit(device))
    circuit.V("drive", "drive", circuit.gnd, 0)
    circuit.R("series", "drive", "top", series_resistance)
    circuit.X("m1", DeviceSubCircuit(device).name, "top", circuit.gnd)
    return circuit


def relaxation_oscillator(
    device: Device, *, load_resistance: float, capacitance: float, title: str = "relaxation oscillator"
) -> Circuit:
    """Pearson and Anson's oscillator: the bench of `device_bench` with capacitor `Cload` beside the device.

    A threshold switch discharges the capacitor at its threshold and lets it charge again once it is off; both its
    voltages must lie between what the load line meets in either state.

    Args:
        device: the device under test.
        load_resistance: between source and device [ohm].
        capacitance: from node `top` to ground [F].
        title: first line of the deck.

    Raises:
        InputError: a resistance or capacitance that is not positive and finite.
    """
    check_positive("load_resistance", load_resistance)
    check_positive("capacitance", capacitance)
    circuit = device_bench(device, series_resistance=load_resistance, title=title)
    circuit.C("load", "top", circuit.gnd, capacitance)
    return circuit
