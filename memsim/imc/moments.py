"""The inputs of a layer moment by moment: what is read with the same references, and how its reads count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from memsim.imc.inputs import Shown
from memsim.imc.order import InOrder


class Moment(NamedTuple):
    """Inputs that are read with the same references.

    Attributes:
        inputs: as integers, vectors [vectors, rows] or images [n, channels, height, width].
        step: of the inference, the first of those that are read together.
        order: of these reads, where they depend on the ones before.
    """

    inputs: Tensor
    step: int
    order: InOrder | None

    def read(self, shown: Sequence[Shown], read: Callable[[Tensor, int], Tensor], *, axis: int = 0) -> Tensor:
        """Reads of what was shown, added as they count.

        Args:
            shown: read by read.
            read: what makes reads of inputs that count above zero, 1, or below, -1.
            axis: of what is read, along which what follows is put.
        """
        if self.order is None:
            return weighted([read(part, 1 if counts > 0 else -1) for part, counts in shown], shown)
        # digits follow each other at each position, so that amplifiers that remember must see all of them
        together = read(torch.cat([part for part, _ in shown], axis), 1)
        return weighted(together.chunk(len(shown), axis), shown)


def weighted(reads: Sequence[Tensor], shown: Sequence[Shown]) -> Tensor:
    """Reads of what was shown, added as they count."""
    if len(reads) == 1:
        return reads[0]
    return torch.stack([read * show.counts for read, show in zip(reads, shown, strict=True)]).sum(0)
