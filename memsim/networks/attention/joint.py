"""Joint attention of time and channels: values times one share of 0 to 1 for each channel at each step.

    z[t, c] = mean of x over places
    P = convolution of z along channels that mixes steps,    weights [T, T, k]
    Q = convolution of z along steps that mixes channels,    weights [C, C, k]
    F = s(P Q),   x <- F x,    s(x) = 1 / (1 + exp(-x));  neither has a bias, and both keep the size

Zhu, Zhang, Zhao, Deng, Duan and Deng, TCJA-SNN, arXiv:2206.10177, where x are the spikes behind the neurons; in front
of them, x are their currents. Kernels of even size look at one more on the right than on the left. In the public code P
alone is called CLA, and Q alone TLA. In the causal form P hears no later step, and Q looks back.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

from memsim.errors import InputError
from memsim.networks.attention.windows import check_bits, check_window, drawn, in_bits
from memsim.networks.gates import Gate
from memsim.networks.skips import CURRENT, SPIKE, Kind

PLACES = (CURRENT, SPIKE)


class JointAttention(Gate):
    """The gate above.

    Args:
        shape: of the neurons: (neurons,) or (channels, height, width).
        steps: of a window.
        generator: source of the initial weights.
        time, channel: whether there is a Q, along time, and a P, along channels.
        kernel: length of both.
        causal: whether no step needs a later one.
        place: `current` in front of the neurons, where word lines stay binary, or `spike` behind them.
        bits: of each share; as many as numbers have where left out.

    Raises:
        InputError: nothing to weigh by, or settings out of range.
    """

    def __init__(  # noqa: PLR0913 - each is a choice of its own
        self,
        shape: tuple[int, ...],
        steps: int,
        generator: torch.Generator | None = None,
        *,
        time: bool = True,
        channel: bool = True,
        kernel: int = 4,
        causal: bool = False,
        place: Kind = CURRENT,
        bits: int | None = None,
    ) -> None:
        super().__init__()
        check_bits(bits)
        if kernel < 1:
            raise InputError(f"layers.gate.kernel = {kernel}; allowed: integers from 1")
        if place not in PLACES:
            raise InputError(f"layers.gate.place = {place!r}; allowed: {', '.join(PLACES)}")
        if not (time or channel):
            raise InputError("layers.gate weighs by nothing; give it time or channel = true")
        self.channels, self.steps, self.bits = shape[0], steps, bits
        self.causal, self.behind, self.binary_safe = causal, place == SPIKE, place == CURRENT
        self.along_channels = drawn((steps, steps, kernel), generator) if channel else None
        self.along_time = drawn((self.channels, self.channels, kernel), generator) if time else None

    def forward(self, current: Tensor) -> Tensor:
        """Values [time, batch, neurons] of that shape.

        Raises:
            InputError: other than a whole window.
        """
        check_window(current, self.steps)
        x = current.unflatten(-1, (self.channels, -1))
        return (self.shares(x.mean(-1))[..., None] * x).flatten(2)

    def shares(self, z: Tensor) -> Tensor:
        """F [time, batch, channels] of means z of that shape."""
        found = torch.ones((), dtype=z.dtype, device=z.device)
        if self.along_channels is not None:
            weights = _heard_so_far(self.along_channels) if self.causal else self.along_channels
            found = found * _convolved(z.transpose(0, 1), weights).transpose(0, 1)
        if self.along_time is not None:
            over_time = z.permute(1, 2, 0)
            found = found * _convolved(over_time, self.along_time, back=self.causal).permute(2, 0, 1)
        return in_bits(found.sigmoid(), self.bits)


def _heard_so_far(weights: Tensor) -> Tensor:
    """Weights [to, from, k] between steps, those from later ones zero."""
    return weights * torch.ones_like(weights[..., 0]).tril()[..., None]


def _convolved(x: Tensor, weights: Tensor, *, back: bool = False) -> Tensor:
    """Of x [batch, in, length] with weights [out, in, k], as long; k - 1 zeros come first where it looks back."""
    around = weights.shape[-1] - 1
    left = around if back else around // 2
    return conv1d(pad(x, (left, around - left)), weights)
