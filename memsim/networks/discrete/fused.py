"""All steps of plain neurons in one operation, with the adjoint of the loop.

    forward    p[t] = lambda m[t-1] + i[t],   o[t] = fires(p[t]),   m[t] = reset(p[t], o[t]), not differentiated in o
    backward   a[t] = (dm/dp) b[t] + (dL/do[t]) (do/dp),   b[t-1] = lambda a[t],   b[T] = dL/dm[T],   dL/di[t] = a[t]
               dL/dlambda = sum a[t] m[t-1],   dL/dtheta = sum (dL/do[t]) (do/dtheta)

It does what autograd does through the loop, in the same order, so that not a digit differs; of each step it keeps the
spikes, the membranes after them, and what the slope is taken at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from memsim.networks.discrete_neurons import DiscreteNeuron

Number = Tensor | float

PASSED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "subtract": lambda b, _: b,
    "zero": lambda b, o: (1 - o) * b,
    "set": lambda b, o: (1 - o) * b,
}
"""(dm/dp) b of each reset with spikes o."""


def can_fuse(neuron: DiscreteNeuron) -> bool:
    """Whether neurons fire, change nothing with time, and have a reset that is not differentiated."""
    reset = neuron.reset
    steady = not (neuron.leak.changes or neuron.gain.changes or neuron.threshold.changes)
    plain = neuron.spiking and not len(neuron.compartments) and neuron.spike.centre is None
    return steady and plain and reset.kind in PASSED and not reset.waits and _is_detached(neuron)


def _is_detached(neuron: DiscreteNeuron) -> bool:
    reset = neuron.reset
    if not reset.detach or reset.detaches_amount:
        return reset.detach
    amount = neuron.threshold.value() if reset.amount is None else reset.amount
    return not (isinstance(amount, Tensor) and amount.requires_grad)


def fused(neuron: DiscreteNeuron, current: Tensor, membrane: Tensor) -> tuple[Tensor, Tensor]:
    """Spikes [time, batch, ...] and membranes [batch, ...] at the end, of neurons that `can_fuse`."""
    return _Steps.apply(current, membrane, neuron.leak.value(), neuron.threshold.value(), neuron)


class _Steps(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917 - autograd calls it by position
        ctx: Any, current: Tensor, membrane: Tensor, leak: Number, threshold: Number, neuron: DiscreteNeuron
    ) -> tuple[Tensor, Tensor]:
        spike, reset = neuron.spike, neuron.reset
        spikes = torch.empty_like(current)
        heights, membranes, m = [], [membrane], membrane
        for i, o in zip(current, spikes, strict=True):
            p = (m * leak).add_(i)
            x = p / threshold if spike.relative else p
            spike.compare(x, 1 if spike.relative else threshold, out=o)
            m = reset(p, o, threshold)
            heights.append(x)
            membranes.append(m)
        numbers = [torch.as_tensor(one, dtype=p.dtype, device=p.device) for one in (leak, threshold)]
        ctx.save_for_backward(membrane, spikes, *numbers)
        ctx.neuron, ctx.heights, ctx.membranes = neuron, heights, membranes[1:-1]
        return spikes, m

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, of_spikes: Tensor, of_membrane: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None, None]:
        membrane, spikes, leak, threshold = ctx.saved_tensors
        spike, passed = ctx.neuron.spike, PASSED[ctx.neuron.reset.kind]
        before = [membrane, *ctx.membranes]
        of_current = torch.empty_like(spikes)
        of_leak = torch.zeros_like(leak) if ctx.needs_input_grad[2] else None
        of_threshold = torch.zeros_like(threshold) if ctx.needs_input_grad[3] else None
        b = of_membrane
        for t in range(len(spikes) - 1, -1, -1):
            x = ctx.heights[t]
            g = of_spikes[t] * spike.slope_at(x - (1 if spike.relative else threshold))
            a = torch.add(passed(b, spikes[t]), g / threshold if spike.relative else g, out=of_current[t])
            if of_threshold is not None:
                found = (x / threshold).mul_(g).neg_() if spike.relative else -g
                of_threshold += found.sum_to_size(threshold.shape)
            if of_leak is not None:
                of_leak += (a * before[t]).sum_to_size(leak.shape)
            b = a * leak
        return of_current, b, of_leak, of_threshold, None
