"""Any circuit as a neuron of larger circuits: flat, with one input, one output, and the state that it starts in."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from PySpice.Spice.Netlist import Circuit, Netlist, SubCircuit

from memsim.circuits.device import DeviceSubCircuit, StaticDeviceSubCircuit, subcircuit_name
from memsim.circuits.flatten import GROUND, Element, expand
from memsim.circuits.neurons import MEMBRANE, Neuron
from memsim.circuits.nodal import nodal_equations, start_of_capacitor
from memsim.devices import Device
from memsim.errors import InputError

SOURCE = "iin"
"""Name of the input current source in every neuron circuit, unless another is given."""
OUT = "_out"
"""What the node of an output is called after that of the input, where they are two."""


class Part(NamedTuple):
    """One element.

    Attributes:
        name: in lower case, as the equations name it; `_` stands where a sub-circuit had a `.`.
        kind: as `Element` has it.
        nodes: their names, with `_` likewise.
        device: of the instance, with its values; None for other elements.
        frozen: whether the device stays in its state.
    """

    name: str
    kind: str
    nodes: tuple[str, ...]
    device: Device | None = None
    frozen: bool = False


@dataclass
class Definitions:
    """Sub-circuits of devices in a circuit: those that differ in their initial states alone share one."""

    circuit: Circuit
    known: dict[str, tuple[Device, bool]] = field(default_factory=dict)

    def name(self, device: Device, frozen: bool) -> str:
        """Name of the sub-circuit of a device, which is defined where it was not."""
        for name, (other, still) in self.known.items():
            if type(device) is type(other) and device.values == other.values and frozen == still:
                return name
        name = f"{subcircuit_name(device.model)}_{len(self.known) + 1}"
        self.known[name] = (device, frozen)
        self.circuit.subcircuit((StaticDeviceSubCircuit if frozen else DeviceSubCircuit)(device, name))
        return name


@dataclass(frozen=True)
class CellCircuit:
    """A neuron circuit as networks place it, once or a thousand times.

    Attributes:
        parts: its elements, without the input source.
        values: every number of it by the name that equations give it: `cmem`, `v1`, `xm1.v_on`.
        starts: voltage of each capacitor and value of each state at the start: `cmem`, `xm1.x`.
        source: name of the input current source.
        entry: node into which the input current flows.
        output: node whose potential is the output.
        rest: that potential at the start [V].
    """

    parts: tuple[Part, ...]
    values: Mapping[str, float]
    starts: Mapping[str, float]
    source: str
    entry: str
    output: str
    rest: float = 0.0

    @classmethod
    def of(cls, circuit: Neuron | Netlist, source: str = SOURCE, output: str = MEMBRANE) -> CellCircuit:
        """The cell of a neuron or of any circuit of R, C, V, I and memsim devices.

        Args:
            circuit: a neuron, or a PySpice circuit.
            source: its current source from ground into the cell, which networks replace by their currents.
            output: its output node.

        Raises:
            InputError: no such source or node, a source that does not lead from ground into the cell, or an element
                that memsim has no equations for.
        """
        if isinstance(circuit, Neuron):
            return replace(cls.of(circuit.circuit(), source, output), rest=circuit.initial_voltage)
        expansion, source, output = expand(circuit), source.lower(), _flat(output.lower())
        entry = _entry(expansion.elements, source)
        equations = nodal_equations(circuit, (source,))
        nodes = {_flat(node) for element in expansion.elements for node in element.nodes} - {GROUND}
        if output not in nodes:
            raise InputError(
                f"the circuit has no output node {output!r}; name one of its nodes: {', '.join(sorted(nodes))}"
            )
        kept = [element for element in expansion.elements if element.name != source]
        names = {element.name: _flat_name(element) for element in kept}
        values = {
            ".".join([names[name], *rest]): value
            for key, value in equations.parameter_values().items()
            for name, *rest in [_owner(key, names)]
        }
        starts: dict[str, float] = {}
        for element in kept:
            name = names[element.name]
            if element.kind == "Capacitor":
                starts[name] = start_of_capacitor(element, expansion.starts)
            elif isinstance(element.subcircuit, DeviceSubCircuit):
                device = element.subcircuit.device
                starts |= {f"{name}.{state}": element.values[f"{state}_0"] for state in device.states}
        parts = tuple(_part(element, names[element.name]) for element in kept)
        return cls(parts, values, starts, source, _flat(entry), output)

    def starting_from(self, state: Mapping[str, float]) -> CellCircuit:
        """The same cell, started from these potentials and states, named as waveforms of its `circuit()`."""
        potential = {GROUND: 0.0} | {
            name[2:-1]: value for name, value in state.items() if name.startswith("v(") and "," not in name
        }
        starts = dict(self.starts)
        for part in self.parts:
            if part.kind == "Capacitor":
                plus, minus = part.nodes
                starts[part.name] = potential[plus] - potential[minus]
        starts |= {name: potential[name] for name in starts if "." in name}
        return replace(self, starts=starts, rest=potential[self.output])

    @property
    def terminals(self) -> tuple[str, ...]:
        """Nodes by which it is connected: entry, and output where that is another."""
        return (self.entry,) if self.entry == self.output else (self.entry, self.output)

    @property
    def devices(self) -> tuple[Device, ...]:
        """Its memristive devices, in order."""
        return tuple(part.device for part in self.parts if part.device is not None)

    @property
    def waveforms(self) -> tuple[str, ...]:
        """Names of every potential and every state."""
        nodes = dict.fromkeys(node for part in self.parts for node in part.nodes if node != GROUND)
        states = [
            f"{part.name}.{state}"
            for part in self.parts
            if part.device is not None and not part.frozen
            for state in part.device.states
        ]
        return tuple(f"v({name})" for name in (*nodes, *states))

    def circuit(self, title: str = "neuron") -> Circuit:
        """The cell alone, with its input source."""
        circuit = Circuit(title)
        self._build(circuit, Definitions(circuit))
        circuit.I(self.source[1:], circuit.gnd, self.entry, 0)
        return circuit

    def define_in(
        self, definitions: Definitions, name: str = "neuron", *, varying: Collection[str] = ()
    ) -> None:
        """Define the cell as a sub-circuit between its terminals.

        Its devices are defined beside it, because ngspice supports nested definitions with parameters poorly.

        Args:
            definitions: of the circuit in which to define it.
            name: of the sub-circuit.
            varying: names of `values` that instances may set; the sub-circuit has a parameter `instance_parameter(...)`
                for each, with the cell's value as default.

        Raises:
            InputError: a value that the cell does not have.
        """
        for value in varying:
            if value not in self.values:
                raise InputError(
                    f"the neuron has no value {value!r} that could differ from instance to instance; it has: "
                    + ", ".join(sorted(self.values))
                )
        defaults = {instance_parameter(value): self.values[value] for value in varying}
        subcircuit = SubCircuit(name, *self.terminals, **defaults)
        self._build(subcircuit, definitions, varying)
        definitions.circuit.subcircuit(subcircuit)

    def _build(self, netlist: Netlist, definitions: Definitions, varying: Collection[str] = ()) -> None:
        opened = {value: f"{{{instance_parameter(value)}}}" for value in varying}
        values: Mapping[str, Any] = {**self.values, **opened}
        for part in self.parts:
            name, nodes = part.name[1:], part.nodes
            match part.kind:
                case "Resistor":
                    netlist.R(name, *nodes, values[part.name])
                case "Capacitor":
                    start = self.starts[part.name]
                    netlist.C(name, *nodes, values[part.name], initial_condition=start)
                case "VoltageSource":
                    netlist.V(name, *nodes, values[part.name])
                case "CurrentSource":
                    netlist.I(name, *nodes, values[part.name])
                case _:
                    own = dict(self._states(part)) | {
                        value.partition(".")[2]: text
                        for value, text in opened.items()
                        if value.partition(".")[0] == part.name
                    }
                    netlist.X(name, definitions.name(part.device, part.frozen), *nodes, **own)  # type: ignore[arg-type]

    def _states(self, part: Part) -> Iterator[tuple[str, float]]:
        """Initial states of a device as parameters of its instance."""
        for state in part.device.states if part.device is not None else ():
            value = f"{part.name}.{state}"
            yield (state, self.values[value]) if part.frozen else (f"{state}_0", self.starts[value])


def as_cell(neuron: Neuron | CellCircuit) -> CellCircuit:
    """A neuron as a cell."""
    return neuron if isinstance(neuron, CellCircuit) else CellCircuit.of(neuron)


def instance_parameter(value: str) -> str:
    """Name of the sub-circuit parameter that stands for a value: `xm1_v_on` for `xm1.v_on`."""
    return value.replace(".", "_")


def nodes_of(cell: CellCircuit, entry: str) -> tuple[str, ...]:
    """Nodes of a larger circuit that an instance lies between, by the one into which its input flows."""
    return (entry, entry + OUT)[: len(cell.terminals)]


def waveform_names(neuron: Neuron | CellCircuit, entry: str, instance: str) -> dict[str, str]:
    """Waveforms of one neuron of a larger circuit, by their names in the neuron's own circuit.

    Args:
        neuron: the neuron.
        entry: node into which its input flows, such as `mem_3`.
        instance: its name, such as `xn_3`.

    Returns:
        Such as {"v(mem)": "v(mem_3)", "v(xm1.x)": "v(xn_3.xm1.x)"}: every potential and every state.
    """
    cell = as_cell(neuron)
    outside = dict(zip(cell.terminals, nodes_of(cell, entry), strict=True))
    return {
        wave: f"v({outside.get(name, f'{instance}.{name}')})"
        for wave in cell.waveforms
        for name in [wave[2:-1]]
    }


def _entry(elements: list[Element], source: str) -> str:
    """The node that the input source feeds."""
    currents = [element for element in elements if element.kind == "CurrentSource"]
    found = next((element for element in currents if element.name == source), None)
    if found is None:
        known = ", ".join(element.name for element in currents) or "none"
        raise InputError(
            f"the circuit has no current source {source!r} for its input; its current sources: {known}. "
            "Add one from ground into the cell, or name the one it has"
        )
    plus, minus = found.nodes
    if plus != GROUND or minus == GROUND:
        raise InputError(
            f"the input source {source!r} leads from node {plus} to node {minus}; it must lead from ground into the "
            "cell"
        )
    return minus


def _flat(name: str) -> str:
    return name.replace(".", "_")


def _flat_name(element: Element) -> str:
    """Name without hierarchy that still begins with the letter of its kind."""
    letter = element.name.rpartition(".")[2][0]
    return (
        element.name if "." not in element.name else (letter if letter != "x" else "") + _flat(element.name)
    )


def _owner(key: str, names: Mapping[str, str]) -> tuple[str, ...]:
    """Element that a value of the equations belongs to, and what it is of it where it is a device."""
    if key in names:
        return (key,)
    element, _, parameter = key.rpartition(".")
    return element, parameter


def _part(element: Element, name: str) -> Part:
    nodes = tuple(_flat(node) for node in element.nodes)
    if element.subcircuit is None:
        return Part(name, element.kind, nodes)
    device = element.subcircuit.device
    given = device.with_values(initial=None, **{key: element.values[key] for key in device.parameters})
    return Part(name, element.kind, nodes, given, isinstance(element.subcircuit, StaticDeviceSubCircuit))
