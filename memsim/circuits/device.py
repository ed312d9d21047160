"""Memsim devices as PySpice sub-circuits."""

from __future__ import annotations

import logging

from PySpice.Spice.Netlist import Netlist, SubCircuit

from memsim.devices import Device
from memsim.devices.ngspice import STATE_LEAK, dynamic_texts, static_text, terms_on_nodes
from memsim.devices.shared_terms import at_rest

# of a node called `in`, as that of an input often is, PySpice warns that it is a word of Python
logging.getLogger("PySpice.Spice.Netlist.Node").setLevel(logging.ERROR)


class _Written(SubCircuit):
    """A sub-circuit that knows whether anybody changed it."""

    text: str

    @property
    def is_as_written(self) -> bool:
        """False where elements or lines were added, removed or changed."""
        return Netlist.__str__(self) == self.text


def subcircuit_name(model: str) -> str:
    """A model or card name as ngspice accepts it."""
    return model.replace("-", "_").lower()


class DeviceSubCircuit(_Written):
    """A device between nodes `p` and `n`, its states as voltages on internal nodes of their names.

    Parameters of the device can be overridden on each instance line, and so can the initial state `x_0`.

    Args:
        device: the device; its values become the sub-circuit's defaults.
        name: sub-circuit name; the model's where left out.
        portable: the same in every compatibility mode of ngspice, for the price of time.
    """

    def __init__(self, device: Device, name: str | None = None, *, portable: bool = False) -> None:
        initial = {f"{state}_0": value for state, value in device.initial.items()}
        super().__init__(subcircuit_name(name or device.model), "p", "n", **device.values, **initial)
        self.device = device
        texts = dynamic_texts(type(device), portable=portable)
        for node, term in texts.shared.items():
            self.B(node, node, self.gnd, v=term)
        self.B("i", "p", "n", i=texts.current)
        for state, rate in zip(device.states, texts.rates, strict=True):
            self.B(state, self.gnd, state, i=rate)
            self.C(state, state, self.gnd, 1)
            self.R(state, state, self.gnd, STATE_LEAK)
        starts = [f".ic v({state})={{{state}_0}}" for state in device.states]
        if texts.shared:
            # Newton's method starts where it would otherwise take logarithms of zero
            rest = at_rest(device, terms_on_nodes(type(device)))
            starts += [f".ic v({node})={value!r}" for node, value in zip(texts.shared, rest, strict=True)]
        self.raw_spice = "\n".join(starts)
        self.text = Netlist.__str__(self)


class StaticDeviceSubCircuit(_Written):
    """The device frozen in its state, for `.op` and `.dc`: states are parameters of the instance.

    Args:
        device: the device; its initial states become the defaults.
        name: sub-circuit name; the model's with `_static` where left out.
        portable: as in `DeviceSubCircuit`.
    """

    def __init__(self, device: Device, name: str | None = None, *, portable: bool = False) -> None:
        super().__init__(
            subcircuit_name(name or f"{device.model}_static"), "p", "n", **device.values, **device.initial
        )
        self.device = device
        self.B("i", "p", "n", i=static_text(type(device), portable=portable))
        self.text = Netlist.__str__(self)
