"""What a network says of examples."""

from __future__ import annotations

import torch
from torch import Tensor

from memsim.learn.data import Split
from memsim.learn.network import MemristiveNetwork

EVALUATION_BATCH = 500
EVALUATION_SEED = 0
"""Of the events of rate coding, so that an accuracy can be repeated."""


def guesses(network: MemristiveNetwork, split: Split) -> Tensor:
    """Classes [n] that the network names."""
    events = torch.Generator().manual_seed(EVALUATION_SEED)
    with torch.no_grad():
        parts = [network(inputs, generator=events) for inputs, _ in split.batches(EVALUATION_BATCH)]
    return torch.cat(parts).argmax(dim=1)


def accuracy(network: MemristiveNetwork, split: Split) -> float:
    """Share of examples whose class is right."""
    return float((guesses(network, split) == split.labels).double().mean())


def first(split: Split, count: int) -> Split:
    """The first examples of a split, all of them where there are fewer."""
    return Split(split.stored[:count], split.labels[:count], split.full_scale)
