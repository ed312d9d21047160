"""Attention of time, channels and places: currents times shares of 0 to 1, from their own means and maxima.

    M_t = s(V r(W mean x) + V r(W max x)),  over channels and places, W [T/5, T], V [T, T/5];  x <- M_t x
    M_c = s(V r(W mean x) + V r(W max x)),  over time and places, W [C/8, C], V [C, C/8];      x <- M_c x
    M_s = s(k * [mean x, max x]),           over time and channels, k [2, 3, 3];               x <- M_s x
    x <- r(x),                              s(x) = 1 / (1 + exp(-x)),   r(x) = max(x, 0)

Yao, Zhao, Zhang, Hu, Deng, Tian, Xu and Li, Attention spiking neural networks, TPAMI 2023, arXiv:2209.13929, in the
order of their public code. The first step cannot be weighed before the last is there. In the causal form it can: W x is
a sum over the steps so far, and means and maxima over time are those of the steps so far.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from memsim.errors import InputError
from memsim.networks.attention.windows import (
    check_bits,
    check_window,
    drawn,
    in_bits,
    largest_so_far,
    mean_so_far,
)
from memsim.networks.gates import Gate


class _Bottleneck(nn.Module):
    """W and V of the equations above."""

    def __init__(self, size: int, inner: int, generator: torch.Generator | None) -> None:
        super().__init__()
        self.squeeze, self.excite = drawn((inner, size), generator), drawn((size, inner), generator)


class DimensionalAttention(Gate):
    """The gate above.

    Args:
        shape: of the neurons: (neurons,) or (channels, height, width).
        steps: of a window.
        generator: source of the initial weights.
        time, channel, place: which of M_t, M_c and M_s there are.
        rectified: whether currents below 0 become 0 behind them.
        reduction: steps for each hidden unit of M_t.
        channel_reduction: channels for each one of M_c.
        kernel: side of that of M_s, odd.
        causal: whether no step needs a later one.
        bits: of each share; as many as numbers have where left out.

    Raises:
        InputError: nothing to weigh by, places of what is no image, or numbers out of range.
    """

    binary_safe = True

    def __init__(  # noqa: PLR0913 - each is a choice of its own
        self,
        shape: tuple[int, ...],
        steps: int,
        generator: torch.Generator | None = None,
        *,
        time: bool = True,
        channel: bool = True,
        place: bool = True,
        rectified: bool = True,
        reduction: int = 5,
        channel_reduction: int = 8,
        kernel: int = 3,
        causal: bool = False,
        bits: int | None = None,
    ) -> None:
        super().__init__()
        check_bits(bits)
        _check(shape, reduction=reduction, channel_reduction=channel_reduction, kernel=kernel, place=place)
        if not (time or channel or place):
            raise InputError("layers.gate weighs by nothing; give it time, channel or place = true")
        self.shape, self.steps = shape, steps
        self.rectified, self.causal, self.bits = rectified, causal, bits
        channels = shape[0]
        self.time = _Bottleneck(steps, max(1, steps // reduction), generator) if time else None
        self.channel = (
            _Bottleneck(channels, max(1, channels // channel_reduction), generator) if channel else None
        )
        self.kernel = drawn((1, 2, kernel, kernel), generator) if place else None

    def forward(self, current: Tensor) -> Tensor:
        """Currents [time, batch, neurons] of that shape.

        Raises:
            InputError: other than a whole window.
        """
        check_window(current, self.steps)
        x = current.unflatten(-1, (self.shape[0], -1))
        if self.time is not None:
            x = self.of_time(current)[..., None, None] * x
        if self.channel is not None:
            x = self._of_channels(x)[..., None] * x
        if self.kernel is not None:
            x = self._of_places(x)[:, :, None] * x
        return (x.relu() if self.rectified else x).flatten(2)

    def of_time(self, current: Tensor) -> Tensor:
        """M_t [time, batch] of currents [time, batch, neurons].

        Raises:
            InputError: a gate without it.
        """
        if self.time is None:
            raise InputError("the gate does not weigh by time; give it time = true")
        found = torch.zeros((), dtype=current.dtype, device=current.device)
        for pooled in (current.mean(-1), current.amax(-1)):
            heard = (self.time.squeeze.T[:, None] * pooled[..., None]).cumsum(0)
            hidden = (heard if self.causal else heard[-1:]).relu()
            found = found + (self.time.excite[:, None] * hidden).sum(-1)
        return in_bits(found.sigmoid(), self.bits)

    def _of_channels(self, x: Tensor) -> Tensor:
        """M_c [time or 1, batch, channels]."""
        assert self.channel is not None  # noqa: S101 - asked for where there is one
        squeeze, excite = self.channel.squeeze, self.channel.excite
        mean = mean_so_far(x.mean(-1), causal=self.causal)
        most = largest_so_far(x.amax(-1), causal=self.causal)
        found = (mean @ squeeze.T).relu() @ excite.T + (most @ squeeze.T).relu() @ excite.T
        return in_bits(found.sigmoid(), self.bits)

    def _of_places(self, x: Tensor) -> Tensor:
        """M_s [time or 1, batch, places]."""
        assert self.kernel is not None  # noqa: S101 - asked for where there is one
        mean = mean_so_far(x.mean(2), causal=self.causal)
        most = largest_so_far(x.amax(2), causal=self.causal)
        images = torch.stack([mean, most], 2).unflatten(-1, self.shape[1:])
        found = conv2d(images.flatten(0, 1), self.kernel, padding=self.kernel.shape[-1] // 2)
        return in_bits(found.sigmoid(), self.bits).view(mean.shape)


def _check(shape: tuple[int, ...], *, place: bool, kernel: int, **reductions: int) -> None:
    for name, value in reductions.items():
        if value < 1:
            raise InputError(f"layers.gate.{name} = {value}; allowed: integers from 1")
    if kernel < 1 or kernel % 2 == 0:
        raise InputError(f"layers.gate.kernel = {kernel}; allowed: odd integers from 1")
    if place and len(shape) == 1:
        raise InputError(
            f"layers.gate weighs by place, and {shape[0]} neurons have none; give it place = false"
        )
