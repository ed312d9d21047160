"""Seeds of what is random in a training run, from those of the study, so that resuming needs no state of them.

There are two ways, because runs of either kind that were trained before come out as they did.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def of_epoch(*numbers: int) -> int:
    """For noise of an epoch of a run without stages: a seed that is unlike those of other numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def of_stage(*numbers: int) -> int:
    """For all that a stage draws."""
    generator = torch.Generator()
    seed = 0
    for number in numbers:
        seed = int(torch.randint(2**62, (), generator=generator.manual_seed(seed ^ number)))
    return seed


@contextmanager
def global_draws(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators, which code of the user's may draw from, and put them back after."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
