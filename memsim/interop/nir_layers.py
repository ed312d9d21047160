"""NIR graphs as layers: synapses and neurons in turn, the neurons perhaps driven by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import nir
import numpy as np

from memsim.errors import InputError
from memsim.interop.nir_neurons import NEURONS
from memsim.networks.lines import Resampling, Upsample

SYNAPSES = (nir.Linear, nir.Affine, nir.Conv2d)
POOLS = (nir.AvgPool2d, nir.SumPool2d)
Shape = tuple[int, ...]


class Layer(NamedTuple):
    """Nodes of one layer, with their names."""

    name: str
    synapses: Any
    neurons: Any
    recurrent: Any = None
    pool: Any = None

    @property
    def window(self) -> int | None:
        """Side of the windows in front of the synapses; None where there are none.

        Raises:
            InputError: windows that are not squares side by side.
        """
        if self.pool is None:
            return None
        sizes, strides, rims = (
            {int(side) for side in np.atleast_1d(getattr(self.pool, name))}
            for name in ("kernel_size", "stride", "padding")
        )
        if len(sizes) != 1 or strides != sizes or rims != {0}:
            raise InputError(
                f"the {type(self.pool).__name__} before {self.name!r} has windows of {sorted(sizes)} every "
                f"{sorted(strides)} pixels with a rim of {sorted(rims)}; allowed: squares side by side, no rim"
            )
        return sizes.pop()

    @property
    def scale(self) -> float:
        """By which synapses behind averages have to be larger: of sums of windows, by the pixels of one."""
        return float(self.window or 1) ** 2 if isinstance(self.pool, nir.SumPool2d) else 1.0


def conv_node(shape: Shape, weight: Any, bias: Any, **numbers: Any) -> nir.Conv2d:
    """A convolution of an image (channels, height, width); `numbers` are stride, padding, dilation and groups."""
    node = nir.Conv2d(tuple(shape[1:]), weight, bias=bias, **numbers)
    _all_channels(node)
    return node


def read_graph(path: Path) -> nir.NIRGraph:
    """The graph in a file, its types checked; nir.read itself finds those of convolutions in groups wrong."""
    graph = nir.read(path, type_check=False)
    for node in graph.nodes.values():
        if isinstance(node, nir.Conv2d):
            _all_channels(node)
    graph.infer_types()
    graph.check_types()
    return graph


def _all_channels(node: nir.Conv2d) -> None:
    """Type of the input: NIR takes the channels of one group for those of the image."""
    if node.input_type["input"] is not None:
        channels = int(node.groups) * node.weight.shape[1]
        node.input_type = {"input": np.array([channels, *node.input_shape])}


def pool_node(resampling: Resampling) -> nir.AvgPool2d:
    """Averages over windows side by side.

    Raises:
        InputError: copies of pixels, which NIR has no node for.
    """
    if isinstance(resampling, Upsample):
        raise InputError(
            f"upsample = {resampling.side} has no node in NIR; leave it out of networks that are to be graphs"
        )
    side = resampling.side
    return nir.AvgPool2d(np.array([side, side]), np.array([side, side]), np.array([0, 0]))


def layers_of(graph: nir.NIRGraph) -> tuple[Shape, list[Layer]]:
    """Shape of the input, and layers in order.

    Raises:
        InputError: the graph is no chain of layers, of which some drive themselves.
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
    name, layers, synapses, pool, seen = inputs[0], [], None, None, 1
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
            layers.append(Layer(name, synapses, node, None if loop is None else nodes[loop], pool))
            synapses, pool, seen = None, None, seen + (loop is not None)
        elif isinstance(node, POOLS) and synapses is pool is None:
            pool = node
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
    for layer in layers:
        if layer.recurrent is None:
            continue
        if layer is layers[-1] or isinstance(layer.synapses, nir.Conv2d):
            raise InputError(f"node {layer.name!r} drives itself; only hidden layers may, dense ones")
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
