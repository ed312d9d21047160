"""Nothing that a circuit carries is dropped: what the equations do not contain is refused by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from memsim.circuits.flatten import GROUND, Element, Expansion
from memsim.circuits.sources import is_driven
from memsim.errors import InputError

REMEDY = "simulate with ngspice, or remove it"
UNDERSTOOD: Mapping[str, Collection[str]] = {
    # ac and noisy change other analyses than transients, temperatures only what has a coefficient
    "Resistor": (
        "resistance",
        "multiplier",
        "scale",
        "ac",
        "noisy",
        "temperature",
        "device_temperature",
    ),
    "Capacitor": (
        "capacitance",
        "initial_condition",
        "multiplier",
        "scale",
        "temperature",
        "device_temperature",
    ),
    "VoltageSource": ("dc_value",),
    "CurrentSource": ("dc_value",),
    "Device": ("subcircuit_name",),
}
"""Attributes that the equations contain, or that change no transient, of each kind of element."""


def check_understood(expansion: Expansion, inputs: Collection[str]) -> None:
    """Check that the equations say all that a circuit says.

    Args:
        expansion: the circuit.
        inputs: names of the sources whose values come from outside; what they say themselves does not count.

    Raises:
        InputError: raw lines, includes, kinds of elements or attributes that are not understood.
    """
    for line in expansion.unread:
        raise InputError(f"{line} is not understood by the torch and SciPy engines; {REMEDY}")
    for element in expansion.elements:
        if element.kind not in UNDERSTOOD:
            _refuse_kind(element)
        if element.name not in inputs:
            _check_attributes(element)
    capacitive = {
        node for element in expansion.elements if element.kind == "Capacitor" for node in element.nodes
    }
    for node in expansion.starts:
        if node == GROUND or node not in capacitive:
            raise InputError(
                f"`.ic v({node})` starts a node without a capacitor, which keeps no voltage; a device starts at the "
                f"state of its instance, such as x_0=0.5. Simulate with ngspice, or remove it"
            )


def _refuse_kind(element: Element) -> None:
    if element.kind == "SubCircuitElement":
        raise InputError(
            f"{element.name} is an instance of {element.source.subcircuit_name!r}, which is not defined; add it with "
            "circuit.subcircuit(...)"
        )
    raise InputError(
        f"{element.name} is a {element.kind}; the torch and SciPy engines take resistors, capacitors, independent "
        "sources and memsim devices. Simulate this circuit with ngspice, or replace the element"
    )


def _check_attributes(element: Element) -> None:
    source = element.source
    if is_driven(source):
        raise InputError(
            f"{element.name} is a {type(source).__name__}, a function of time; name it among the inputs, or simulate "
            "with ngspice"
        )
    given = ["raw_spice"] if source.raw_spice else []
    given += [parameter.attribute_name for parameter in source.parameter_iterator()]
    for name in given:
        if name not in UNDERSTOOD[element.kind]:
            raise InputError(
                f"{element.name} has {name} = {getattr(source, name)!r}, which the torch and SciPy engines do not "
                f"understand; {REMEDY}"
            )
