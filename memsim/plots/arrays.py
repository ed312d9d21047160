from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from memsim.errors import InputError
from memsim.plots.style import columns, rows, styled
from memsim.units import si_prefix

SHORT, LONGEST = 3, 24
"""Letters of a name that fit beside others, and of the longest one that is shown whole."""
LETTER = 0.08
"""Room for one more [inch]."""


@styled
def conductance_map(g_plus: ArrayLike, g_minus: ArrayLike) -> Figure:
    """Conductances of the two devices of every pair, and their difference, which is the weight.

    Args:
        g_plus: [inputs, outputs] in S.
        g_minus: [inputs, outputs] in S.

    Raises:
        InputError: they are not two matrices of one shape.
    """
    plus, minus = np.asarray(g_plus, dtype=float), np.asarray(g_minus, dtype=float)
    if plus.ndim != 2 or plus.size == 0 or plus.shape != minus.shape:
        raise InputError(f"g_plus {plus.shape} and g_minus {minus.shape} must be two matrices of one shape")
    scale, prefix = si_prefix(max(np.abs(plus).max(), np.abs(minus).max()))
    plus, minus = plus / scale, minus / scale
    both = (min(plus.min(), minus.min()), max(plus.max(), minus.max()))
    largest = np.abs(plus - minus).max() or 1.0
    shown = [
        ("G⁺", plus, both),
        ("G⁻", minus, both),
        ("G⁺ − G⁻", plus - minus, (-largest, largest)),
    ]
    figure, panels = columns(3, (7.2, 3.4))
    for axes, (title, matrix, (low, high)) in zip(panels, shown, strict=True):
        image = axes.imshow(matrix, vmin=low, vmax=high, aspect="auto", interpolation="nearest")
        axes.set(title=title, xlabel="output")
        _frame(axes)
        figure.colorbar(image, ax=axes, location="bottom", label=f"conductance ({prefix}S)")
    panels[0].set_ylabel("input")
    return figure


@styled
def confusion(matrix: ArrayLike, labels: Sequence[str] | None = None) -> Figure:
    """Counts of predicted classes (columns) for every true class (rows), shaded by share of the row.

    Args:
        matrix: [class, guess].
        labels: names of the classes in order; their numbers where left out.

    Raises:
        InputError: the matrix is not square, or has not one name for each class.
    """
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise InputError(f"a confusion matrix is square, this one is {counts.shape}")
    names = list(map(str, range(len(counts)) if labels is None else labels))
    if len(names) != len(counts):
        raise InputError(f"{len(names)} names of {len(counts)} classes; give one for each")
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in names]
    longest = max(map(len, names))
    size = 1.6 + 0.36 * len(counts) + max(0, longest - SHORT) * LETTER
    figure, (axes,) = rows(1, (size + 0.6, size))
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts > 0):
        colour = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(counts)), names, rotation=90 if longest > SHORT else 0)
    axes.set_yticks(range(len(counts)), names)
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.spines[:].set_visible(True)
    figure.colorbar(image, ax=axes, label="share of the true class")
    return figure


def _frame(axes: Axes) -> None:
    axes.spines[:].set_visible(True)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
