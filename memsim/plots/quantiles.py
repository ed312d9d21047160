from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from scipy.special import ndtr, ndtri

from memsim.plots.style import COLOURS, Array, styled

MARKED = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class QuantilePair:
    """Samples of a distribution and what they are compared with, in the unit named in `label`."""

    sampled: Array
    measured: Array
    label: str


@styled
def quantile_quantile(pairs: Mapping[str, QuantilePair], columns: int = 3) -> Figure:
    """Quantiles of samples over those of measurements, tails to one in a thousand; on the diagonal they agree."""
    columns = min(columns, len(pairs))
    rows = -(-len(pairs) // columns)
    figure = Figure(figsize=(3.1 * columns + 0.4, 2.9 * rows))
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel, (title, pair) in zip(panels, pairs.items(), strict=False):
        reach = -float(ndtri(max(1e-3, 2 / min(len(pair.sampled), len(pair.measured)))))
        levels = ndtr(np.linspace(-reach, reach, 81))
        x, y = np.quantile(pair.measured, levels), np.quantile(pair.sampled, levels)
        ends = [min(x[0], y[0]), max(x[-1], y[-1])]
        panel.plot(ends, ends, "-", color="0.75", linewidth=1.0, zorder=0)
        panel.plot(x, y, ".", color=COLOURS[0], markersize=3)
        marked = [np.quantile(values, MARKED) for values in (pair.measured, pair.sampled)]
        panel.plot(
            *marked, "o", color=COLOURS[1], markersize=5, markerfacecolor="none", label="5, 25, 50, 75, 95 %"
        )
        panel.set_title(title, fontsize=9)
        panel.set_xlabel(f"measured {pair.label}", fontsize=8)
        panel.set_ylabel("sampled", fontsize=8)
        panel.tick_params(labelsize=8)
    for panel in panels[len(pairs) :]:
        panel.set_visible(False)
    panels[0].legend(fontsize=7, loc="upper left")
    return figure
