"""The network that tables describe."""

from __future__ import annotations

import torch

from memsim.networks.geometry import Convolution, as_image
from memsim.networks.memristive import MemristiveNetwork
from memsim.networks.network import INPUT, Network
from memsim.networks.parts import check_added, names_of
from memsim.networks.spiking import SpikingNetwork
from memsim.networks.tables import LayerTable, NetworkTable


def build_network(shape: tuple[int, ...], classes: int, table: NetworkTable) -> Network:
    """The untrained network of a study: memristive circuits, or discrete neurons.

    Args:
        shape: of one input: (features,), (height, width) or (channels, height, width).
        classes: neurons of the last layer.
        table: what it is.

    Raises:
        InputError: parts that do not exist or do not fit.
    """
    if not table.discrete:
        return MemristiveNetwork(shape, classes, table)
    generator = torch.Generator().manual_seed(table.seed)
    layers = [_of_network(layer, table) for layer in table.every_layer]
    return SpikingNetwork(
        shape, classes, layers, steps=table.time_steps, generator=generator, synapses=table.synapses
    )


def _of_network(layer: LayerTable, network: NetworkTable) -> LayerTable:
    """The table of a layer, with what the network says where it says nothing."""
    lif = network.lif if layer.lif is None else layer.lif.over(network.lif)
    return layer.model_copy(update={"synapse": layer.synapse or network.synapse, "lif": lif})


def check_network(table: NetworkTable) -> None:
    """Look for what is wrong with a network whatever its inputs and classes are, in no time.

    Raises:
        InputError: names, connections, devices, parameters, drives or readouts that do not exist or do not fit.
    """
    layers = tuple(map(_of_one_neuron, table.every_layer))
    small = table.model_copy(update={"hidden": (), "recurrent": False, "layers": layers})
    with torch.random.fork_rng(devices=()):  # which torch's own layers draw from when they are made
        build_network((1,), 1, small)
    _check_shapes(table)


def _of_one_neuron(layer: LayerTable) -> LayerTable:
    neurons = None if layer.layout is None else 1
    plain = {"channels": None, "kernel": None, "stride": 1, "padding": 0}
    return layer.model_copy(update={"neurons": neurons, **plain})


def _check_shapes(table: NetworkTable) -> None:
    """Raise InputError where layers whose sizes are known do not fit each other."""
    known: dict[str, tuple[int, ...]] = {}
    before = INPUT
    for name, layer in zip(names_of(table.every_layer), table.every_layer, strict=True):
        layout = layer.layout
        if isinstance(layout, Convolution) and before in known:
            as_image(known[before])
        if isinstance(layout, int):
            known[name] = (layout,)
            for source in known.keys() & set(layer.sources if layer.join == "spike" else ()):
                check_added(name, layout, source, *known[source])
        before = name
