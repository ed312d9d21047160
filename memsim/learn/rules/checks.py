"""What rules ask of layers."""

from __future__ import annotations

import math

import torch
from torch import nn

from memsim.errors import InputError
from memsim.networks.discrete import Coefficient, Fixed
from memsim.networks.gates import Identity
from memsim.networks.layer import Layer
from memsim.networks.scans import TIME
from memsim.networks.spiking import Presented, SpikingNetwork
from memsim.networks.synapses import Ideal


def of_discrete_neurons(network: nn.Module, rule: str) -> SpikingNetwork:
    """A network of discrete neurons that see spikes step by step; InputError, which names the rule, for another."""
    if not isinstance(network, SpikingNetwork) or not isinstance(network.drive, Presented):
        raise InputError(f"rule {rule!r} is of discrete neurons; give steps, and leave neuron out")
    return network


def number_of(policy: Coefficient) -> float:
    """A leak, threshold or gain that is one number and stays; NaN where it is not."""
    if not isinstance(policy, Fixed) or torch.as_tensor(policy.number).numel() != 1:
        return math.nan
    return float(policy.number)


def hears_one(layer: Layer, *, delayed: bool = False, itself: bool = False) -> bool:
    """Whether a layer hears the one before, over time, and nothing else.

    Args:
        layer: it.
        delayed: whether what comes in may be late.
        itself: whether it may hear itself, too.
    """
    loop = None if itself else layer.recurrent
    others = (loop, layer.resampling, layer.source, layer.norm, layer.connections or None)
    on_time = delayed or layer.delay is None
    plain = layer.over == TIME and isinstance(layer.gate, Identity)
    return plain and on_time and not any(one is not None for one in others)


def is_dense(layer: Layer, *, delayed: bool = False) -> bool:
    """Whether a layer is a product with a plain matrix and neurons over time; delays as for `hears_one`."""
    plain = isinstance(layer.synapse, Ideal) and isinstance(layer.synapse.module, nn.Linear)
    return plain and hears_one(layer, delayed=delayed)


def has_bias(layer: Layer) -> bool:
    """Whether its matrix has one."""
    return isinstance(layer.synapse, Ideal) and getattr(layer.synapse.module, "bias", None) is not None
