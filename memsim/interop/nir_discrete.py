"""Networks of discrete neurons as NIR graphs: Affine and Conv2d nodes, neuron nodes, loops for recurrence, AvgPool2d.

Weights stand in their nodes as they are. What NIR cannot say, leaks and thresholds to the last digit, and that a reset
subtracts, travels as metadata: memsim reads its own graphs back bit for bit.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, cast

import nir
import numpy as np
import torch
from torch import nn

from memsim.errors import CheckpointError, InputError
from memsim.hdf5 import DAMAGED
from memsim.interop.nir_layers import Layer, conv_node, layers_of, pool_node
from memsim.interop.nir_neurons import discrete_neuron, neuron_node
from memsim.networks.discrete import Fixed, Learned, Reset, Spike
from memsim.networks.discrete_neurons import DiscreteNeuron
from memsim.networks.gates import Identity
from memsim.networks.geometry import Convolution, as_image
from memsim.networks.layer_table import LayerTable
from memsim.networks.network import Network
from memsim.networks.predictions import Prediction
from memsim.networks.scans import TIME
from memsim.networks.scores import mean
from memsim.networks.spiking import SpikingNetwork
from memsim.networks.synapses import Ideal

__all__ = ["spiking_from_nir", "spiking_to_nir"]

METADATA, DISCRETE = "memsim", "discrete"
DT = 1e-4
"""Length of a step where none is known [s]: that of snnTorch and SpikingJelly."""
Shape = tuple[int, ...]


def spiking_to_nir(network: SpikingNetwork, dt: float = DT) -> nir.NIRGraph:
    """A network of discrete neurons as a NIR graph.

    Args:
        network: the network; not mapped to hardware.
        dt: what one step is to be [s].

    Raises:
        InputError: a part that NIR has no node for.
    """
    if network.readout is not mean:
        raise InputError(
            "the network has scores of its own, which NIR has no word for: a graph ends with the membranes of its last "
            "layer, and comes back with their mean; set network.readout to memsim.networks.scores.mean to export it"
        )
    shape = first = _input_shape(network)
    nodes: dict[str, nir.NIRNode] = {}
    check_chain(network)
    for number, (synapses, neurons) in enumerate(zip(network.synapses, network.neurons, strict=True)):
        resampling = network.chain[number].resampling
        if resampling is not None:
            nodes[f"pool_{number}"], shape = pool_node(resampling), resampling.shape
        if isinstance(synapses, nn.Linear) and len(shape) > 1:
            nodes[f"flatten_{number}"] = nir.Flatten({"input": np.array(shape)}, start_dim=0, end_dim=-1)
        nodes[f"synapses_{number}"], shape = _synapse_node(synapses, shape)
        nodes[f"neurons_{number}"] = neuron_node(neurons, shape, dt)
    chain = {"input": nir.Input(np.array(first)), **nodes, "output": nir.Output(np.array(shape))}
    edges = list(pairwise(chain))
    for number, layer in enumerate(network.chain):
        if layer.recurrent is not None:
            loop, neurons_of = f"recurrent_{number}", f"neurons_{number}"
            chain[loop], _ = _synapse_node(cast("Ideal", layer.recurrent).module, ())
            edges += [(neurons_of, loop), (loop, neurons_of)]
    made = all(map(_is_default, network.neurons)) and not network.neurons[-1].spiking
    own = {METADATA: _own(network, dt)} if made else {}
    return nir.NIRGraph(nodes=chain, edges=edges, metadata=own)


def check_chain(network: Network) -> None:
    """Raise InputError where layers are more than a chain, with loops."""
    for layer in network.chain:
        parts = {
            "has connections besides those from the layer before": len(layer.connections) > 0,
            "has a delay": layer.delay is not None,
            f"hears {layer.source!r} in the place of the layer before": layer.source is not None,
            f"is stepped over {layer.over}s": layer.over != TIME,
            "has a normalisation": layer.norm is not None,
            "is a convolution that hears itself": layer.recurrent is not None and len(layer.shape) > 1,
            "predicts what it hears": isinstance(layer.recurrent, Prediction),
            "has a gate": not isinstance(layer.gate, Identity),
            "has groups of signed channels, whose lines they reorder": layer.synapse.reorders,
        }
        for what in [what for what, there in parts.items() if there]:
            raise InputError(
                f"layer {layer.name!r} {what}, which NIR graphs of memsim do not have; export a chain without it"
            )


def spiking_from_nir(
    graph: nir.NIRGraph, dt: float = DT, *, reset: Reset | None = None, spike: Spike | None = None
) -> SpikingNetwork:
    """A network of discrete neurons from a NIR graph.

    A graph that memsim wrote comes back as it was. Any other must be a chain of Linear, Affine or Conv2d nodes with a
    neuron node after each, the last dense; hidden dense layers may be driven by their own spikes of the step before.
    AvgPool2d and SumPool2d nodes of windows side by side may stand before synapses; weights behind a sum become larger
    by the pixels of its windows, as memsim's are averages.
    Leaks and thresholds of such a graph stay as they are when the network is trained.

    Args:
        graph: the network.
        dt: of a step of a graph from elsewhere [s]; NIR leaves it to the reader.
        reset: in place of NIR's, which sets membranes to v_reset; snnTorch's graphs mean `Reset(when="next")`.
        spike: and its slope.

    Raises:
        InputError: a part that such a network does not have.
        CheckpointError: memsim's own metadata that do not fit together.
    """
    if not 0 < dt < float("inf"):
        raise InputError(f"dt = {dt!r} s is out of range; allowed: above 0")
    shape, layers = layers_of(graph)
    network = _synapses(shape, layers)
    own = graph.metadata.get(METADATA) if isinstance(graph.metadata, Mapping) else None
    if isinstance(own, Mapping) and DISCRETE in own:
        _restore(network, own)
        return network
    for number, (layer, places) in enumerate(
        zip(layers, (layer.shape for layer in network.chain), strict=True)
    ):
        neurons = discrete_neuron(layer.neurons, dt, layer.name, reset, spike)
        network.chain[number].neuron = neurons.shaped(places)
    return network.to(_dtype(layers))


def _synapses(shape: Shape, layers: list[Layer]) -> SpikingNetwork:
    """A network with the weights of the graph."""
    network = SpikingNetwork(
        shape,
        len(layers[-1].synapses.weight),
        [*(_table(layer) for layer in layers[:-1]), LayerTable(pool=layers[-1].window)],
    )
    for synapses, made, layer in zip(network.synapses, network.chain, layers, strict=True):
        _fill(synapses, layer.synapses, f"before {layer.name}", layer.scale)
        if layer.recurrent is not None:
            _fill(cast("Ideal", made.recurrent).module, layer.recurrent, f"after {layer.name}")
    return network.to(_dtype(layers))


def _synapse_node(synapses: nn.Module, shape: Shape) -> tuple[nir.NIRNode, Shape]:
    """The node of a layer's synapses, and the shape of what comes out."""
    if not isinstance(synapses, nn.Linear | nn.Conv2d):
        raise InputError(
            f"{type(synapses).__name__} is no node of NIR; export the network before it is mapped"
        )
    weight = synapses.weight.detach().cpu().numpy()
    bias = None if synapses.bias is None else synapses.bias.detach().cpu().numpy()
    if isinstance(synapses, nn.Linear):
        return nir.Linear(weight) if bias is None else nir.Affine(weight, bias), (len(weight),)
    conv: Any = synapses
    bias = np.zeros(len(weight), weight.dtype) if bias is None else bias
    numbers = {name: getattr(conv, name) for name in ("stride", "padding", "dilation", "groups")}
    node = conv_node(shape, weight, bias, **numbers)
    return node, tuple(int(side) for side in node.output_type["output"])


def _input_shape(network: SpikingNetwork) -> Shape:
    first = network.chain[0]
    image = first.resampling is not None or isinstance(network.synapses[0], nn.Conv2d)
    return as_image(network.shape) if image else network.shape


def _is_default(neurons: nn.Module) -> bool:
    """Whether the neurons are those that a SpikingNetwork makes, so that two numbers say all."""
    return (
        isinstance(neurons, DiscreteNeuron)
        and type(neurons.leak) is type(neurons.threshold) is Learned
        and isinstance(neurons.gain, Fixed)
        and isinstance(neurons.gain.number, float)
        and neurons.gain.number == 1
        and (neurons.reset, neurons.spike) == (Reset(), Spike())
        and not len(neurons.compartments)
        and not neurons.leak.raw.shape
        and not neurons.threshold.raw.shape
    )


def _own(network: SpikingNetwork, dt: float) -> dict[str, object]:
    numbers = {
        name: value.cpu().numpy() for name, value in nn.ModuleList(network.neurons).state_dict().items()
    }
    tensors = {name: np.atleast_1d(value) for name, value in numbers.items()}  # HDF5 compresses no scalars
    return {DISCRETE: json.dumps({"shape": network.shape, "dt": dt}), "tensors": tensors}


def _restore(network: SpikingNetwork, own: Mapping[str, Any]) -> None:
    """Neurons as memsim wrote them."""
    try:
        text = own[DISCRETE]
        shape = tuple(json.loads(text.decode() if isinstance(text, bytes) else str(text))["shape"])
        if math.prod(shape) != math.prod(network.shape):
            raise ValueError(f"inputs of {shape} are not those of the graph")
        tensors = {
            name: torch.tensor(np.asarray(value)).reshape(()) for name, value in own["tensors"].items()
        }
        if not all(bool(value.isfinite()) for value in tensors.values()):
            raise ValueError("numbers of neurons are not finite")
        nn.ModuleList(network.neurons).load_state_dict(tensors, assign=True)
        network.shape = shape
    except DAMAGED as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"memsim's metadata in the NIR graph do not fit together: {reason}") from None


def _fill(synapses: nn.Module, node: Any, name: str, scale: float = 1.0) -> None:
    """Weights, times a scale, and bias of a node, which must have the shape of the synapses."""
    module: Any = synapses
    weight = torch.tensor(np.asarray(node.weight)) * scale
    bias = getattr(node, "bias", None)
    if weight.shape != module.weight.shape:
        raise InputError(
            f"the node {name} has weights of shape {tuple(weight.shape)}; its inputs ask for "
            f"{tuple(module.weight.shape)}"
        )
    if not (bool(torch.isfinite(weight).all()) and (bias is None or np.isfinite(bias).all())):
        raise InputError(f"the node {name} has weights or biases that are not finite; correct them")
    module.weight = nn.Parameter(weight)
    module.register_parameter("bias", None if bias is None else nn.Parameter(torch.tensor(np.asarray(bias))))


def _dtype(layers: list[Layer]) -> torch.dtype:
    found = np.result_type(np.float32, *(layer.synapses.weight for layer in layers))
    return torch.float64 if found == np.float64 else torch.float32


def _table(layer: Layer) -> LayerTable:
    """A layer as networks are told of it."""
    more = {"pool": layer.window, "recurrent": layer.recurrent is not None}
    return LayerTable.of(_layout(layer)).model_copy(update=more)


def _layout(layer: Layer) -> int | Convolution:
    node = layer.synapses
    if not isinstance(node, nir.Conv2d):
        return len(node.weight)
    sides = {"kernel": node.weight.shape[2:], "stride": node.stride, "padding": node.padding}
    square = all(not isinstance(side, str) and side[0] == side[1] for side in sides.values())
    if not square or tuple(np.atleast_1d(node.dilation)) not in {(1,), (1, 1)}:
        raise InputError(
            f"the Conv2d before {layer.name!r} has dilation, or sides that differ; allowed: square kernels, not dilated"
        )
    numbers = {name: int(side[0]) for name, side in sides.items()}
    return Convolution(channels=len(node.weight), groups=int(node.groups), **numbers)
