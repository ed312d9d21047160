"""Scores of discrete networks: what is made of the outputs of the last layer over the steps, [time, batch, classes]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from memsim.networks.named_functions import check_function, own_function
from memsim.own_code import names_code

Scores = Callable[[Tensor], Tensor]
"""From outputs [time, batch, classes] to scores [batch, classes]."""
MEAN, LAST, SUM = "mean", "last", "sum"


def mean(outputs: Tensor) -> Tensor:
    """Averages over the steps."""
    return outputs.mean(0)


def last(outputs: Tensor) -> Tensor:
    """Those of the last step: of neurons that leak, what counts most are the steps before it."""
    return outputs[-1]


def total(outputs: Tensor) -> Tensor:
    """Sums over the steps: of neurons that fire, how many spikes."""
    return outputs.sum(0)


SCORES: dict[str, Scores] = {MEAN: mean, LAST: last, SUM: total}
"""Scores by the names that studies use."""


def check_scores(name: Any) -> str:
    """The full name of scores; see `check_function`."""
    return check_function("scores", name, SCORES)


def scores_of(name: str) -> Scores:
    """The scores of that name; those of the user's say what is wrong with them."""
    if not names_code(name):
        return SCORES[name]

    def scores(outputs: Tensor) -> Tensor:
        return own_function("scores", name, (outputs,), ("batch, classes", tuple(outputs.shape[1:])))

    return scores
