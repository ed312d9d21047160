"""Scores of discrete networks: what is made of the outputs of the last layer over the steps, [time, batch, classes]."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.networks.described import KIND
from memsim.networks.named_functions import check_function, own_function
from memsim.own_code import names_code

Scores = Callable[[Tensor], Tensor]
"""From outputs [time, batch, classes] to scores [batch, classes]."""
MEAN, LAST, SUM, DOT_PRODUCT = "mean", "last", "sum", "dot-product"
SCALE = "scale"


def mean(outputs: Tensor) -> Tensor:
    """Averages over the steps."""
    return outputs.mean(0)


def last(outputs: Tensor) -> Tensor:
    """Those of the last step: of neurons that leak, what counts most are the steps before it."""
    return outputs[-1]


def total(outputs: Tensor) -> Tensor:
    """Sums over the steps: of neurons that fire, how many spikes."""
    return outputs.sum(0)


@dataclass(frozen=True)
class DotProduct:
    """Of the rates z of two places: scores (1, sum over channels of z z'), so that pairs that agree are of class 1.

    The difference of both is the logit of the decoder of a graph auto-encoder: Kipf and Welling, 2016,
    arXiv:1611.07308, equation 2, but for the 1, since rates are not negative.

    Attributes:
        makes: classes that it tells apart, whatever the number of neurons.
    """

    makes: int = 2

    def __call__(self, outputs: Tensor) -> Tensor:
        if outputs.shape[-1] % 2:
            raise InputError(
                f"scores {DOT_PRODUCT!r} are of two places, and the last layer has {outputs.shape[-1]} neurons; "
                "allowed: as many at both, such as channels with a kernel of 1 over an image of 1 x 2"
            )
        alike = outputs.mean(0).unflatten(-1, (-1, 2)).prod(-1).sum(-1)
        return torch.stack([torch.ones_like(alike), alike], -1)


SCORES: dict[str, Scores] = {MEAN: mean, LAST: last, SUM: total, DOT_PRODUCT: DotProduct()}
"""Scores by the names that studies use."""


@dataclass(frozen=True)
class InUnits:
    """Scores over a scale.

    Attributes:
        scores: what is made of outputs.
        scale: what counts as one unit of a score, above 0.
    """

    scores: Scores
    scale: float

    @property
    def makes(self) -> int | None:
        """Classes of the scores, see `classes_of`."""
        return classes_of(self.scores)

    def __call__(self, outputs: Tensor) -> Tensor:
        return self.scores(outputs) / self.scale


def classes_of(scores: Scores) -> int | None:
    """Classes that scores make of any number of neurons; None of scores that are one for each neuron."""
    return getattr(scores, "makes", None)


def check_scores(entry: Any) -> Any:
    """An entry that describes scores, with their full name; see `check_function`.

    Raises:
        InputError: no such scores, or a table that is not their kind and a scale.
    """
    if not isinstance(entry, Mapping):
        return check_function("scores", entry, SCORES)
    if entry.keys() != {KIND, SCALE}:
        raise InputError(
            f"scores have the entries {', '.join(entry)}; allowed: a name, or {KIND} and {SCALE}"
        )
    scale = entry[SCALE]
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale < math.inf:
        raise InputError(f"scores.{SCALE} = {scale!r}; allowed: numbers above 0")
    return {KIND: check_function("scores", entry[KIND], SCORES), SCALE: float(scale)}


def scores_of(entry: Any) -> Scores:
    """The scores that an entry describes; those of the user's say what is wrong with them."""
    if isinstance(entry, Mapping):
        return InUnits(scores_of(entry[KIND]), entry[SCALE])
    if not names_code(entry):
        return SCORES[entry]

    def scores(outputs: Tensor) -> Tensor:
        return own_function("scores", entry, (outputs,), ("batch, classes", tuple(outputs.shape[1:])))

    return scores
