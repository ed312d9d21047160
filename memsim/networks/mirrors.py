"""A gate that is a mirror ratio of each neuron and nothing else, so that a network with it is a circuit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memsim.networks.attention.windows import check_bits, in_bits
from memsim.networks.gates import Gate, Number


class Mirrors(Gate):
    """Shares of 0 to 1 of the currents, one for each channel, or neuron of dense layers, trained with the rest.

    They are what attention over channels is where it does not look at its input. Of few bits they are mirrors with that
    many binary branches.

    Args:
        shape: of the neurons: (neurons,) or (channels, height, width).
        bits: of each share; as many as numbers have where left out.

    Raises:
        InputError: bits out of range.
    """

    causal = binary_safe = True

    def __init__(self, shape: tuple[int, ...], bits: int | None = None) -> None:
        super().__init__()
        check_bits(bits)
        self.shape, self.bits = shape, bits
        self.raw = nn.Parameter(torch.zeros(shape[0]))

    @property
    def shares(self) -> Tensor:
        """Of each channel or neuron."""
        return in_bits(self.raw.sigmoid(), self.bits)

    def forward(self, current: Tensor) -> Tensor:
        return self.fold(0)[0] * current

    def fold(self, step: int) -> tuple[Number, Number]:
        return self.shares.repeat_interleave(torch.Size(self.shape[1:]).numel()), 0.0
