"""Networks as NIR graphs, which spiking-network tools exchange (Pedersen et al., Nature Communications 15, 2024).

A layer becomes a linear node, whose weights are what the crossbar and its mirrors give, [A/V], and a neuron node. NIR
has no memristive neuron, so the node is the nearest one it has, with the circuit's own values:

    graded spikes        LI, a leaky integrator: R = dv/dI with states held at rest, tau the mean time of its response
    threshold switch     LIF: R and tau likewise, which are r_off and R C, threshold v_threshold, reset to v_hold

A recurrent layer has its lines as LI nodes and its crossbar as a linear one, from its neurons to themselves: exact, as
lines are leaky integrators.

What NIR cannot say, the study and every tensor, travels as metadata: memsim reads its own graphs back bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import nir
import numpy as np
import torch
from numpy.typing import NDArray

from memsim.errors import CheckpointError, InputError
from memsim.files import replacing
from memsim.hdf5 import DAMAGED, check_hdf5
from memsim.interop.nir_discrete import DISCRETE, METADATA, check_chain, spiking_from_nir, spiking_to_nir
from memsim.interop.nir_layers import conv_node, pool_node, read_graph
from memsim.learn import Study, make_study
from memsim.networks import Cell, MemristiveNetwork, SpikingNetwork
from memsim.networks.geometry import as_image
from memsim.networks.layer import Layer
from memsim.networks.named_cells import full_name, known_as
from memsim.networks.synapses import Convolutional, Dense, Grouped, OnCrossbar, OnCrossbars
from memsim.surrogate import CompiledCircuit
from memsim.surrogate.small_signal import small_signal

__all__ = ["from_nir", "read_nir", "spiking_from_nir", "spiking_to_nir", "to_nir", "write_nir"]

Array = NDArray[np.float64]


def write_nir(
    path: str | Path, network: MemristiveNetwork | SpikingNetwork, shape: tuple[int, ...] | None = None
) -> None:
    """Write a network as a NIR file (HDF5); arguments as for `to_nir`."""
    graph = to_nir(network, shape)
    with replacing(path) as temporary:
        nir.write(temporary, graph)


def read_nir(
    path: str | Path, study: Study | None = None, *, trust: bool = False
) -> MemristiveNetwork | SpikingNetwork:
    """Read a network from a NIR file; arguments and errors as for `from_nir`.

    Raises:
        CheckpointError: there is no such file, or it is not a NIR graph.
    """
    try:
        check_hdf5(Path(path))
        graph = read_graph(Path(path))
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist; give a NIR file") from None
    except InputError:
        raise
    except DAMAGED as error:
        raise CheckpointError(f"{path} is not a NIR graph ({error}); write it with nir.write") from None
    return from_nir(graph, study, trust=trust)


def to_nir(network: MemristiveNetwork | SpikingNetwork, shape: tuple[int, ...] | None = None) -> nir.NIRGraph:
    """A network as a NIR graph: a memristive one from word line voltages [V] to membrane potentials.

    Args:
        network: the network; one of discrete neurons as `spiking_to_nir` writes it.
        shape: of one input: (features,), (height, width) or (channels, height, width); discrete networks know theirs.

    Raises:
        InputError: no shape for a memristive network, or a part that NIR has no node for.
    """
    if isinstance(network, SpikingNetwork):
        return spiking_to_nir(network)
    if shape is None:
        raise InputError("shape = None, but a memristive network does not know that of its inputs; give it")
    _check_chain(network)
    nodes: list[nir.NIRNode] = []
    loops: dict[int, list[nir.NIRNode]] = {}
    image: tuple[int, ...] = shape
    for whole, layer, cell in zip(network.chain, network.synapses, network.cells, strict=True):
        if whole.resampling is not None:
            nodes.append(pool_node(whole.resampling))
            image = whole.resampling.shape
        if not isinstance(layer, Dense):
            image = as_image(image)
        elif len(image) > 1:
            nodes.append(nir.Flatten(input_type={"input": np.array(image)}, start_dim=0, end_dim=-1))
        nodes += [_linear(layer), _neurons(cell, layer.shape)]
        image = layer.shape
        if whole.recurrent is not None:
            loops[len(nodes)] = _loop(whole, cell)
    imaged = network.chain[0].resampling is not None or not isinstance(network.synapses[0], Dense)
    first, last = as_image(shape) if imaged else shape, image
    chain = [nir.Input(np.array(first)), *nodes, nir.Output(np.array(last))]
    names = [
        "input",
        *(f"{type(node).__name__.lower()}_{number}" for number, node in enumerate(nodes)),
        "output",
    ]
    graph, edges = dict(zip(names, chain, strict=True)), list(pairwise(names))
    for number, loop in loops.items():
        around = {
            f"{kind}_of_{names[number]}": node
            for kind, node in zip(("lines", "recurrent"), loop, strict=True)
        }
        graph |= around
        edges += pairwise([names[number], *around, names[number]])
    own = {
        "study": network.study.model_dump_json(exclude_none=True),
        "shape": np.array(shape),
        "classes": int(last[-1]),
        "tensors": {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()},
    }
    return nir.NIRGraph(nodes=graph, edges=edges, metadata={METADATA: own})


def _check_chain(network: MemristiveNetwork) -> None:
    """Refuse what the graph of a memristive network cannot say."""
    check_chain(network)
    for layer, synapse in zip(network.chain, network.synapses, strict=True):
        if synapse.bias is not None:
            raise InputError(
                f"layer {layer.name!r} has a bias line, which NIR graphs of memristive networks do not have; leave it "
                "out"
            )


def _loop(layer: Layer, cell: Cell) -> list[nir.NIRNode]:
    """From neurons to themselves: lines, tau dl/dt = v - rest - l, and the currents of their crossbar."""
    each = np.ones(layer.shape)
    lines = nir.LI(tau=cast("float", layer.tau) * each, r=each, v_leak=-cell.rest * each)
    return [lines, _linear(cast("Dense", layer.recurrent))]


def _linear(layer: OnCrossbars) -> nir.NIRNode:
    if isinstance(layer, Dense):
        return nir.Linear(_gain(layer))
    groups = layer.each if isinstance(layer, Grouped) else [cast("Convolutional", layer)]
    gain, c, (channels, *sides) = (
        np.concatenate([*map(_gain, groups)]),
        groups[0].convolution,
        groups[0].input_shape,
    )
    weight = gain.reshape(len(gain), channels, c.kernel, c.kernel)
    bias = np.zeros(len(gain), dtype=weight.dtype)
    numbers = {"stride": c.stride, "padding": c.padding, "dilation": 1, "groups": len(groups)}
    return conv_node((len(groups) * channels, *sides), weight, bias, **numbers)


def _gain(layer: OnCrossbar) -> Array:
    """Currents over voltages, [neurons, word lines] in S."""
    crossbar = layer.crossbar
    with torch.no_grad():
        return crossbar(torch.eye(len(crossbar.weight), dtype=crossbar.weight.dtype)).T.numpy()


def _neurons(cell: Cell, shape: tuple[int, ...]) -> nir.NIRNode:
    def each(value: float) -> Array:
        return np.full(shape, value)

    found = small_signal(CompiledCircuit(cell.circuit.circuit(), inputs=(cell.circuit.source,)), cell.output)
    resistance, tau = each(found.resistance), each(found.delay)
    for device in cell.circuit.devices:
        p = device.values
        if "v_threshold" in p and "v_hold" in p:
            return nir.LIF(tau, resistance, each(cell.rest), each(p["v_threshold"]), each(p["v_hold"]))
    return nir.LI(tau, resistance, each(cell.rest))


def from_nir(
    graph: nir.NIRGraph, study: Study | None = None, *, trust: bool = False
) -> MemristiveNetwork | SpikingNetwork:
    """A network from a NIR graph.

    A graph that memsim wrote comes back as it was. Any other must be a chain of dense layers, `Linear` or `Affine`
    without bias, with a neuron node after each. Its neurons become memristive ones of the study, and each weight matrix
    is scaled into the range of the conductances, its scale going into the mirrors relative to the other layers: a start
    for training, because the neurons are not the same. With discrete neurons, which are the same, `spiking_from_nir`
    reads such graphs.

    Args:
        graph: the network.
        study: neurons, devices and integration for a graph from elsewhere; its hidden layers are replaced.
        trust: run the code of the Python file of its neuron, where memsim's own graph names one.

    Raises:
        InputError: a part of the graph that memristive hardware of memsim does not have.
        CheckpointError: memsim's own metadata that does not fit together.
    """
    own = graph.metadata.get(METADATA) if isinstance(graph.metadata, Mapping) else None
    if isinstance(own, Mapping) and DISCRETE in own:
        return spiking_from_nir(graph)
    return _own(own, trust) if own is not None else _foreign(graph, study or make_study())


def _own(own: Mapping[str, Any], trust: bool) -> MemristiveNetwork:
    try:
        entries = json.loads(_text(own["study"]))
        study = make_study(**entries | {"neuron": full_name(entries["neuron"], Path.cwd(), trust=trust)})
        shape = tuple(int(side) for side in np.atleast_1d(own["shape"]))
        network = MemristiveNetwork(shape, int(own["classes"]), study)
        network.load_state_dict({name: torch.as_tensor(np.asarray(v)) for name, v in own["tensors"].items()})
    except DAMAGED as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"memsim's metadata in the NIR graph do not fit together: {reason}") from None
    return network


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _foreign(graph: nir.NIRGraph, study: Study) -> MemristiveNetwork:
    weights = _dense_weights(_chain(graph))
    scales = [float(np.abs(weight).max()) or 1.0 for weight in weights]
    table = study.synapses.mirror_ratio
    if table == "auto":
        table = known_as(study.neuron)[1].mirror_ratio
    base = table[0] if isinstance(table, tuple) else table
    ratios = tuple(base * scale / scales[0] for scale in scales)
    synapses = {**study.synapses.model_dump(exclude_none=True), "mirror_ratio": ratios}
    hidden = tuple(len(weight) for weight in weights[:-1])
    values = study.model_dump(exclude_none=True) | {"hidden": hidden, "synapses": synapses}
    network = MemristiveNetwork((weights[0].shape[1],), len(weights[-1]), make_study(**values))
    with torch.no_grad():
        for crossbar, weight, scale in zip(network.crossbars, weights, scales, strict=True):
            crossbar.weight.copy_(torch.as_tensor(weight.T / scale))
    return network


def _chain(graph: nir.NIRGraph) -> list[tuple[str, nir.NIRNode]]:
    """Nodes from the input to the output."""
    following = dict(graph.edges)
    if len(following) != len(graph.edges) or len(set(following.values())) != len(following):
        raise InputError("the NIR graph branches or joins; memsim's networks are chains of layers")
    name = next((name for name, node in graph.nodes.items() if isinstance(node, nir.Input)), None)
    chain: list[tuple[str, nir.NIRNode]] = []
    while name in graph.nodes and len(chain) <= len(graph.nodes):
        chain.append((str(name), graph.nodes[name]))
        name = following.get(name)
    if len(chain) != len(graph.nodes) or not isinstance(chain[-1][1], nir.Output):
        raise InputError("the NIR graph is no chain from one input to one output; memsim's networks are")
    return chain[1:-1]


def _matrix(name: str, weight: object, inputs: int | None) -> Array:
    """Weights [outputs, inputs] of a node.

    Raises:
        InputError: they are no matrix of numbers, or do not fit to the layer before.
    """
    try:
        matrix = np.asarray(weight, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"node {name!r} has weights that are no numbers; correct them") from None
    if matrix.ndim != 2 or not matrix.size or matrix.shape[1] != (inputs or matrix.shape[1]):
        wanted = f" for {inputs} inputs" if inputs else ""
        raise InputError(f"node {name!r} has weights of shape {matrix.shape}; give a matrix{wanted}")
    return matrix


def _dense_weights(chain: list[tuple[str, nir.NIRNode]]) -> list[Array]:
    weights: list[Array] = []
    expects_neurons = False
    for name, node in chain:
        if expects_neurons and isinstance(node, nir.LIF | nir.LI | nir.IF | nir.CubaLIF | nir.CubaLI):
            expects_neurons = False
        elif not expects_neurons and isinstance(node, nir.Linear | nir.Affine):
            if isinstance(node, nir.Affine) and np.any(node.bias):
                raise InputError(
                    f"node {name!r} has a bias, which a crossbar does not; add a constant input instead"
                )
            weights.append(_matrix(name, node.weight, len(weights[-1]) if weights else None))
            expects_neurons = True
        elif not isinstance(node, nir.Flatten):
            wanted = "a neuron node" if expects_neurons else "a Linear node"
            raise InputError(f"node {name!r} is a {type(node).__name__}; at this place memsim takes {wanted}")
    if not weights or expects_neurons:
        raise InputError("the NIR graph must be Linear and neuron nodes in turn, and end in neurons")
    if not all(np.isfinite(weight).all() for weight in weights):
        raise InputError("the NIR graph has weights that are not finite; correct them")
    return weights
