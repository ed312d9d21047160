"""NIR graphs as layers: synapses and neurons in turn, the neurons perhaps driven by themselves."""

from __future__ import annotations

from typing import Any, NamedTuple

import nir

from memsim.errors import InputError
from memsim.interop.nir_neurons import NEURONS

SYNAPSES = (nir.Linear, nir.Affine, nir.Conv2d)
Shape = tuple[int, ...]


class Layer(NamedTuple):
    """Nodes of one layer, with their names."""

    name: str
    synapses: Any
    neurons: Any
    recurrent: Any = None


def layers_of(graph: nir.NIRGraph) -> tuple[Shape, list[Layer]]:
    """Shape of the input, and layers in order.

    Raises:
        InputError: the graph is no chain of layers with at most one recurrence.
    """
    nodes, edges = _inlined(graph)
    following = {name: [b for a, b in edges if a == name] for name in nodes}
    loops = {
        name: next((b for b in after if name in following[b] and len(following[b]) == 1), None)
        for name, after in following.items()
        if isinstance(nodes[name], NEURONS)
    }
    inputs = [name for name, node in nodes.items() if isinstance(node, nir.Input)]
    if len(inputs) != 1:
        raise InputError(f"the NIR graph has {len(inputs)} inputs; networks of layers have one")
    name, layers, synapses, seen = inputs[0], [], None, 1
    while not isinstance(nodes[name], nir.Output):
        after = [one for one in following[name] if one != loops.get(name)]
        if len(after) != 1:
            raise InputError(
                f"the NIR graph branches or ends at node {name!r}; networks are chains of layers"
            )
        (name,) = after
        node, seen = nodes[name], seen + 1
        if seen > len(nodes):
            raise InputError(f"the NIR graph comes back to node {name!r}; only neurons may drive themselves")
        if isinstance(node, NEURONS) and synapses is not None:
            loop = loops[name]
            layers.append(Layer(name, synapses, node, None if loop is None else nodes[loop]))
            synapses, seen = None, seen + (loop is not None)
        elif isinstance(node, SYNAPSES) and synapses is None:
            synapses = node
        elif not isinstance(node, nir.Flatten | nir.Output):
            raise InputError(
                f"node {name!r} is a {type(node).__name__}; at this place networks have "
                f"{'synapses' if synapses is None else 'neurons'}"
            )
    _check_layers(layers, complete=seen == len(nodes) and synapses is None)
    return tuple(int(side) for side in nodes[inputs[0]].input_type["input"]), layers


def _check_layers(layers: list[Layer], *, complete: bool) -> None:
    if not complete or not layers or isinstance(layers[-1].synapses, nir.Conv2d):
        raise InputError("the NIR graph must be one chain of synapses and neurons, the last of them dense")
    for place, layer in enumerate(layers):
        if layer.recurrent is None:
            continue
        if place != len(layers) - 2 or isinstance(layer.synapses, nir.Conv2d):
            raise InputError(
                f"node {layer.name!r} drives itself; only the last hidden layer may, a dense one"
            )
        if not isinstance(layer.recurrent, nir.Linear | nir.Affine):
            raise InputError(f"node {layer.name!r} drives itself through a node that is not Linear or Affine")


def _inlined(graph: nir.NIRGraph, prefix: str = "") -> tuple[dict[str, nir.NIRNode], list[tuple[str, str]]]:
    """Nodes and edges of a graph, with those of the graphs inside it in their places."""
    nodes: dict[str, nir.NIRNode] = {}
    edges = [(f"{prefix}{a}", f"{prefix}{b}") for a, b in graph.edges]
    for name, node in graph.nodes.items():
        if not isinstance(node, nir.NIRGraph):
            nodes[prefix + name] = node
            continue
        within, joined = _inlined(node, f"{prefix}{name}.")
        ends = {one: end for one, end in within.items() if isinstance(end, nir.Input | nir.Output)}
        nodes |= {one: node for one, node in within.items() if one not in ends}
        entries = [b for a, b in joined if isinstance(ends.get(a), nir.Input)]
        exits = [a for a, b in joined if isinstance(ends.get(b), nir.Output)]
        edges = [edge for a, b in edges for edge in _rewired(a, b, prefix + name, entries, exits)]
        edges += [(a, b) for a, b in joined if a not in ends and b not in ends]
    return nodes, edges


def _rewired(a: str, b: str, name: str, entries: list[str], exits: list[str]) -> list[tuple[str, str]]:
    """An edge that began or ended at a graph, at the nodes within it."""
    return [(x, y) for x in (exits if a == name else [a]) for y in (entries if b == name else [b])]
