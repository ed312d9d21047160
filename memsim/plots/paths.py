from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike

from memsim.errors import InputError
from memsim.plots.style import COLOURS, columns, styled
from memsim.units import si_prefix

QUANTILES = {"95 % of all cells are nearer": 0.95, "half of all cells are nearer": 0.5}
"""Of the distances from their places."""


@styled
def conductance_paths(conductances: ArrayLike, targets: ArrayLike, *, cells: int = 9) -> Figure:
    """Conductances on their way to their places, round by round, beside how far all cells still are from theirs.

    Args:
        conductances: before the first round and after each, [rounds + 1, ...] in S, the other axes those of the cells.
        targets: where the cells are to go, of their shape, in S.
        cells: how many are drawn one by one, at least 1: those whose targets are spread evenly over all targets.

    Raises:
        InputError: no rounds, no cells, or targets of another shape.
    """
    way, places = np.asarray(conductances, dtype=float), np.asarray(targets, dtype=float)
    if way.ndim < 2 or len(way) < 2 or not places.size or way.shape[1:] != places.shape:
        raise InputError(
            f"conductances have shape {way.shape} and targets {places.shape}; give [rounds + 1, ...] and [...], of the "
            "same cells"
        )
    if cells < 1:
        raise InputError(f"cells = {cells} is out of range; allowed: integers from 1")
    way, places = way.reshape(len(way), -1), places.ravel()
    scale, prefix = si_prefix(float(np.abs(way).max()))
    order = np.argsort(places, kind="stable")
    drawn = order[np.linspace(0, len(order) - 1, min(cells, len(order))).round().astype(int)]
    rounds = np.arange(len(way))
    figure, (left, right) = columns(2, (8.2, 3.4))
    for number, cell in enumerate(drawn):
        first = number == 0
        left.plot(rounds, way[:, cell] / scale, "-", color=COLOURS[0], label="cells" if first else None)
        left.plot(
            [0, rounds[-1]],
            [places[cell] / scale] * 2,
            ":",
            color="0.6",
            linewidth=1.0,
            zorder=0,
            label="their places" if first else None,
        )
    left.set(xlabel="round of pulses", ylabel=f"conductance ({prefix}S)", xlim=(0, rounds[-1]))
    distance = np.abs(way - places)
    for (name, share), colour in zip(QUANTILES.items(), COLOURS[1:], strict=False):
        right.plot(rounds, np.quantile(distance, share, axis=1), color=colour, label=name)
    right.set(
        xlabel="round of pulses", ylabel="distance from their places", xlim=(0, rounds[-1]), yscale="log"
    )
    right.yaxis.set_major_formatter(EngFormatter("S"))
    right.yaxis.set_minor_formatter(NullFormatter())
    for panel in (left, right):
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside upper center", ncols=4)
    return figure
