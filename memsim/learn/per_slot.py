"""A number at each time: the mean potential of output neurons in each slot of the window, and not over all of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.networks.memristive import MemristiveNetwork
from memsim.networks.readouts import Readout


@dataclass(frozen=True)
class SlotReadout(Readout):
    """Numbers from membrane potentials in each of so many slots.

    Attributes:
        slots: equal parts of the window.
    """

    slots: int = 1

    def __call__(self, membrane: Tensor) -> Tensor:
        """Numbers [batch, slots, k] of potentials [time, batch, k] in V above rest."""
        samples = len(membrane)
        slot = (torch.arange(samples, device=membrane.device) * self.slots // samples).clamp(
            max=self.slots - 1
        )
        share = torch.zeros(self.slots, samples, dtype=membrane.dtype, device=membrane.device)
        share[slot, torch.arange(samples, device=membrane.device)] = 1.0
        share = share / share.sum(dim=1, keepdim=True).clamp(min=1)
        return torch.einsum("st,tbk->bsk", share, membrane) / self.scale


def read_each_slot(network: MemristiveNetwork, slots: int) -> None:
    """Make a network give a number for each slot of its window.

    Raises:
        InputError: a readout that does not look at all of it.
    """
    whole = network.readout
    if whole.start:
        raise InputError(
            "readout.start is of one answer for the window, and the data ask for one in each slot; leave it out"
        )
    network.readout = SlotReadout(whole.kind, whole.scale, whole.level, whole.width, slots=slots)
