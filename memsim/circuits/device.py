"""Memsim devices as PySpice sub-circuits."""

from __future__ import annotations

from PySpice.Spice.Netlist import SubCircuit

from memsim.devices import Device
from memsim.devices.ngspice import STATE_LEAK, current_and_rates


def subcircuit_name(model: str) -> str:
    """A model or card name as ngspice accepts it."""
    return model.replace("-", "_").lower()


class DeviceSubCircuit(SubCircuit):
    """A device between nodes `p` and `n`, its states as voltages on internal nodes of their names.

    Parameters of the device can be overridden on each instance line, and so can the initial state `x_0`.

    Args:
        device: the device; its values become the sub-circuit's defaults.
        name: sub-circuit name; the model's where left out.
    """

    def __init__(self, device: Device, name: str | None = None) -> None:
        initial = {f"{state}_0": value for state, value in device.initial.items()}
        super().__init__(subcircuit_name(name or device.model), "p", "n", **device.values, **initial)
        self.device = device
        current, rates = current_and_rates(device)
        self.B("i", "p", "n", i=current)
        for state, rate in zip(device.states, rates, strict=True):
            self.B(state, self.gnd, state, i=rate)
            self.C(state, state, self.gnd, 1)
            self.R(state, state, self.gnd, STATE_LEAK)
        self.raw_spice = "\n".join(f".ic v({state})={{{state}_0}}" for state in device.states)


class StaticDeviceSubCircuit(SubCircuit):
    """The device frozen in its state, for `.op` and `.dc`: states are parameters of the instance.

    Args:
        device: the device; its initial states become the defaults.
        name: sub-circuit name; the model's with `_static` where left out.
    """

    def __init__(self, device: Device, name: str | None = None) -> None:
        super().__init__(
            subcircuit_name(name or f"{device.model}_static"), "p", "n", **device.values, **device.initial
        )
        self.device = device
        self.B("i", "p", "n", i=current_and_rates(device, static=True)[0])
