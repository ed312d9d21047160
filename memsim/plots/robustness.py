from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from memsim.errors import InputError
from memsim.plots.style import COLOURS, columns, styled

_MARKERS = "osD^v<"


@dataclass(frozen=True)
class Robustness:
    """How accuracy falls with one non-ideality.

    Attributes:
        levels: of the non-ideality, [levels].
        accuracies: for each way of training, at each level, shares from 0 to 1 of the draws of hardware.
    """

    levels: Sequence[float]
    accuracies: Mapping[str, Sequence[Sequence[float]]]


@styled
def robustness(panels: Mapping[str, Robustness]) -> Figure:
    """Mean and standard deviation of accuracy over draws of hardware, a panel for each non-ideality.

    Args:
        panels: by the label of the non-ideality's axis.

    Raises:
        InputError: no panels, or a level without accuracies.
    """
    if not panels:
        raise InputError("there is no non-ideality to draw accuracy against; give at least one")
    figure, axes = columns(len(panels), (1.2 + 2.1 * len(panels), 2.8))
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel.accuracies))
    for place, (label, panel) in zip(axes, panels.items(), strict=True):
        for name, draws in panel.accuracies.items():
            if len(draws) != len(panel.levels) or not all(len(shares) for shares in draws):
                raise InputError(
                    f"accuracies {name!r} against {label!r} have {[len(shares) for shares in draws]} draws; "
                    f"give at least one for each of the {len(panel.levels)} levels"
                )
            number = names.index(name)
            place.errorbar(
                panel.levels,
                [100 * np.mean(shares) for shares in draws],
                [100 * np.std(shares) for shares in draws],
                color=COLOURS[number % len(COLOURS)],
                marker=_MARKERS[number % len(_MARKERS)],
                capsize=3,
                label=name,
            )
        place.set_xlabel(label)
    axes[0].set_ylabel("test accuracy (%)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(names))
    return figure
