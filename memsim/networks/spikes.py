"""Inputs as spikes: one bit per word line and time step."""

from __future__ import annotations

import torch
from torch import Tensor


def rate_coded(values: Tensor, steps: int) -> Tensor:
    """Evenly spaced spikes, round(steps * value) of them: values are added up until they make a spike.

    Args:
        values: [batch, inputs], 0 to 1.
        steps: of time.

    Returns:
        [steps, batch, inputs].
    """
    number = torch.arange(1, steps + 1, dtype=values.dtype, device=values.device)[:, None, None]
    # half a spike in advance, so that the count is rounded and not cut
    climbed = (number * values + 0.5).floor()
    return climbed.diff(dim=0, prepend=torch.zeros_like(climbed[:1])).clamp(max=1)


def event_coded(frames: Tensor) -> Tensor:
    """A spike wherever a time bin has an event, [bins, batch, inputs] from [batch, bins, inputs]."""
    return (frames > 0).to(frames.dtype).transpose(0, 1)
