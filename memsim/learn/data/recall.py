"""Cue recall: one of several cues is shown, noise follows, and at a go signal the cue is to be told.

Line r fires in step t with probability p[t, r], anew in each trial:

    p[t, r] = rate     of the lines of the cue while t < cue, of those of the go signal in the last `go` steps
    p[t, r] = noise    else

so that after the delay nothing of the cue is left on the lines. The first lines are those of cue 0, the last those of
the go signal.
"""

from __future__ import annotations

import torch

from memsim.errors import InputError
from memsim.learn.data.dataset import Dataset, Split
from memsim.learn.data.recall_table import RecallTable
from memsim.memory import check_memory

CUE_RECALL = "cue-recall"


def cue_recall(steps: int, table: RecallTable | None = None) -> Dataset:
    """Trials of so many steps, the same at each call.

    Args:
        steps: of a trial: cue, delay and go signal.
        table: what trials are.

    Raises:
        InputError: trials without a delay, or more than the memory holds.
    """
    table = table or RecallTable()
    if steps <= table.cue + table.go:
        raise InputError(
            f"a trial of {steps} steps has no delay between a cue of {table.cue} and a go signal of {table.go}; "
            f"allowed: at least {table.cue + table.go + 1} steps"
        )
    generator = torch.Generator().manual_seed(table.seed)
    train, test = (_trials(count, steps, table, generator) for count in (table.train, table.test))
    return Dataset(CUE_RECALL, table.cues, (table.lines * (table.cues + 1),), train, test)


def _trials(count: int, steps: int, table: RecallTable, generator: torch.Generator) -> Split:
    groups = table.cues + 1
    # probabilities and draws are float32
    check_memory(
        f"{count} trials of {steps} steps", 8 * count * steps * groups * table.lines, "take fewer trials"
    )
    cues = torch.randint(table.cues, (count,), generator=generator)
    rates = torch.full((count, steps, groups), table.noise)
    rates[torch.arange(count), : table.cue, cues] = table.rate
    rates[:, -table.go :, -1] = table.rate
    spikes = torch.bernoulli(rates.repeat_interleave(table.lines, 2), generator=generator)
    return Split(spikes.to(torch.uint8), cues)
