"""The inputs of a layer moment by moment: what is read with the same references, and how its reads count."""

from __future__ import annotations

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


def weighted(reads: list[Tensor], shown: list[Shown]) -> Tensor:
    """Reads of what was shown, added as they count."""
    if len(reads) == 1:
        return reads[0]
    return torch.stack([read * show.counts for read, show in zip(reads, shown, strict=True)]).sum(0)
