"""The network that tables describe."""

from __future__ import annotations

import torch

from memsim.errors import InputError
from memsim.networks.geometry import Convolution, as_image
from memsim.networks.layer_table import LayerTable
from memsim.networks.memristive import MemristiveNetwork
from memsim.networks.network import INPUT, Network
from memsim.networks.parts import check_added, names_of
from memsim.networks.scores import Scores, classes_of, scores_of
from memsim.networks.skips import CURRENT, STEPS
from memsim.networks.spikes import coding_of
from memsim.networks.spiking import SpikingNetwork
from memsim.networks.tables import NetworkTable

OF_SHAPES = "pool", "upsample", "join", "norm", "gate", "order", "edges"
"""Entries of a layer that its own shape and those of what comes in decide on, beside those of a convolution."""


def build_network(shape: tuple[int, ...], classes: int, table: NetworkTable, *, rails: int = 1) -> Network:
    """The untrained network of a study: memristive circuits, or discrete neurons.

    Args:
        shape: of one input: (features,), (height, width) or (channels, height, width).
        classes: neurons of the last layer.
        table: what it is.
        rails: word lines of each channel of the input; 2 where the sign has a line of its own.

    Raises:
        InputError: parts that do not exist or do not fit.
    """
    if not table.discrete:
        return MemristiveNetwork(shape, classes, table, rails=rails)
    generator = torch.Generator().manual_seed(table.seed)
    layers = [_of_network(layer, table) for layer in table.every_layer]
    scores = scores_of(table.scores)
    return SpikingNetwork(
        shape,
        _outputs(scores, classes),
        layers,
        steps=table.time_steps,
        coding=coding_of(table.coding),
        scores=scores,
        generator=generator,
        synapses=table.synapses,
        initial_variance=table.initial_variance,
        inputs=table.inputs,
        rails=rails,
    )


def _outputs(scores: Scores, classes: int) -> int | None:
    """Neurons of the last layer; None where scores of so many classes are made of any number.

    Raises:
        InputError: scores of another number of classes.
    """
    made = classes_of(scores)
    if made is None:
        return classes
    if made != classes:
        raise InputError(
            f"these scores tell {made} classes apart, and the data have {classes}; choose other scores"
        )
    return None


def _of_network(layer: LayerTable, network: NetworkTable) -> LayerTable:
    """The table of a layer, with what the network says where it says nothing."""
    lif = network.lif if layer.lif is None else layer.lif.over(network.lif)
    return layer.model_copy(update={"synapse": layer.synapse or network.synapse, "lif": lif})


def check_network(table: NetworkTable) -> None:
    """Look for what is wrong with a network whatever its inputs and classes are, in no time.

    Raises:
        InputError: names, connections, devices, parameters, drives or readouts that do not exist or do not fit.
    """
    layers, inputs = tuple(map(_of_one_neuron, table.every_layer)), dict.fromkeys(table.inputs, 1)
    small = table.model_copy(update={"hidden": (), "recurrent": False, "layers": layers, "inputs": inputs})
    with torch.random.fork_rng(devices=()):  # which torch's own layers draw from when they are made
        build_network((max(1, len(inputs)),), classes_of(scores_of(table.scores)) or 1, small)
    _check_shapes(table)


def _of_one_neuron(layer: LayerTable) -> LayerTable:
    """Without all that its shape decides."""
    shapeless = {
        name: LayerTable.model_fields[name].default for name in (*Convolution.model_fields, *OF_SHAPES)
    }
    if layer.join == STEPS:
        del shapeless["join"]
    plain = dict.fromkeys(skip.layer for skip in layer.skips)
    return layer.model_copy(
        update={**shapeless, "sources": tuple(plain), "neurons": None if layer.layout is None else 1}
    )


def _check_shapes(table: NetworkTable) -> None:
    """Raise InputError where layers whose sizes are known do not fit each other."""
    known: dict[str, tuple[int, ...]] = {}
    before = INPUT
    for name, layer in zip(names_of(table.every_layer), table.every_layer, strict=True):
        layout, (main, others) = layer.layout, layer.fed_by(before, table.inputs)
        if main in known and (layer.pool or isinstance(layout, Convolution)):
            as_image(known[main])
        if isinstance(layout, int):
            known[name] = (layout,)
            for source in known.keys() & set(others if layer.join != CURRENT else ()):
                check_added(name, layout, source, *known[source])
        before = name
