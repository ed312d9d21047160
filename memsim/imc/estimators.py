"""Gradients of a decision q = sign(d), which has none of its own, as named choices.

    exact     2 N(d; 0, sigma)                  slope of E[q] = 2 Phi(d / sigma) - 1 under noise sigma: no estimate
    impulse   2 N(d; 0, width)                  of a decision without noise (as in kshinuk/BNN-IGA)
    clipped   1 / width where |d| <= width      identity between the ends (Hubara et al., NIPS 2016)
    tanh      (1 - tanh(d / width)^2) / width   of a relaxed decision (StoX-Net, arXiv:2407.12378)

with N the normal density and Phi its integral.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from memsim.errors import InputError

Estimator = Literal["exact", "impulse", "clipped", "tanh"]


def normal_density(d: Tensor, width: float) -> Tensor:
    """N(d; 0, width)."""
    return d.square().mul_(-0.5 / width**2).exp_().mul_(1 / (width * math.sqrt(2 * math.pi)))


SLOPES: dict[Estimator, Callable[[Tensor, float], Tensor]] = {
    "exact": lambda d, width: normal_density(d, width).mul_(2),
    "impulse": lambda d, width: normal_density(d, width).mul_(2),
    "clipped": lambda d, width: (d.abs() <= width) / width,
    "tanh": lambda d, width: (1 - torch.tanh(d / width).square()) / width,
}


def with_slope(decision: Tensor, d: Tensor, estimator: Estimator, width: float) -> Tensor:
    """A decision with the gradient of an estimator with respect to `d`.

    Args:
        decision: -1 or 1.
        d: what it was made of, noise left out [LSB].
        estimator: one of the above.
        width: of the noise for `exact`, else of the estimate [LSB].

    Raises:
        InputError: an unknown estimator, or a width that is not above zero.
    """
    if estimator not in SLOPES:
        raise InputError(f"gradient = {estimator!r} is unknown; known: {', '.join(SLOPES)}")
    if not width > 0:
        raise InputError(f"width = {width!r} LSB gives a decision no slope; allowed: above 0")
    return _Decision.apply(decision, d, SLOPES[estimator], width)


class _Decision(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, decision: Tensor, d: Tensor, slope: Callable[[Tensor, float], Tensor], width: float
    ) -> Tensor:
        ctx.save_for_backward(d)
        ctx.slope, ctx.width = slope, width
        return decision.view_as(decision)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None, None]:
        (d,) = ctx.saved_tensors
        return None, ctx.slope(d, ctx.width) * gradient, None, None
