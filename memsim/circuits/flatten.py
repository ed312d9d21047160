"""A PySpice circuit as a flat list of elements with hierarchical names, the way ngspice expands it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from PySpice.Spice.BasicElement import CurrentSource, VoltageSource
from PySpice.Spice.Netlist import Netlist

from memsim.circuits.device import DeviceSubCircuit, StaticDeviceSubCircuit
from memsim.circuits.expressions import evaluate, resolve
from memsim.devices import Parameter, positive
from memsim.errors import InputError

GROUND = "0"
_WORD = r"(?:\{[^{}]*\}|'[^']*'|[^\s={}']+)"
_ASSIGNMENT = re.compile(rf"(\w+)\s*=\s*({_WORD})")
_PARAM = re.compile(rf"\.param(?:\s+\w+\s*=\s*{_WORD})+", re.IGNORECASE)
_POTENTIAL = re.compile(rf"v\s*\(\s*([^\s,()]+)\s*\)\s*=\s*({_WORD})", re.IGNORECASE)
_IC = re.compile(rf"\.ic(?:\s+{_POTENTIAL.pattern})+", re.IGNORECASE)


@dataclass(frozen=True)
class Element:
    """A primitive element or a device instance.

    Attributes:
        name: hierarchical lower-case name, e.g. `xcell.cmem`.
        kind: PySpice's class name, or `Device`; `VoltageSource` and `CurrentSource` for all that are such.
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


@dataclass(frozen=True)
class Expansion:
    """A circuit without its hierarchy.

    Attributes:
        elements: what ngspice gets, disabled elements left out.
        starts: potential [V] at the start of nodes that a `.ic` line names.
        unread: lines that PySpice hands to ngspice as they are and nobody else reads, each with its place.
    """

    elements: list[Element] = field(default_factory=list)
    starts: dict[str, float] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def flatten(circuit: Netlist) -> list[Element]:
    """All enabled elements of a circuit with its sub-circuits expanded.

    Raises:
        InputError: a parameter of an instance that the sub-circuit does not have or that cannot be evaluated, or a
            device parameter out of range.
    """
    return expand(circuit).elements


def expand(circuit: Netlist) -> Expansion:
    """The elements of a circuit and what stands beside them; see `flatten`."""
    expansion = Expansion()
    _expand(expansion, circuit, _Place("", {}, _global_parameters(circuit), {}))
    expansion.unread.extend(f"`.include {path}`" for path in getattr(circuit, "_includes", ()))
    expansion.unread.extend(f"`.lib {path}`" for path, _ in getattr(circuit, "_libs", ()))
    expansion.unread.extend(f"`.global {node}`" for node in getattr(circuit, "_global_nodes", ()))
    return expansion


def _global_parameters(circuit: Netlist) -> dict[str, float]:
    """Values of all `.param` that can be evaluated; the last one of a name counts."""
    given = {key.lower(): text for key, text in getattr(circuit, "_parameters", {}).items()}
    for line in circuit.raw_spice.splitlines():
        if _PARAM.fullmatch(line.strip()):
            given |= {key.lower(): text for key, text in _ASSIGNMENT.findall(line)}
    braced = {key: text if text[:1] in "{'" else f"{{{text}}}" for key, text in given.items()}
    return resolve(braced, {}, ".param")


@dataclass(frozen=True)
class _Place:
    """Where in the hierarchy a netlist stands.

    Attributes:
        path: names of the instances above, such as `xcell.`.
        ports: nodes outside by the names of terminals inside.
        values: parameters in scope.
        known: sub-circuits in scope.
    """

    path: str
    ports: Mapping[str, str]
    values: Mapping[str, float]
    known: Mapping[str, Netlist]

    def node(self, name: str) -> str:
        lower = name.lower()
        return GROUND if lower in (GROUND, "gnd") else self.ports.get(lower, self.path + lower)

    def __str__(self) -> str:
        return f"sub-circuit {self.path.removesuffix('.')}" if self.path else "the circuit"


def _expand(expansion: Expansion, netlist: Netlist, place: _Place) -> None:
    place = replace(place, known={**place.known, **{sub.name.lower(): sub for sub in netlist.subcircuits}})
    _read_lines(expansion, netlist, place)
    for element in netlist.elements:
        if not element.enabled:
            continue
        target = place.known.get(str(getattr(element, "subcircuit_name", "")).lower())
        if target is not None:
            _instance(expansion, element, target, place)
            continue
        name, nodes = _wiring(element, place)
        expansion.elements.append(Element(name, _kind(element), nodes, element, place.values))


def _wiring(element: Any, place: _Place) -> tuple[str, tuple[str, ...]]:
    """Hierarchical name and nodes."""
    return place.path + str(element.name).lower(), tuple(place.node(str(node.name)) for node in element.nodes)


def _kind(element: Any) -> str:
    """PySpice's sources of sines and pulses are sources, too."""
    for base in (VoltageSource, CurrentSource):
        if isinstance(element, base):
            return base.__name__
    return type(element).__name__


def _read_lines(expansion: Expansion, netlist: Netlist, place: _Place) -> None:
    """Raw lines: initial potentials are understood, and parameters of the whole circuit are read already."""
    for line in map(str.strip, netlist.raw_spice.splitlines()):
        if not line or line.startswith("*") or (not place.path and _PARAM.fullmatch(line)):
            continue
        try:
            expansion.starts.update(_starts(line, place))
        except InputError:
            expansion.unread.append(f"`{line}` of {place}")


def _starts(line: str, place: _Place) -> dict[str, float]:
    """Potentials that an `.ic` line gives."""
    if not _IC.fullmatch(line):
        raise InputError(f"`{line}` is no line of initial potentials")
    return {
        place.node(node): evaluate(value, place.values, f".ic v({node})")
        for node, value in _POTENTIAL.findall(line)
    }


def _instance(expansion: Expansion, element: Any, subcircuit: Netlist, place: _Place) -> None:
    name, nodes = _wiring(element, place)
    target = str(subcircuit.name).lower()
    overrides = {
        key.lower(): evaluate(value, place.values, f"{name}.{key}")
        for key, value in element.parameters.items()
    }
    defaults = {key.lower(): value for key, value in subcircuit.parameters.items()}
    unknown = sorted(set(overrides) - set(defaults))
    if unknown:
        raise InputError(
            f"{name} sets {unknown[0]!r}, which {target} does not have; it has: {', '.join(defaults)}"
        )
    values = resolve({**defaults, **overrides}, place.values, target)
    for key in defaults.keys() - values.keys():
        evaluate(defaults[key], values, f"{target}.{key}")
    if element.raw_spice:
        expansion.unread.append(f"`{element.raw_spice}` of {name}")
    if isinstance(subcircuit, DeviceSubCircuit | StaticDeviceSubCircuit):
        if not subcircuit.is_as_written:
            expansion.unread.append(f"the change of sub-circuit {target}")
        _check_device(name, subcircuit, values)
        expansion.elements.append(Element(name, "Device", nodes, element, values, subcircuit))
        return
    ports = dict(zip((str(node).lower() for node in subcircuit._external_nodes), nodes, strict=True))
    # a sub-circuit sees the parameters of whoever uses it, as in ngspice
    _expand(expansion, subcircuit, _Place(f"{name}.", ports, {**place.values, **values}, place.known))


def _check_device(
    name: str, subcircuit: DeviceSubCircuit | StaticDeviceSubCircuit, values: Mapping[str, float]
) -> None:
    for key, spec in subcircuit.device.parameters.items():
        spec.check(f"{name}.{key}", values[key])
    for key in subcircuit.device.states:
        given = f"{key}_0" if isinstance(subcircuit, DeviceSubCircuit) else key
        subcircuit.device.check_state(f"{name}.{given}", key, values[given])


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
