"""Nodal equations of a circuit, written symbolically from its elements.

    M dy/dt = F(y, u, du/dt)

y holds the states of all devices, then the free node potentials; u the sources that are inputs. Voltage sources
are eliminated: nodes joined by sources share one unknown, and Kirchhoff's current law is summed over them.
M carries the capacitances, and ones for the states. Nodes without a capacitor give rows of zeros in M. Where
capacitors tie nodes to each other but not to a known potential, the voltages between them are unknowns too, and
the potential that they share is one more row of zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import sympy as sp
from PySpice.Spice.Netlist import Netlist

from memsim.circuits.device import DeviceSubCircuit, StaticDeviceSubCircuit
from memsim.circuits.expressions import evaluate
from memsim.circuits.flatten import GROUND, Element, expand
from memsim.circuits.understood import check_understood
from memsim.errors import InputError


@dataclass(frozen=True)
class NodalEquations:
    """The equations above with names.

    Attributes:
        unknowns: symbols of y, named as their waveforms: `v(xm1.x)`, `v(mem)`; `v(a,b)` between two nodes.
        inputs: symbols of u, named as their sources: `iin`.
        input_rates: symbols of du/dt, in the same order.
        parameters: every other symbol with its value: `cmem`, `v1`, `xm1.v_on`.
        mass: entries of M by (row, column), structurally zero ones left out.
        flow: F, one expression a row.
        charge: M y at the start, in inputs and parameters: each capacitor starts at its `ic`, or uncharged.
        bounds: physical range of each state, by its symbol; what has none is a potential.
        waveforms: every node potential and state as an expression of the above.
    """

    unknowns: tuple[sp.Symbol, ...]
    inputs: tuple[sp.Symbol, ...]
    input_rates: tuple[sp.Symbol, ...]
    parameters: Mapping[sp.Symbol, float]
    mass: Mapping[tuple[int, int], sp.Expr]
    flow: tuple[sp.Expr, ...]
    charge: tuple[sp.Expr, ...]
    bounds: Mapping[sp.Symbol, tuple[float, float]]
    waveforms: Mapping[str, sp.Expr]

    @cached_property
    def jacobian(self) -> dict[tuple[int, int], sp.Expr]:
        """Entries of dF/dy by (row, column), structurally zero ones left out."""
        entries: dict[tuple[int, int], sp.Expr] = {}
        for row, flow in enumerate(self.flow):
            for column, unknown in enumerate(self.unknowns):
                if flow.has(unknown):
                    entries[row, column] = sp.diff(flow, unknown)
        return entries

    @cached_property
    def input_slope(self) -> tuple[sp.Expr, ...]:
        """dF/dt along the inputs: sum over u of dF/du du/dt."""
        pairs = list(zip(self.inputs, self.input_rates, strict=True))
        return tuple(sum((sp.diff(f, u) * du for u, du in pairs), sp.S.Zero) for f in self.flow)

    @property
    def algebraic(self) -> tuple[int, ...]:
        """Rows without a time derivative."""
        rows = {row for row, _ in self.mass}
        return tuple(row for row in range(len(self.unknowns)) if row not in rows)

    def parameter_values(self) -> dict[str, float]:
        """Parameter values by name."""
        return {symbol.name: value for symbol, value in self.parameters.items()}


@dataclass
class _Assembly:
    """Bookkeeping while elements are stamped."""

    inputs: tuple[str, ...]
    starts: Mapping[str, float] = field(default_factory=dict)
    parameters: dict[sp.Symbol, float] = field(default_factory=dict)
    kcl: dict[str, sp.Expr] = field(default_factory=dict)
    capacitors: list[tuple[str, str, sp.Symbol, float]] = field(default_factory=list)
    states: dict[sp.Symbol, tuple[sp.Expr, float]] = field(default_factory=dict)
    bounds: dict[sp.Symbol, tuple[float, float]] = field(default_factory=dict)
    potential: dict[str, sp.Expr] = field(default_factory=dict)

    def parameter(self, name: str, value: float, *, positive: bool | None = None) -> sp.Symbol:
        symbol = sp.Symbol(name, real=True, positive=positive or None)
        self.parameters[symbol] = value
        return symbol

    def source_value(self, element: Element) -> sp.Symbol:
        if element.name in self.inputs:
            return sp.Symbol(element.name, real=True)
        return self.parameter(element.name, evaluate(element.source.dc_value, element.values, element.name))

    def voltage(self, element: Element) -> sp.Expr:
        plus, minus = element.nodes
        return self.potential[plus] - self.potential[minus]

    def leave(self, element: Element, current: sp.Expr) -> None:
        """Count `current` from the first node through the element to the second."""
        plus, minus = element.nodes
        self.kcl[plus] = self.kcl.get(plus, sp.S.Zero) + current
        self.kcl[minus] = self.kcl.get(minus, sp.S.Zero) - current


def nodal_equations(circuit: Netlist, inputs: Collection[str] = ()) -> NodalEquations:
    """Write the equations of a circuit of R, C, V, I and memsim devices.

    Args:
        circuit: PySpice circuit; sub-circuits are expanded.
        inputs: names of the independent sources that are functions of time; the others keep their DC value.

    Raises:
        InputError: an element of another kind, anything in the circuit that the equations would leave out, a value
            out of range, an input that is not a source, a loop of voltage sources, or a node that nothing but
            current sources holds.
    """
    expansion = expand(circuit)
    elements, assembly = expansion.elements, _Assembly(tuple(inputs), expansion.starts)
    _check_inputs(elements, inputs)
    check_understood(expansion, inputs)
    _check_held(elements)
    _join_nodes(elements, assembly)
    for element in elements:
        _STAMPS[element.kind](assembly, element)
    return _collect(assembly)


def _check_inputs(elements: Iterable[Element], inputs: Collection[str]) -> None:
    sources = [e.name for e in elements if e.kind in ("VoltageSource", "CurrentSource")]
    for name in inputs:
        if name not in sources:
            raise InputError(
                f"input {name!r} is not an independent source of the circuit; its sources: {', '.join(sources)}"
            )


def _join_nodes(elements: list[Element], assembly: _Assembly) -> None:
    """Potential of every node as (potential of a representative) + (sum of source voltages)."""
    root: dict[str, str] = {GROUND: GROUND}
    offset: dict[str, sp.Expr] = {GROUND: sp.S.Zero}
    for node in dict.fromkeys(node for element in elements for node in element.nodes):
        root.setdefault(node, node)
        offset.setdefault(node, sp.S.Zero)
    for element in elements:
        if element.kind != "VoltageSource":
            continue
        plus, minus = element.nodes
        if root[plus] == root[minus]:
            raise InputError(
                f"voltage source {element.name} closes a loop of voltage sources; put a resistor into the loop"
            )
        step = offset[minus] + assembly.source_value(element) - offset[plus]
        keep, drop = root[minus], root[plus]
        if drop == GROUND:
            keep, drop, step = drop, keep, -step
        for node in [n for n, r in root.items() if r == drop]:
            root[node], offset[node] = keep, offset[node] + step
    island = _islands(elements, root)
    for node, representative in root.items():
        assembly.potential[node] = _base(representative, island[representative]) + offset[node]


def _base(node: str, anchor: str) -> sp.Expr:
    """Potential of a node by its unknowns: its own, or its distance from the anchor of its island."""
    if GROUND in (node, anchor):
        return sp.S.Zero if node == GROUND else sp.Symbol(f"v({node})", real=True)
    common = sp.Symbol(f"v({anchor})", real=True)
    return common if node == anchor else common + sp.Symbol(f"v({node},{anchor})", real=True)


def _islands(elements: list[Element], root: Mapping[str, str]) -> dict[str, str]:
    """Anchor of each representative: of those that capacitors tie together, ground where it is among them."""
    anchor = {representative: representative for representative in root.values()}
    for element in elements:
        if element.kind == "Capacitor":
            keep, drop = sorted(
                (anchor[root[node]] for node in element.nodes), key=lambda name: name != GROUND
            )
            anchor = {node: keep if own == drop else own for node, own in anchor.items()}
    return anchor


def _check_held(elements: list[Element]) -> None:
    """Every node must reach ground by something else than current sources."""
    held = {GROUND}
    conducting = [set(element.nodes) for element in elements if element.kind != "CurrentSource"]
    while reached := [nodes for nodes in conducting if nodes & held and not nodes <= held]:
        held.update(*reached)
    for element in elements:
        for node in element.nodes:
            if node not in held:
                raise InputError(
                    f"nothing holds node {node} of {element.name}: no resistor, capacitor, voltage source or device "
                    "connects it to ground; add one"
                )


def _positive(element: Element, value: object, what: str, unit: str) -> float:
    number = evaluate(value, element.values, element.name)
    if not number > 0 or number == float("inf"):
        raise InputError(
            f"{what} {element.name} = {number:g}{unit and ' '}{unit} is out of range; allowed: > 0"
        )
    return number


def _factor(element: Element, name: str) -> float:
    """`multiplier`, elements in parallel, or `scale`, of the value; 1 where it is not given."""
    given = getattr(element.source, name)
    return 1.0 if given is None else _positive(element, given, f"{name} of", "")


def _resistor(assembly: _Assembly, element: Element) -> None:
    value = _positive(element, element.source.resistance, "resistance", "ohm")
    value *= _factor(element, "scale") / _factor(element, "multiplier")
    resistance = assembly.parameter(element.name, value, positive=True)
    assembly.leave(element, assembly.voltage(element) / resistance)


def _capacitor(assembly: _Assembly, element: Element) -> None:
    value = _positive(element, element.source.capacitance, "capacitance", "F")
    value *= _factor(element, "scale") * _factor(element, "multiplier")
    capacitance = assembly.parameter(element.name, value, positive=True)
    start = start_of_capacitor(element, assembly.starts)
    plus, minus = element.nodes
    assembly.capacitors.append((plus, minus, capacitance, start))


def start_of_capacitor(element: Element, starts: Mapping[str, float]) -> float:
    """Voltage of a capacitor at the start [V]: its own `ic`, or the difference of potentials that `.ic` lines give."""
    given = element.source.initial_condition
    if given is not None:
        return evaluate(given, element.values, element.name)
    plus, minus = element.nodes
    return starts.get(plus, 0.0) - starts.get(minus, 0.0)


def _current_source(assembly: _Assembly, element: Element) -> None:
    assembly.leave(element, assembly.source_value(element))


def _voltage_source(assembly: _Assembly, element: Element) -> None:
    """Eliminated by joining its nodes."""


def _device(assembly: _Assembly, element: Element) -> None:
    subcircuit = cast("DeviceSubCircuit | StaticDeviceSubCircuit", element.subcircuit)
    form, dynamic = subcircuit.device.expressions, isinstance(subcircuit, DeviceSubCircuit)
    names: dict[sp.Symbol, sp.Expr] = {form.voltage: assembly.voltage(element)}
    for symbol in form.parameters:
        name = f"{element.name}.{symbol.name}"
        names[symbol] = assembly.parameter(name, element.values[symbol.name], positive=symbol.is_positive)
    for symbol in form.states:
        if dynamic:
            names[symbol] = sp.Symbol(f"v({element.name}.{symbol.name})", real=True)
        else:
            names[symbol] = assembly.parameter(f"{element.name}.{symbol.name}", element.values[symbol.name])
    if dynamic:
        for symbol, rate in zip(form.states, form.rates, strict=True):
            assembly.states[names[symbol]] = (rate.xreplace(names), element.values[f"{symbol.name}_0"])
            spec = subcircuit.device.states[symbol.name]
            assembly.bounds[names[symbol]] = (spec.low, spec.high)
    assembly.leave(element, form.current.xreplace(names))


_STAMPS: dict[str, Callable[[_Assembly, Element], None]] = {
    "Resistor": _resistor,
    "Capacitor": _capacitor,
    "CurrentSource": _current_source,
    "VoltageSource": _voltage_source,
    "Device": _device,
}


def _collect(assembly: _Assembly) -> NodalEquations:
    free = sorted(
        {s for p in assembly.potential.values() for s in p.free_symbols if s.name.startswith("v(")}, key=str
    )
    unknowns = (*assembly.states, *free)
    position = {symbol: index for index, symbol in enumerate(unknowns)}
    inputs = tuple(sp.Symbol(name, real=True) for name in assembly.inputs)
    rates = tuple(sp.Symbol(f"d{name}/dt", real=True) for name in assembly.inputs)
    mass: dict[tuple[int, int], sp.Expr] = {(position[s], position[s]): sp.S.One for s in assembly.states}
    flow = [rate for rate, _ in assembly.states.values()] + [sp.S.Zero] * len(free)
    charge = [sp.Float(value) for _, value in assembly.states.values()] + [sp.S.Zero] * len(free)

    def weights(voltage: sp.Expr) -> dict[sp.Symbol, sp.Expr]:
        return {symbol: sp.diff(voltage, symbol) for symbol in voltage.free_symbols if symbol in position}

    for node, current in assembly.kcl.items():
        for symbol, weight in weights(assembly.potential[node]).items():
            flow[position[symbol]] -= weight * current
    for plus, minus, capacitance, start in assembly.capacitors:
        across = assembly.potential[plus] - assembly.potential[minus]
        own = weights(across)
        slope = sum((sp.diff(across, u) * du for u, du in zip(inputs, rates, strict=True)), sp.S.Zero)
        for symbol, weight in own.items():
            row = position[symbol]
            flow[row] -= weight * capacitance * slope
            charge[row] += weight * capacitance * (start - across.subs(dict.fromkeys(own, 0)))
            for other, other_weight in own.items():
                key = row, position[other]
                mass[key] = mass.get(key, sp.S.Zero) + weight * other_weight * capacitance
    waveforms = {f"v({node})": potential for node, potential in assembly.potential.items() if node != GROUND}
    waveforms |= {symbol.name: symbol for symbol in assembly.states}
    mass = {key: entry for key, entry in mass.items() if entry != 0}
    return NodalEquations(
        unknowns,
        inputs,
        rates,
        assembly.parameters,
        mass,
        tuple(flow),
        tuple(charge),
        assembly.bounds,
        waveforms,
    )
