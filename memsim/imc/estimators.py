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
from typing import Literal

import torch
from torch import Tensor

from memsim.errors import InputError

Estimator = Literal["exact", "impulse", "clipped", "tanh"]


_FAR = -40.0
"""Exponents below are cut off: they add nothing to a sum, and numbers too small to be normal ones are slow."""


def normal_density(d: Tensor, width: float, times: float) -> Tensor:
    """N(d; 0, width) times a number, to within exp(-40) of it at 0."""
    at_zero = math.log(times / (width * math.sqrt(2 * math.pi)))
    exponent = torch.addcmul(d.new_full((), at_zero), d, d, value=-0.5 / width**2)
    return exponent.clamp_(min=at_zero + _FAR).exp_()


SLOPES: dict[Estimator, Callable[[Tensor, float], Tensor]] = {
    "exact": lambda d, width: normal_density(d, width, 2),
    "impulse": lambda d, width: normal_density(d, width, 2),
    "clipped": lambda d, width: (d.abs() <= width).to(d.dtype).div_(width),
    "tanh": lambda d, width: (1 - torch.tanh(d / width).square()) / width,
}


def slope(d: Tensor, estimator: Estimator, width: float) -> Tensor:
    """Of a decision with respect to `d`, by an estimator.

    Args:
        d: what the decision was made of, noise left out [LSB].
        estimator: one of the above.
        width: of the noise for `exact`, else of the estimate [LSB]; above 0.
    """
    return SLOPES[estimator](d, width)


def check_estimator(estimator: Estimator, width: float) -> None:
    """Raise InputError for an unknown estimator, or a width below zero."""
    if estimator not in SLOPES:
        raise InputError(f"gradient = {estimator!r} is unknown; known: {', '.join(SLOPES)}")
    if not width >= 0:
        raise InputError(
            f"width = {width!r} LSB is no width of a gradient; allowed: at least 0, where 0 gives none"
        )
