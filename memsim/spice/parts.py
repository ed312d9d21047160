"""Electrically uncoupled parts of a circuit, which simulate faster apart than together.

In one deck a spike of one neuron costs Newton iterations and time steps for all: 100 uncoupled neurons take
about 4.5 times as long as 100 decks of one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from PySpice.Spice.Netlist import Circuit

from memsim.spice.groups import Groups

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUND = ("0", "gnd")
# Card lines of `circuit.raw_spice` that every part can carry; anything else may couple what it names.
HARMLESS_RAW = re.compile(r"\s*($|\*|\.(param|func|model|options?|temp|ic|nodeset)\b)", re.IGNORECASE)


class _Element:
    """Names that one element refers to, in lower case: its terminals, then the nodes it reads."""

    def __init__(self, element: object) -> None:
        words = re.sub(r"\s*=\s*", "=", str(element).lower()).split()
        self.name = words[0]
        self.kind = words[0][0]
        self.nodes = [str(node).lower() for node in element.nodes]  # type: ignore[attr-defined]
        expression = " ".join(words[1 + len(self.nodes) :])
        for pair in re.findall(r"\bv\(([^()]*)\)", expression):
            self.nodes += [node.strip() for node in pair.split(",")]
        self.currents = re.findall(r"\bi\(\s*([^()\s]+)\s*\)", expression)
        if self.kind in "fhw":
            self.currents.append(words[3])
        if self.kind == "k":
            self.currents += words[1:3]
        # A controlled voltage source gives a voltage as an independent one does, once what it reads is given.
        self.gives_voltage = self.kind in "ve" or (self.kind == "b" and expression.startswith("v="))
        self.gives_voltage = self.gives_voltage and not self.currents


def split(circuit: Circuit) -> list[Circuit]:
    """Parts of a circuit that cannot influence each other.

    A node held by ideal voltage sources against ground couples nothing: the sources are repeated in each part
    that needs them. Controlled and behavioural sources couple what they read with what they drive.

    Args:
        circuit: PySpice circuit; it is not changed, and the parts share its elements.

    Returns:
        The parts in order of their first element; the circuit itself where it is in one piece or carries raw
        lines, includes or global nodes, whose effect cannot be told.
    """
    if not _separable(circuit):
        return [circuit]
    elements = [_Element(element) for element in circuit.elements if element.enabled]
    holders = _holders(elements)
    groups = _coupled(elements, holders)
    members: dict[str, list[_Element]] = {}
    loose: list[_Element] = []  # between held nodes only, sources included
    for element in elements:
        free = [node for node in element.nodes if node not in holders and node not in GROUND]
        if free:
            members.setdefault(groups.root(free[0]), []).append(element)
        elif holders and element not in holders.values():
            loose.append(element)
    if len(members) < 2:
        return [circuit]
    parts = list(members.values())
    used = set().union(*(_with_sources(part, holders) for part in parts))
    parts[0] += loose + [source for source in holders.values() if source.name not in used]
    return [_part(circuit, _with_sources(part, holders), index) for index, part in enumerate(parts)]


def _separable(circuit: Circuit) -> bool:
    raw = circuit.raw_spice.splitlines()
    extra = circuit._includes or circuit._libs or circuit._global_nodes
    kinds = {element.name[0].lower() for element in circuit.elements}
    return not extra and all(HARMLESS_RAW.match(line) for line in raw) and not kinds & {"a", "p", "n"}


def _holders(elements: Sequence[_Element]) -> dict[str, _Element]:
    """For each node whose voltage is given, the ideal source that gives it, from ground outwards.

    A source whose current something else reads is no holder: repeating it would divide that current.
    """
    read = {name for element in elements for name in element.currents}
    sources = [element for element in elements if element.gives_voltage and element.name not in read]
    holders: dict[str, _Element] = {}
    growing = True
    while growing:
        growing = False
        for source in sources:
            fixed = [node in GROUND or node in holders for node in source.nodes]
            if fixed[:2].count(True) == 1 and all(fixed[2:]):
                holders[source.nodes[fixed.index(False)]] = source
                growing = True
    return holders


def _coupled(elements: Sequence[_Element], holders: dict[str, _Element]) -> Groups:
    groups = Groups()
    nodes_of = {element.name: element.nodes for element in elements}
    for element in elements:
        nodes = [*element.nodes, *(node for name in element.currents for node in nodes_of.get(name, []))]
        groups.join([node for node in nodes if node not in holders and node not in GROUND])
    return groups


def _with_sources(elements: Sequence[_Element], holders: dict[str, _Element]) -> set[str]:
    """Names of the elements and of all sources that hold their nodes, or hold those sources in turn."""
    names = {element.name for element in elements}
    waiting = [node for element in elements for node in element.nodes]
    while waiting:
        source = holders.get(waiting.pop())
        if source is not None and source.name not in names:
            names.add(source.name)
            waiting += source.nodes
    return names


def _part(circuit: Circuit, names: set[str], index: int) -> Circuit:
    elements = [element for element in circuit.elements if element.enabled and element.name.lower() in names]
    nodes = {node for element in elements for node in _Element(element).nodes}
    # PySpice's own `copy_to` would hook the old nodes to the new elements, and `copy` cannot copy a Circuit.
    part = Circuit.__new__(type(circuit))
    part.__dict__.update(circuit.__dict__)
    part.title = f"{circuit.title} part {index}"
    part._elements = type(circuit._elements)((element.name, element) for element in elements)
    part._nodes = {
        name: node for name, node in circuit._nodes.items() if name.lower() in nodes or name in GROUND
    }
    part.raw_spice = "\n".join(_raw_lines(circuit.raw_spice, nodes))
    return part


def _raw_lines(raw: str, nodes: set[str]) -> list[str]:
    """Raw cards of one part: initial conditions keep only the part's own nodes."""
    kept = []
    for line in raw.splitlines():
        if re.match(r"\s*\.(ic|nodeset)\b", line, re.IGNORECASE):
            entries = re.findall(r"(v\(([^()]*)\)\s*=\s*\S+)", line.lower())
            own = [entry for entry, node in entries if node.strip() in nodes]
            if own:
                kept.append(" ".join([line.split()[0], *own]))
        elif line.strip():
            kept.append(line)
    return kept
