"""Discrete-time spiking neurons, as in-memory computing chips add them up between array reads.

    m[t] = lambda m[t-1] + i[t],   o[t] = 1 where z > 0, z = m / theta - 1,   m <- m - theta o[t]

with do/dz taken as 0.3 max(0, 1 - |z|) and the reset not differentiated: Rathi and Roy, DIET-SNN, arXiv:2008.03658,
and its public code (mapolinario94/DIET-SNN). Leak lambda and threshold theta are trained, one of each for a layer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

SLOPE = 0.3
FIRST_LEAK, FIRST_THRESHOLD = 0.9, 1.0
LOWEST_THRESHOLD = 0.05


class LeakyIntegrateAndFire(nn.Module):
    """A layer of neurons with soft reset, over all time steps.

    Args:
        spiking: whether it fires; the last layer of a network only adds up.

    Attributes:
        leak: what is left of a membrane after a step, 0 to 1.
        threshold: at which it fires.
    """

    def __init__(self, *, spiking: bool = True) -> None:
        super().__init__()
        self.spiking = spiking
        self.leak = nn.Parameter(torch.tensor(FIRST_LEAK))
        self.threshold = nn.Parameter(torch.tensor(FIRST_THRESHOLD), requires_grad=spiking)

    def forward(self, current: Tensor, membrane: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Spikes [time, ...], or membranes [time, ...] where nothing fires, and the membrane [...] at the end.

        Args:
            current: [time, ...] in units of the threshold's.
            membrane: at the start [...]; 0 where left out.
        """
        leak, threshold = self.leak.clamp(0, 1), self.threshold.clamp(min=LOWEST_THRESHOLD)
        m = torch.zeros_like(current[0]) if membrane is None else membrane
        out: list[Tensor] = []
        for i in current:
            m = leak * m + i
            if self.spiking:
                spikes = _Spike.apply(m / threshold - 1)
                m = m - (threshold * spikes).detach()
                out.append(spikes)
            else:
                out.append(m)
        return torch.stack(out), m


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return (z > 0).to(z.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return gradient * (SLOPE * (1 - z.abs()).clamp(min=0))
