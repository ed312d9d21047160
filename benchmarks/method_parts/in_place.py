"""What writing in place took of a run."""

from __future__ import annotations

from typing import Any

from memsim.learn import Run
from memsim.learn.writing import ENERGY, FIGURES, MOST, PULSES


def pulses(run: Run) -> dict[str, Any]:
    """Pulses and their energy, of a study that writes in place; nothing of others."""
    scores = (run.records[0].history if run.records else run.history)[-1].scores
    if not set(FIGURES) <= set(scores):
        return {}
    weights = sum(crossbar.weight.numel() for crossbar in run.network.crossbars)
    return {
        "pulses": scores[PULSES],
        "pulses of a cell": scores[PULSES] / (2 * weights),
        "most pulses of a cell": scores[MOST],
        "energy of writing [J]": scores[ENERGY],
    }
