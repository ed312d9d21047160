"""Whether a run stayed within what is physical, and what to do where it did not."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch

from memsim.errors import ConvergenceError
from memsim.surrogate.frames import DEEPEST, UNRESOLVED
from memsim.surrogate.run import Run


def check_resolved(run: Run, h: Sequence[float], stepper: str) -> None:
    """Raise ConvergenceError where a step could not be divided finely enough.

    Args:
        run: what a circuit did.
        h: sizes of the steps [s].
        stepper: name of the integrator.
    """
    if not len(h) or int(run.levels.max()) != UNRESOLVED:
        return
    step, *sample = torch.nonzero(run.levels == UNRESOLVED)[0].tolist()
    time = ([0.0, *accumulate(h)])[step]
    raise ConvergenceError(
        f"{stepper} cannot follow the circuit from t = {time:g} s on: the step of {h[step]:g} s fails in "
        f"{2**DEEPEST} parts, too" + (f" (sample {tuple(sample)} of the batch)" if sample else ""),
        remedy=f"shorten the step to {h[step] / 10:g} s, or check the values of the circuit and of its sources.",
    )
