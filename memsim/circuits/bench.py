"""Test bench of a single device: a voltage source, a series resistor and the device to ground."""

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
