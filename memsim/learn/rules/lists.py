"""Spikes of a layer with the list of those that have a slope, and no gradient but what is in the list.

    m[t] = beta m[t-1] + W S[t] - q z[t-1],   z = 1 where m > theta,   dz/dm = g(m - theta), exactly 0 beyond a support

    forward    the list of (t, b, j) within the support, and traces r[t] = beta r[t-1] + S[t]
    backward   e = g dL/dz for each entry,   dL/dW = sum of e r[t] over the list
               d[t] = beta d[t+1] + e[t],    dL/dS[t] = W^T d[t] for spikes S that are in a list themselves

Perez-Nieves and Goodman, Sparse spiking gradient descent, NeurIPS 2021, arXiv:2105.08810.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from memsim.learn.rules.checks import number_of
from memsim.networks.discrete_neurons import DiscreteNeuron

Where = tuple[Tensor, Tensor, Tensor]
"""Steps, examples and neurons of the entries of a list."""


class Listed(NamedTuple):
    """Spikes of a layer.

    Attributes:
        spikes: [time, batch, neurons], without gradient.
        where: entries of those that have a slope; nothing where none of them can have one, as in the input.
        values: [entries], these spikes with their gradient.
    """

    spikes: Tensor
    where: Where | None = None
    values: Tensor | None = None

    def later(self, steps: int) -> Listed:
        """As they arrive after a delay; before the first step they were what that is."""
        late = (torch.arange(len(self.spikes), device=self.spikes.device) - steps).clamp(min=0)
        spikes = self.spikes[late]
        if self.where is None or self.values is None:
            return Listed(spikes)
        time, *place = self.where
        (arrive,), (first,) = (
            (time + steps < len(spikes)).nonzero(as_tuple=True),
            (time == 0).nonzero(as_tuple=True),
        )
        early = torch.arange(steps, device=time.device).repeat_interleave(len(first))
        entries = torch.cat([arrive, first.repeat(steps)])
        times = torch.cat([time[arrive] + steps, early])
        batch, neuron = (one[entries] for one in place)
        return Listed(spikes, (times, batch, neuron), self.values[entries])


def fired(heard: Listed, weight: Tensor, neuron: DiscreteNeuron) -> Listed:
    """Spikes of a layer behind weights.

    Args:
        heard: what comes in.
        weight: [neurons, inputs].
        neuron: with a fixed leak, a reset in the next step, and spikes with a support.
    """
    spikes, values, *where = _Fire.apply(heard.values, weight, heard.spikes, heard.where, neuron)
    return Listed(spikes, tuple(where), values)


def current(heard: Listed, weight: Tensor) -> Tensor:
    """Currents [time, batch, neurons] behind weights [neurons, inputs]."""
    return _Current.apply(heard.values, weight, heard.spikes, heard.where)


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917 - torch passes them by place
        ctx: Any,
        values: Tensor | None,
        weight: Tensor,
        spikes: Tensor,
        heard: Where | None,
        neuron: DiscreteNeuron,
    ) -> tuple[Tensor, ...]:
        out, membranes, state = [], [], None
        for now in spikes @ weight.mT:
            fires, state = neuron.step(now, state)
            out.append(fires)
            membranes.append(state.membrane)
        above = torch.stack(membranes).sub_(neuron.threshold.value())
        where = (above.abs() < cast("float", neuron.spike.support)).nonzero(as_tuple=True)
        made = torch.stack(out)
        ctx.leak, ctx.heard = number_of(neuron.leak), heard if values is not None else None
        traces = spikes.clone()
        _leak_on(traces.unbind(), ctx.leak)
        ctx.save_for_backward(weight, traces, neuron.spike.slope_at(above[where]), *where)
        ctx.mark_non_differentiable(made, *where)
        return made, made[where], *where

    @staticmethod
    def backward(ctx: Any, _: Tensor, gradient: Tensor, *__: Tensor) -> tuple[Tensor | None, ...]:
        weight, traces, slope, time, batch, neuron = ctx.saved_tensors
        errors = slope * gradient
        steps, examples, inputs = traces.shape
        listed = torch.stack([neuron, time * examples + batch])
        rows = torch.sparse_coo_tensor(
            listed, errors, (len(weight), steps * examples), check_invariants=False
        )
        grown = torch.sparse.mm(rows, traces.view(-1, inputs))
        if ctx.heard is None:
            return None, grown, None, None, None
        d = errors.new_zeros(steps, examples, len(weight)).index_put_((time, batch, neuron), errors)
        _leak_on(d.unbind()[::-1], ctx.leak)
        return _asked(d, weight, ctx.heard), grown, None, None, None


class _Current(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, _: Tensor | None, weight: Tensor, spikes: Tensor, heard: Where | None) -> Tensor:
        ctx.heard = heard
        ctx.save_for_backward(weight, spikes)
        return spikes @ weight.mT

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        weight, spikes = ctx.saved_tensors
        grown = d.flatten(0, 1).mT @ spikes.flatten(0, 1)
        return None if ctx.heard is None else _asked(d, weight, ctx.heard), grown, None, None


def _asked(d: Tensor, weight: Tensor, where: Where) -> Tensor:
    """W^T d at the entries of a list."""
    time, batch, neuron = where
    there = d.flatten(0, 1).index_select(0, time * d.shape[1] + batch)
    return there.mul_(weight.mT.contiguous().index_select(0, neuron)).sum(1)


def _leak_on(steps: Sequence[Tensor], leak: float) -> None:
    """Add to each step what is left of the one before, in place."""
    for before, now in pairwise(steps):
        now.add_(before, alpha=leak)
