"""The network that tables describe."""

from __future__ import annotations

import torch

from memsim.networks.memristive import MemristiveNetwork
from memsim.networks.network import Network
from memsim.networks.spiking import SpikingNetwork
from memsim.networks.tables import LayerTable, NetworkTable


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
    return SpikingNetwork(
        shape,
        classes,
        layers,
        steps=table.time_steps,
        generator=generator,
        synapses=table.synapses,
        inputs=table.inputs,
        rails=rails,
    )


def _of_network(layer: LayerTable, network: NetworkTable) -> LayerTable:
    """The table of a layer, with what the network says where it says nothing."""
    lif = network.lif if layer.lif is None else layer.lif.over(network.lif)
    return layer.model_copy(update={"synapse": layer.synapse or network.synapse, "lif": lif})
