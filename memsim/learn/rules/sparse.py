"""Backpropagation through the few neurons that are near their thresholds, in which all of the gradient is.

    m[t] = beta m[t-1] + W S[t] - q z[t-1],   z = 1 where m > theta,   dz/dm = g(m - theta), exactly 0 beyond a support

    forward    the list of (t, b, j) with g > 0
    backward   d[t] = beta d[t+1] + g dL/dz[t]   from the list
               dL/dW = sum of d[t] S[t] over the spikes,   dL/dS[t] = W^T d[t] at inputs that are in a list themselves

The gradient is that of backpropagation through time with the same slope: what is left out is zero, or is not asked for.

Perez-Nieves and Goodman, Sparse spiking gradient descent, NeurIPS 2021, arXiv:2105.08810.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.learn.rules.base import RunAnew
from memsim.learn.rules.checks import has_bias, is_dense, number_of
from memsim.networks.discrete import Reset
from memsim.networks.discrete_neurons import DiscreteNeuron
from memsim.networks.layer import Layer
from memsim.networks.spiking import SpikingNetwork
from memsim.networks.synapses import Ideal

FEW = 0.05
"""Share of inputs that spike, up to which a sum over them is quicker than a product."""


class SparseBPTT(RunAnew):
    """Backpropagation through time by lists of the neurons whose spikes have a slope.

    Raises:
        InputError: `grads` raises it for networks that it does not know: what it takes are chains of dense layers
            without bias, of neurons with a fixed leak and threshold, whose resets subtract in the next step without
            gradient, and whose spikes have a support.
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
        values = network.drive(network.on_lines(inputs), generator).over(()).values  # type: ignore[arg-type]
        near: Tensor | None = None
        *hidden, last = network.chain
        for layer in hidden:
            values, near = sparse_spikes(
                _late(layer, values), _weight(layer), _neuron(layer), _late(layer, near)
            )
        out, _ = last(last.synapse(_late(last, values)))
        return network.readout(out)


def sparse_spikes(
    spikes: Tensor, weight: Tensor, neuron: DiscreteNeuron, near: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Spikes [time, batch, neurons] of a layer, and which of them have a slope, as ones and zeros.

    Args:
        spikes: that come in, [time, batch, inputs].
        weight: [neurons, inputs].
        neuron: with a fixed leak, and a reset in the next step.
        near: which of the spikes that come in have a slope themselves; all that have a gradient where left out.
    """
    return cast("tuple[Tensor, Tensor]", _Sparse.apply(spikes, weight, neuron, near))


class _Sparse(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, spikes: Tensor, weight: Tensor, neuron: DiscreteNeuron, near: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        membranes, out, state = [], [], None
        for current in spikes @ weight.mT:
            fired, state = neuron.step(current, state)
            out.append(fired)
            membranes.append(state.membrane)
        slope = neuron.spike.slope_at(torch.stack(membranes) - neuron.threshold.value())
        where = slope.nonzero(as_tuple=True)
        ctx.leak, ctx.near = number_of(neuron.leak), near
        ctx.save_for_backward(spikes, weight, slope[where], *where)
        listed = (slope != 0).to(slope.dtype)
        ctx.mark_non_differentiable(listed)
        return torch.stack(out), listed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        spikes, weight, slope, *where = ctx.saved_tensors
        errors = torch.zeros_like(gradient).index_put_(tuple(where), slope * gradient[tuple(where)])
        d = _decayed(errors.flip(0), ctx.leak).flip(0)
        grown = _grown(spikes, d)
        if not ctx.needs_input_grad[0]:
            return None, grown, None, None
        if ctx.near is None:
            return d @ weight, grown, None, None
        heard = ctx.near.nonzero(as_tuple=True)
        back = (d[heard[0], heard[1]] * weight.mT[heard[2]]).sum(1)
        return torch.zeros_like(spikes).index_put_(heard, back), grown, None, None


def _grown(spikes: Tensor, d: Tensor) -> Tensor:
    """Sums of d[t] S[t], [neurons, inputs], over the spikes alone where they are few."""
    come = spikes.nonzero(as_tuple=True)
    if len(come[0]) > FEW * spikes.numel():
        return torch.einsum("tbj,tbi->ji", d, spikes)
    rows = d[come[0], come[1]] * spikes[come][:, None]
    return d.new_zeros(spikes.shape[-1], d.shape[-1]).index_add_(0, come[2], rows).mT


def _decayed(values: Tensor, leak: float) -> Tensor:
    """Sums over the past that leak."""
    found, total = [], torch.zeros_like(values[0])
    for now in values:
        total = leak * total + now
        found.append(total)
    return torch.stack(found)


def _late(layer: Layer, values: Tensor | None) -> Any:
    return values if layer.delay is None or values is None else layer.delay(values, 1.0)


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
