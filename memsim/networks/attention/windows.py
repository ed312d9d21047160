"""What all gates of attention share: a window of time, weights that are drawn, shares of few bits."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from memsim.errors import InputError


def check_window(values: Tensor, steps: int) -> None:
    """Raise InputError unless values [time, batch, neurons] are those of a whole window."""
    if len(values) != steps:
        raise InputError(
            f"attention is over windows of {steps} steps, and gets {len(values)}; give all of a window at once"
        )


def drawn(shape: tuple[int, ...], generator: torch.Generator | None) -> nn.Parameter:
    """Weights [outputs, inputs, ...], uniform up to 1 / sqrt(inputs) either way, as torch's own layers have them."""
    uniform = torch.rand(shape, generator=generator)
    return nn.Parameter((2 * uniform - 1) / math.sqrt(math.prod(shape[1:])))


def mean_so_far(values: Tensor, *, causal: bool) -> Tensor:
    """Mean over time, [1, ...], or where causal over all steps up to each, [time, ...]."""
    if not causal:
        return values.mean(0, keepdim=True)
    count = torch.arange(1, len(values) + 1, dtype=values.dtype, device=values.device)
    return values.cumsum(0) / count.view(-1, *[1] * (values.ndim - 1))


def largest_so_far(values: Tensor, *, causal: bool) -> Tensor:
    """The same with the largest in the place of the mean."""
    return values.cummax(0).values if causal else values.amax(0, keepdim=True)


def in_bits(shares: Tensor, bits: int | None) -> Tensor:
    """Shares of 0 to 1 as multiples of 1 / (2^bits - 1), their gradients as they are; unchanged where bits are None."""
    if bits is None:
        return shares
    largest = 2**bits - 1
    return shares + ((shares * largest).round() / largest - shares).detach()


def check_bits(bits: int | None) -> None:
    """Raise InputError unless bits can be those of a share."""
    if bits is not None and not 1 <= bits <= 16:
        raise InputError(f"layers.gate.bits = {bits}; allowed: 1 to 16, or none for shares as they are")
