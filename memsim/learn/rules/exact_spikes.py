"""Exact gradients of spike times: neurons in continuous time, whose steps are what a network is evaluated with.

A discrete neuron with a synaptic current, m <- leak m + weight c,  c <- decay c + i, is the clocked form of

    u' = -u/tau + v,   v' = -v/tau_s,   leak = exp(-1/tau),   decay = exp(-1/tau_s),   tau = 2 tau_s

with a step for the unit of time and m = u weight / h, h = (leak - decay) / (1/tau_s - 1/tau). Spikes and gradients are
those of memsim.networks.spike_times.

Scores are counts n of spikes, (n - others) / (wanted - others). Each spike has the slope dn/dt = -1/tau_s, so that more
of them are asked for by asking for earlier ones. With the mean square error, every spike gets the error of the count of
its neuron, as in Bacho and Chu, arXiv:2212.09500, whose counts are 15 and 3. Spikes that do not come have no times: an
output that is silent has the slope of its highest membrane in thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.learn.rules.base import RunAnew
from memsim.learn.rules.checks import has_bias, is_dense, number_of, of_discrete_neurons
from memsim.networks.discrete import Compartment, Reset
from memsim.networks.discrete_neurons import DiscreteNeuron
from memsim.networks.layer import Layer
from memsim.networks.scores import total
from memsim.networks.spike_times import SILENT, Events, ExactNeurons, events_of_steps, events_of_times
from memsim.networks.spiking import SpikingNetwork
from memsim.networks.synapses import Ideal

SAME = 1e-6
"""Relative difference of time constants that is only rounding."""


class ExactSpikes(RunAnew):
    """Exact gradients of all spike times, in continuous time.

    Args:
        most: spikes of a neuron; later ones are not looked for.
        wanted: spikes of the neuron of the right class, a score of 1.
        others: spikes of those of other classes, a score of 0; above 0, so that no neuron falls silent for ever.

    Raises:
        InputError: values out of range. `grads` raises it for networks that are not the clocked form of such neurons: a
            chain of dense layers without biases, all of which fire, with leak = sqrt(decay of their synaptic current),
            whose scores are sums, and inputs that are spikes.
    """

    def __init__(self, *, most: int = 30, wanted: float = 15.0, others: float = 3.0) -> None:
        if not 0 <= others < wanted <= most:
            raise InputError(
                f"others = {others!r}, wanted = {wanted!r} and most = {most!r} of rule 'exact-spikes' are no rising "
                "counts; allowed: 0 <= others < wanted <= most"
            )
        self.most, self.wanted, self.others = most, wanted, others

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
        """Scores [batch, classes] of the counts of spikes in continuous time, with the gradients of their times.

        Raises:
            InputError: dropout, or inputs that are no spikes.
        """
        if masks is not None:
            raise InputError("rule 'exact-spikes' has no dropout; leave training.dropout out")
        *_, (events, weights, neurons, times) = self._layers(network, inputs, generator)
        came = times < SILENT
        earlier = -torch.where(came, times, 0.0).sum(-1) / neurons.tau
        slope = torch.where(came.any(-1), earlier, neurons.highest(events, weights))
        counts = came.sum(-1) + (slope - slope.detach())
        return (counts - self.others) / (self.wanted - self.others)

    def times(
        self, network: SpikingNetwork, inputs: Tensor, generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """Spike times of each layer, [batch, neurons, most] in steps."""
        return [times for *_, times in self._layers(network, inputs, generator)]

    def _layers(
        self, network: SpikingNetwork, inputs: Tensor, generator: torch.Generator | None
    ) -> Iterator[tuple[Events, Tensor, ExactNeurons, Tensor]]:
        """What each layer hears, through which weights, its neurons, and when they fire."""
        spikes = network.drive(network.on_lines(inputs), generator).over(()).values  # type: ignore[arg-type]
        events = events_of_steps(spikes)
        for layer in network.chain:
            neurons = exact(layer, float(len(spikes)), self.most)
            weights = cast("nn.Linear", cast("Ideal", layer.synapse).module).weight.mT
            times = neurons(events, weights)
            yield events, weights, neurons, times
            events = events_of_times(times)


def exact(layer: Layer, window: float, most: int) -> ExactNeurons:
    """The neurons of a layer in continuous time; a step is a unit of time.

    Raises:
        InputError: neurons that are not the clocked form of such.
    """
    neuron = cast("DiscreteNeuron", layer.neuron)
    currents = tuple(neuron.compartments)
    if not isinstance(neuron, DiscreteNeuron) or len(currents) != 1 or not _is_synaptic(currents[0]):
        raise InputError(
            f"rule 'exact-spikes': neurons of layer {layer.name!r} need one compartment, driven by the input, that "
            "feeds the input"
        )
    if neuron.reset not in (Reset(), Reset(amount=neuron.reset.amount)):
        raise InputError(f"rule 'exact-spikes': resets of layer {layer.name!r} must subtract at once")
    policies = (
        neuron.leak,
        neuron.threshold,
        neuron.gain,
        currents[0].decay,
        currents[0].gain,
        currents[0].weight,
    )
    numbers = [number_of(one) for one in policies]
    if any(map(math.isnan, numbers)):
        raise InputError(
            f"rule 'exact-spikes': numbers of neurons of layer {layer.name!r} must stay; give numbers"
        )
    leak, threshold, gain, decay, *weights = numbers
    if not 0 < leak < 1 or not math.isclose(leak * leak, decay, rel_tol=SAME):
        raise InputError(
            f"rule 'exact-spikes': layer {layer.name!r} has leak = {leak:.7g} and a current of decay = {decay:.7g}, "
            f"whose time constants are not two to one; give decay = {leak * leak:.9g}"
        )
    tau = -1 / math.log(decay)
    unit = (leak - decay) * 2 * tau / (gain * math.prod(weights))
    amount = threshold if neuron.reset.amount is None else float(neuron.reset.amount)
    return ExactNeurons(tau, threshold * unit, amount * unit, window, most)


def _is_synaptic(current: Compartment) -> bool:
    return (current.driven_by, current.feeds) == ("input", "input")


def _checked(module: nn.Module) -> SpikingNetwork:
    """A network that this rule takes.

    Raises:
        InputError: what it lacks.
    """
    network = of_discrete_neurons(module, "exact-spikes")
    needs = {
        "is of chains of dense layers": all(map(is_dense, network.chain)),
        "is of layers without bias; give bias = false": not any(map(has_bias, network.chain)),
        "is of a last layer that fires; give fires = true": network.neurons[-1].spiking,
        'is of counts of spikes; give scores = "sum"': network.readout is total,
    }
    for what, there in needs.items():
        if not there:
            raise InputError(f"rule 'exact-spikes' {what}, or choose another rule")
    return network
