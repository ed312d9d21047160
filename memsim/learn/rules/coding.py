"""Spiking neural coding: neurons predict the input and the label, hear how both differ, and learn from that alone.

    z[t+1] = z[t] + (s[t] - z[t]) / tau          traces of the spikes s of hidden neurons
    e = x - W z,    f = y - V z                  errors of the input x and of the label y
    J <- J + kappa (-J + W^T e + V^T f)          drive of hidden neurons, which leak, integrate and fire
    dW = eta e z^T,    dV = eta f z^T            each of two layers' numbers, and no others

In training the label is held; else nothing is known of it, f = 0, and V z is what the network says. Hidden neurons are
predicted by none, so that no error of their own is taken from the drive. Errors go back by W^T and V^T, reads of the
same arrays from their other side: matrices of their own that begin so and learn by eta z e^T stay so. Columns of W and
V, what one neuron predicts, have a bounded norm. Gradients are means over steps and batch, so that plain descent at the
rate eta is this step.

A reconstruction from Ororbia, Spiking neural predictive coding for continual learning from data streams, 2019,
arXiv:1908.08655, without code of the author.
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
from memsim.learn.rules.checks import hears_one, number_of, of_discrete_neurons
from memsim.networks.discrete_neurons import DiscreteNeuron
from memsim.networks.layer import Layer
from memsim.networks.predictions import Prediction
from memsim.networks.recurrence import trace_after
from memsim.networks.spiking import SpikingNetwork
from memsim.networks.synapses import Ideal, OfSpikes, Synapse


class Coded(NamedTuple):
    """What hidden neurons make of inputs and labels, each [time, batch, lines].

    Attributes:
        traces: z of the hidden neurons.
        of_inputs: e, what is left of the inputs.
        of_labels: f, what is left of the labels.
    """

    traces: Tensor
    of_inputs: Tensor
    of_labels: Tensor

    @property
    def energy(self) -> Tensor:
        """(|e|^2 + |f|^2) / 2, mean over steps and batch."""
        squares = self.of_inputs.square().sum(-1) + self.of_labels.square().sum(-1)
        return squares.mean() / 2


class PredictiveCoding(Checked):
    """Spiking neural coding. The loss of a batch is the energy of its errors.

    Args:
        bound: largest norm of a column of W and of V; columns beyond it are scaled back before each batch.

    Raises:
        InputError: a bound out of range. `grads` raises it for networks that it does not know: what it takes is one
            hidden layer that predicts its input, with prediction_tau, and a last one without bias that adds up, and
            whose leak and gain average spikes as its traces do; plain or on crossbars.
    """

    def __init__(self, *, bound: float = 1.0) -> None:
        if not 0 < bound < math.inf:
            raise InputError(f"bound = {bound!r} of rule 'predictive-coding'; allowed: above 0")
        self.bound = bound

    def check(self, network: nn.Module, _: Tensor) -> None:
        _checked(network)

    def grads(self, batch: Batch) -> Tensor:
        network = _checked(batch.network)
        hold(network, self.bound)
        found: list[Coded] = []

        def forward(
            inputs: Tensor,
            *,
            masks: Sequence[Tensor] | None = None,
            generator: torch.Generator | None = None,
            **_: Any,
        ) -> Tensor:
            if masks is not None:
                raise InputError("rule 'predictive-coding' has no dropout; leave training.dropout out")
            found.append(coded(network, inputs, batch.wanted, generator))
            return found[0].energy

        with running(network, forward):
            energy = batch.scores()
        hidden, last = network.chain
        (one,) = found
        batch.backward(
            correlated(hidden.synapse, one.of_inputs, one.traces)
            + correlated(last.synapse, one.traces, one.of_labels)
        )
        return energy


@torch.no_grad()
def coded(
    network: SpikingNetwork, inputs: Tensor, labels: Tensor, generator: torch.Generator | None = None
) -> Coded:
    """Run a network that this rule takes while labels are held.

    Args:
        network: it.
        inputs: as for the network.
        labels: classes [batch].
        generator: source of the events of a drive that draws some.

    Raises:
        InputError: labels that are no classes.
    """
    if labels.is_floating_point():
        raise InputError(
            "rule 'predictive-coding' is of classes, and numbers are wanted; choose another rule"
        )
    hidden, last = network.chain
    neuron, tau = cast("DiscreteNeuron", hidden.neuron), cast("float", hidden.tau)
    values = cast("Any", network.drive(network.on_lines(inputs), generator)).over(()).values
    wanted = one_hot(labels, last.neurons).to(values.dtype)
    z, state, steps = (
        values.new_zeros(len(labels), hidden.neurons),
        None,
        list[tuple[Tensor, Tensor, Tensor]](),
    )
    for x in values:
        e, f = x - hidden.synapse.transposed(z), wanted - last.synapse(z)
        steps.append((z, e, f))
        spikes, state = neuron.step(hidden.synapse(e) + last.synapse.transposed(f), state)
        z = trace_after(z, spikes, tau)
    return Coded(*map(torch.stack, zip(*steps, strict=True)))


def correlated(synapse: Synapse, given: Tensor, heard: Tensor) -> Tensor:
    """What has the wanted gradient: minus the mean of heard^T (synapse of given), both [time, batch, lines]."""
    steps, examples, _ = given.shape
    return -(heard * synapse(given)).sum() / (steps * examples)


@torch.no_grad()
def hold(network: SpikingNetwork, bound: float) -> None:
    """Scale columns of W and V back that are longer than `bound`."""
    hidden, last = network.chain
    for synapse, lines in ((hidden.synapse, 0), (last.synapse, 1)):
        matrix = cast("Tensor", synapse.matrix())
        _weight(synapse).mul_((bound / matrix.norm(dim=lines, keepdim=True)).clamp(max=1))


def _weight(synapse: Synapse) -> Tensor:
    """What it is made of, [inputs, neurons]."""
    if isinstance(synapse, Ideal):
        return cast("nn.Linear", synapse.module).weight.mT
    return cast("Any", cast("OfSpikes", synapse).array).crossbar.weight


def _checked(module: nn.Module) -> SpikingNetwork:
    """A network that this rule takes.

    Raises:
        InputError: what it lacks.
    """
    network = of_discrete_neurons(module, "predictive-coding")
    lacks = _lacks(network)
    if lacks:
        raise InputError(f"rule 'predictive-coding' {lacks}, or choose another rule")
    return network


def _lacks(network: SpikingNetwork) -> str | None:
    if len(network.chain) != 2 or not isinstance(network.chain[0].recurrent, Prediction):
        return "is of one hidden layer that predicts its input; give it prediction_tau"
    (hidden, last), tau = network.chain, cast("float", network.chain[0].tau)
    neurons = network.neurons
    needs = {
        "is of layers that hear the one before, and nothing else": hears_one(hidden, itself=True)
        and hears_one(last),
        "is of synapses without bias, which are products with a matrix; give bias = false": all(
            layer.synapse.matrix() is not None for layer in network.chain
        ),
        "is of a last layer that adds up; leave fires out": not neurons[-1].spiking,
        "is of leaks, thresholds and gains that are numbers": all(
            math.isfinite(number_of(policy)) for one in neurons for policy in (one.leak, one.gain)
        )
        and math.isfinite(number_of(neurons[0].threshold)),
        "is of a last layer that averages as traces do; give it "
        f"lif = {{leak = {1 - 1 / tau:g}, gain = {1 / tau:g}}}": _averages(last, tau),
    }
    return next((what for what, there in needs.items() if not there), None)


def _averages(layer: Layer, tau: float) -> bool:
    neuron = cast("DiscreteNeuron", layer.neuron)
    pairs = ((neuron.leak, 1 - 1 / tau), (neuron.gain, 1 / tau))
    # numbers of a study are written with some digits
    close = all(math.isclose(number_of(found), wanted, rel_tol=1e-3) for found, wanted in pairs)
    return close and not neuron.compartments
