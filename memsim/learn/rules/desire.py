"""Desire backpropagation: each neuron is told to fire more, to fire less, or to stay as it is, and nothing finer.

    n = sum over t of z[t],    rate = n / (T - margin),    r = |d1 - rate|
    e = 1 - rate of the label, rate of others,    d0 = 1 where e > least,    d1 = 1 at the label        outputs
    q = W^T (r (2 d1 - 1) d0) of the layer behind,    d0 = 1 where |q| >= dead_zone,    d1 = 1 where q > 0    hidden
    x[t] = delta x[t-1] + S[t],    dL/dW = - sum over t of (2 d1 - 1) d0 z[t] x[t]                     the gradients

S are the spikes that come in, z those that go out, delta is the leak. Gradients are means over the batch, so that
plain descent at the rate eta makes the published step for a batch of one. W^T is a read of the array from its other
side, and a dead zone of 0 leaves of q its sign.

Gerlinghoff, Luo, Goh and Wong, Desire backpropagation: a lightweight training algorithm for multi-layer spiking neural
networks based on spike-timing-dependent plasticity, Neurocomputing 560, 126773, 2023, arXiv:2211.05412.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from memsim.errors import InputError
from memsim.learn.rules.base import Batch, Checked, running
from memsim.learn.rules.checks import hears_one, number_of
from memsim.networks.discrete import Compartment
from memsim.networks.discrete_neurons import DiscreteNeuron
from memsim.networks.layer import Layer
from memsim.networks.spiking import Presented, SpikingNetwork


class Told(NamedTuple):
    """What neurons hear of what is wanted of them, each [batch, neurons].

    Attributes:
        change: d0, whether their firing is to change.
        fire: d1, whether towards more.
    """

    change: Tensor
    fire: Tensor

    @property
    def signal(self) -> Tensor:
        """1 where they are to fire more, -1 where less, 0 where they stay as they are."""
        return (2 * self.fire.long() - 1) * self.change


class Desire(Checked):
    """Desire backpropagation.

    Args:
        margin: steps fewer than there are in which a neuron that fires at each counts as full.
        least: error of an output, as a share of full, above which it is told to change.
        dead_zone: |q| of a hidden neuron below which it stays as it is; 0 leaves of q its sign alone.

    Raises:
        InputError: values out of range. `grads` raises it for networks that it does not know: what it takes are chains
            of dense layers without bias, plain or on crossbars, of neurons with a fixed leak and threshold, whose
            resets subtract at once, and all of which fire, the last ones, too.
    """

    def __init__(self, *, margin: int = 4, least: float = 0.30, dead_zone: float = 0.05) -> None:
        for name, value, most in (
            ("margin", margin, math.inf),
            ("least", least, 1),
            ("dead_zone", dead_zone, math.inf),
        ):
            if not 0 <= value < most:
                raise InputError(f"{name} = {value!r} of rule 'desire'; allowed: from 0, below {most:g}")
        self.margin, self.least, self.dead_zone = margin, least, dead_zone

    def check(self, network: nn.Module, _: Tensor) -> None:
        _checked(network, self.margin)

    def grads(self, batch: Batch) -> Tensor:
        network = _checked(batch.network, self.margin)
        trains: list[Tensor] = []

        def forward(
            inputs: Tensor,
            *,
            masks: Sequence[Tensor] | None = None,
            generator: torch.Generator | None = None,
            **_: Any,
        ) -> Tensor:
            if masks is not None:
                raise InputError("rule 'desire' has no dropout; leave training.dropout out")
            trains[:] = spikes(network, inputs, generator)
            return network.readout(trains[-1])

        with torch.no_grad(), running(network, forward):
            loss = batch.loss(batch.scores(), batch.wanted)
        told = self.told(network, trains[1:], batch.wanted)
        batch.backward(sum(map(_loss, network.chain, trains, trains[1:], told)) / len(batch.wanted))  # type: ignore[arg-type]
        return loss

    @torch.no_grad()
    def told(self, network: SpikingNetwork, trains: Sequence[Tensor], labels: Tensor) -> list[Told]:
        """What each layer hears, the last one of its errors and the others of the layer behind them.

        Args:
            network: of dense layers.
            trains: spikes of each layer, [time, batch, neurons].
            labels: classes [batch].

        Raises:
            InputError: labels that are no classes, or no more steps than the margin.
        """
        steps = len(trains[-1])
        if labels.is_floating_point():
            raise InputError("rule 'desire' is of classes, and numbers are wanted; choose another rule")
        if steps <= self.margin:
            raise InputError(
                f"margin = {self.margin} of rule 'desire' leaves none of {steps} steps; give more steps"
            )
        rates = [train.sum(0) / (steps - self.margin) for train in trains]
        found = [self.of_outputs(rates[-1], labels)]
        for layer, rate in zip(network.chain[:0:-1], rates[::-1], strict=False):
            found.append(self.of_hidden(layer.synapse.transposed(weighed(found[-1], rate))))
        return found[::-1]

    def of_outputs(self, rate: Tensor, labels: Tensor) -> Told:
        """What outputs hear, from their rates [batch, classes]."""
        label = one_hot(labels, rate.shape[-1]).bool()
        return Told(torch.where(label, 1 - rate, rate) > self.least, label)

    def of_hidden(self, q: Tensor) -> Told:
        """What hidden neurons hear, from q [batch, neurons]."""
        return Told(q.abs() >= self.dead_zone, q > 0)


def weighed(told: Told, rate: Tensor) -> Tensor:
    """r (2 d1 - 1) d0, what goes back through the weights."""
    return (told.fire.to(rate.dtype) - rate).abs() * told.signal


@torch.no_grad()
def spikes(network: SpikingNetwork, inputs: Tensor, generator: torch.Generator | None = None) -> list[Tensor]:
    """Of the inputs and of each layer, [time, batch, lines]."""
    trains = [cast("Any", network.drive(network.on_lines(inputs), generator)).over(()).values]
    for layer in network.chain:
        trains.append(layer(layer.synapse(trains[-1]))[0])
    return trains


def traces(train: Tensor, leak: float) -> Tensor:
    """x of spikes [time, batch, lines], of its shape: each step counts its own spikes."""
    trace, x = Compartment(leak, driven_by="input", feeds="nothing"), torch.zeros_like(train[0])
    steps = []
    for step, now in enumerate(train):
        x, _ = trace.step(x, now, step)
        steps.append(x)
    return torch.stack(steps)


def _loss(layer: Layer, heard: Tensor, fired: Tensor, told: Told) -> Tensor:
    """What has the wanted gradient: the currents of traces, at spikes of neurons that are told something."""
    current = layer.synapse(traces(heard, number_of(cast("DiscreteNeuron", layer.neuron).leak)))
    return -(told.signal * fired * current).sum()


def _checked(network: nn.Module, margin: int) -> SpikingNetwork:
    """A network that this rule takes.

    Raises:
        InputError: what it lacks.
    """
    if not isinstance(network, SpikingNetwork):
        raise InputError("rule 'desire' is of discrete neurons; give steps, and leave neuron out")
    neurons = network.neurons
    steps = network.drive.steps if isinstance(network.drive, Presented) else math.inf
    needs = {
        "is of chains of dense layers without bias, which are products with a matrix; give bias = false": all(
            hears_one(layer) and layer.synapse.matrix() is not None for layer in network.chain
        ),
        "is of networks whose outputs fire; give the last layer fires = true": all(
            one.spiking for one in neurons
        ),
        "is of resets that subtract the threshold at once; leave reset out": all(
            one.reset.kind == "subtract" and not one.reset.waits and one.reset.amount is None
            for one in neurons
        ),
        "is of leaks and thresholds that are numbers": all(
            math.isfinite(number_of(policy)) for one in neurons for policy in (one.leak, one.threshold)
        ),
        "is of neurons without compartments or gain": not any(
            one.compartments or number_of(one.gain) != 1 for one in neurons
        ),
        f"has a margin of {margin} steps; give more steps than that": steps > margin,
    }
    for what, there in needs.items():
        if not there:
            raise InputError(f"rule 'desire' {what}, or choose another rule")
    return network
