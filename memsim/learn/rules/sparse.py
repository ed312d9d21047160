"""Backpropagation through the few neurons that are near their thresholds, in which all of the gradient is.

The gradient is that of backpropagation through time with the same slope: what is left out is zero, or is not asked for.
Equations are in memsim.learn.rules.lists.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.learn.rules.base import RunAnew
from memsim.learn.rules.checks import has_bias, is_dense, number_of
from memsim.learn.rules.lists import Listed, current, fired
from memsim.networks.discrete import Reset
from memsim.networks.discrete_neurons import DiscreteNeuron
from memsim.networks.layer import Layer
from memsim.networks.spiking import SpikingNetwork
from memsim.networks.synapses import Ideal


class SparseBPTT(RunAnew):
    """Backpropagation through time by lists of the neurons whose spikes have a slope.

    Raises:
        InputError: `grads` raises it for networks that it does not know: what it takes are chains of dense layers
            without bias, of neurons with a fixed leak and threshold, whose resets subtract in the next step without
            gradient, whose spikes have a support, and whose delays are not trained.
    """

    def prepared(self, network: nn.Module) -> SpikingNetwork:
        return _checked(network)

    def scores(
        self,
        network: SpikingNetwork,
        inputs: Tensor,
        *,
        masks: Sequence[Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Scores [batch, classes] of the network itself; arguments as for the network.

        Raises:
            InputError: dropout, which lists do not know.
        """
        if masks is not None:
            raise InputError("rule 'sparse' has no dropout; leave training.dropout out")
        heard = Listed(network.drive(network.on_lines(inputs), generator).over(()).values)  # type: ignore[arg-type]
        *hidden, last = network.chain
        for layer in hidden:
            heard = fired(_late(layer, heard), _weight(layer), _neuron(layer))
        bias = cast("nn.Linear", cast("Ideal", last.synapse).module).bias
        summed = current(_late(last, heard), _weight(last))
        out, _ = last(summed if bias is None else summed + bias)
        return network.readout(out)


def _late(layer: Layer, heard: Listed) -> Listed:
    return heard if layer.delay is None else heard.later(round(layer.delay.longest))


def _weight(layer: Layer) -> Tensor:
    return cast("nn.Linear", cast("Ideal", layer.synapse).module).weight


def _neuron(layer: Layer) -> DiscreteNeuron:
    return cast("DiscreteNeuron", layer.neuron)


def _checked(network: nn.Module) -> SpikingNetwork:
    """A network that this rule takes.

    Raises:
        InputError: what it lacks.
    """
    if not isinstance(network, SpikingNetwork):
        raise InputError("rule 'sparse' is of discrete neurons; give steps, and leave neuron out")
    hidden = [_neuron(layer) for layer in network.chain[:-1]]
    needs = {
        "is of chains of dense layers": all(is_dense(layer, delayed=True) for layer in network.chain),
        "is of delays that are not trained": not any(
            layer.delay is not None and layer.delay.trained is not None for layer in network.chain
        ),
        "is of hidden layers without bias; give bias = false": not any(map(has_bias, network.chain[:-1])),
        'is of resets that subtract in the next step; give reset = {when = "next"}': all(
            one.reset == Reset(when="next", amount=one.reset.amount) for one in hidden
        ),
        "is of leaks and thresholds that are numbers": all(
            math.isfinite(number_of(policy)) for one in hidden for policy in (one.leak, one.threshold)
        ),
        "is of neurons without compartments or gain": not any(
            one.compartments or number_of(one.gain) != 1 for one in hidden
        ),
        "is of spikes with a support; give spike = {support = 0.2, relative = false}": all(
            one.spike.support is not None and not one.spike.relative and one.spike.centre is None
            for one in hidden
        ),
    }
    for what, there in needs.items():
        if not there:
            raise InputError(f"rule 'sparse' {what}, or choose another rule")
    return network
