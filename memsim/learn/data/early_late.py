"""Events early or late, in one of two regions: what one scan sees of them, the other does not.

Steps and lines are as many. In half of the steps, early or late, lines of half of all, region A or B, have events more
often than all others. Counts of lines over time tell the region, and counts of steps over lines early from late.
"""

from __future__ import annotations

import torch

from memsim.learn.data.dataset import Dataset, Split

EARLY_LATE, BOTH_WAYS = "early-late", "early-late-both-ways"
ACTIVE, NOISE = 0.2, 0.02
"""Share of entries with an event, within the half and the region and elsewhere."""
TRAIN, TEST = 1_000, 500
CLASSES = 4
"""Early A, early B, late A, late B."""
SEED = 0


def early_late(bins: int) -> Dataset:
    """Events of as many lines as bins, the same at each call."""
    generator = torch.Generator().manual_seed(SEED)
    train, test = (_split(count, bins, generator) for count in (TRAIN, TEST))
    return Dataset(EARLY_LATE, CLASSES, (bins,), train, test)


def both_ways(bins: int) -> Dataset:
    """The same events, and on as many lines more what is kept of them, location by location."""
    plain = early_late(bins)
    train, test = (
        Split(torch.cat([one.stored, one.stored.mT], -1), one.labels) for one in (plain.train, plain.test)
    )
    return Dataset(BOTH_WAYS, CLASSES, (2 * bins,), train, test)


def _split(count: int, bins: int, generator: torch.Generator) -> Split:
    labels = torch.arange(count) % CLASSES
    second = torch.arange(bins) >= bins // 2
    steps, lines = (second == half[:, None].bool() for half in (labels // 2, labels % 2))
    rate = NOISE + (ACTIVE - NOISE) * (steps[:, :, None] & lines[:, None, :])
    return Split((torch.rand(rate.shape, generator=generator) < rate).to(torch.uint8), labels)
