"""A PySpice circuit as a flat list of elements with hierarchical names, the way ngspice expands it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from PySpice.Spice.Netlist import Netlist

from memsim.circuits.device import DeviceSubCircuit, StaticDeviceSubCircuit
from memsim.devices import Parameter, positive
from memsim.errors import InputError

GROUND = "0"


@dataclass(frozen=True)
class Element:
    """A primitive element or a device instance.

    Attributes:
        name: hierarchical lower-case name, e.g. `xcell.cmem`.
        kind: PySpice's class name, or `Device`.
        nodes: hierarchical node names, `0` for ground.
        source: the PySpice element.
        values: parameters in scope of the element's own expressions; for a device, its parameter values.
        subcircuit: the device's sub-circuit, where kind is `Device`.
    """

    name: str
    kind: str
    nodes: tuple[str, ...]
    source: Any
    values: Mapping[str, float]
    subcircuit: DeviceSubCircuit | StaticDeviceSubCircuit | None = None


def flatten(circuit: Netlist) -> list[Element]:
    """All elements of a circuit with its sub-circuits expanded.

    Raises:
        InputError: a sub-circuit that is not defined, or a value that is not a number or a parameter name.
    """
    return list(_expand(circuit, "", {}, {}, {}))


def _expand(
    netlist: Netlist,
    path: str,
    ports: Mapping[str, str],
    scope: Mapping[str, float],
    outer: Mapping[str, Netlist],
) -> Iterator[Element]:
    known = {**outer, **{sub.name.lower(): sub for sub in netlist.subcircuits}}
    for element in netlist.elements:
        nodes = tuple(_node_name(str(node.name), path, ports) for node in element.nodes)
        name = path + str(element.name).lower()
        if type(element).__name__ != "SubCircuitElement":
            yield Element(name, type(element).__name__, nodes, element, scope)
            continue
        yield from _instance(element, name, nodes, scope, known)


def _instance(
    element: Any, name: str, nodes: tuple[str, ...], scope: Mapping[str, float], known: Mapping[str, Netlist]
) -> Iterator[Element]:
    target = str(element.subcircuit_name).lower()
    if target not in known:
        raise InputError(
            f"{name} is an instance of {target!r}, which is not defined; add it with circuit.subcircuit(...)"
        )
    subcircuit = known[target]
    overrides = {
        key.lower(): evaluate(value, scope, f"{name}.{key}") for key, value in element.parameters.items()
    }
    defaults = {
        key.lower(): evaluate(value, {}, f"{target}.{key}") for key, value in subcircuit.parameters.items()
    }
    unknown = sorted(set(overrides) - set(defaults))
    if unknown:
        raise InputError(
            f"{name} sets {unknown[0]!r}, which {target} does not have; it has: {', '.join(defaults)}"
        )
    values = {**defaults, **overrides}
    if isinstance(subcircuit, DeviceSubCircuit | StaticDeviceSubCircuit):
        _check_device(name, subcircuit, values)
        yield Element(name, "Device", nodes, element, values, subcircuit)
        return
    ports = dict(zip((str(node).lower() for node in subcircuit._external_nodes), nodes, strict=True))
    yield from _expand(subcircuit, f"{name}.", ports, values, known)


def _check_device(
    name: str, subcircuit: DeviceSubCircuit | StaticDeviceSubCircuit, values: Mapping[str, float]
) -> None:
    for key, spec in subcircuit.device.parameters.items():
        spec.check(f"{name}.{key}", values[key])
    for key in subcircuit.device.states:
        given = f"{key}_0" if isinstance(subcircuit, DeviceSubCircuit) else key
        subcircuit.device.check_state(f"{name}.{given}", key, values[given])


def _node_name(name: str, path: str, ports: Mapping[str, str]) -> str:
    lower = name.lower()
    if lower in (GROUND, "gnd"):
        return GROUND
    return ports.get(lower, path + lower)


def evaluate(value: Any, scope: Mapping[str, float], what: str) -> float:
    """A PySpice value as a float: a number, a number with unit, or `{parameter}` of the enclosing sub-circuit.

    Raises:
        InputError: anything else.
    """
    if isinstance(value, str) and value.strip("{} ").lower() in scope:
        return scope[value.strip("{} ").lower()]
    try:
        number = float(value)
    except (TypeError, ValueError):
        known = ", ".join(scope) or "none"
        raise InputError(
            f"{what} = {value!r} is neither a number nor one parameter in braces (in scope: {known})"
        ) from None
    if not math.isfinite(number):
        raise InputError(f"{what} = {value!r} is not finite; give a number in SI units")
    return number


def state_bounds(circuit: Netlist) -> dict[str, tuple[float, float]]:
    """Physical range of every device state, by the name its waveform carries: `v(xm1.x)` -> (0, 1)."""
    return {
        f"v({element.name}.{state})": (spec.low, spec.high)
        for element in flatten(circuit)
        if isinstance(element.subcircuit, DeviceSubCircuit)
        for state, spec in element.subcircuit.device.states.items()
    }


_ELEMENTS = {
    "Resistor": positive(1.0, "ohm", "resistance"),
    "Capacitor": positive(1.0, "F", "capacitance"),
    "VoltageSource": Parameter(0.0, "V", "voltage"),
    "CurrentSource": Parameter(0.0, "A", "current"),
}


def parameter_ranges(circuit: Netlist) -> dict[str, Parameter]:
    """What every number of a circuit may be, by the name it has in its equations: `cmem`, `v1`, `xm1.v_on`."""
    ranges: dict[str, Parameter] = {}
    for element in flatten(circuit):
        if element.subcircuit is None:
            if element.kind in _ELEMENTS:
                ranges[element.name] = _ELEMENTS[element.kind]
            continue
        device = element.subcircuit.device
        ranges |= {f"{element.name}.{name}": spec for name, spec in device.parameters.items()}
        ranges |= {f"{element.name}.{name}": spec.range for name, spec in device.states.items()}
    return ranges
