from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from memsim.errors import InputError
from memsim.plots.style import columns, styled

if TYPE_CHECKING:
    from memsim.learn import EpochRecord

EDGE = 0.5  # epochs on either side


@styled
def training_curves(history: Sequence[EpochRecord], *, score: str = "accuracy") -> Figure:
    """Loss and accuracies over the epochs of a run; `score` says what takes the place of accuracy.

    Raises:
        InputError: the history is empty.
    """
    if not history:
        raise InputError("the history holds no epoch; train at least one")
    epochs = [record.epoch for record in history]
    figure, (left, right) = columns(2, (7.2, 2.9))
    left.plot(epochs, [record.loss for record in history], marker="o", markersize=3)
    left.set(xlabel="epoch", ylabel="mean training loss")
    left.set_ylim(bottom=0)
    right.plot(
        epochs, [100 * record.train_accuracy for record in history], marker="o", markersize=3, label="train"
    )
    right.plot(
        epochs, [100 * record.test_accuracy for record in history], marker="s", markersize=3, label="test"
    )
    right.set(xlabel="epoch", ylabel=f"{score} (%)")
    right.legend(loc="lower right")
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlim(epochs[0] - EDGE, epochs[-1] + EDGE)
    return figure
