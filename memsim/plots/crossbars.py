from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from memsim.errors import InputError
from memsim.plots.style import COLOURS, columns, rows, styled
from memsim.units import si_prefix


@styled
def ir_drop_map(drop: ArrayLike) -> Figure:
    """What the wires take of each cell's voltage, beside the means along word lines and bit lines.

    Args:
        drop: [word lines, bit lines] in V, as `OperatingPoint.ir_drop`.

    Raises:
        InputError: it is not a matrix.
    """
    values = np.asarray(drop, dtype=float)
    if values.ndim != 2 or values.size == 0:
        raise InputError(
            f"an IR-drop map is drawn of a matrix [word lines, bit lines], this is {values.shape}"
        )
    scale, prefix = si_prefix(float(np.abs(values).max()))
    values = values / scale
    figure, (field, profile) = columns(2, (7.2, 3.2))
    image = field.imshow(values, aspect="auto", interpolation="nearest", vmin=min(values.min(), 0))
    field.set(xlabel="bit line", ylabel="word line")
    field.spines[:].set_visible(True)
    figure.colorbar(image, ax=field, label=f"IR drop ({prefix}V)")
    profile.plot(values.mean(axis=0), label="along a word line")
    profile.plot(values.mean(axis=1), label="along a bit line")
    profile.set(xlabel="cell", ylabel=f"mean IR drop ({prefix}V)", ylim=(min(values.min(), 0), None))
    profile.legend()
    return figure


@styled
def conductance_histogram(before: ArrayLike, after: ArrayLike, target: ArrayLike | None = None) -> Figure:
    """Conductances of all cells before and after programming; with a target, also how far each is from it.

    Args:
        before: of each cell, in S.
        after: of the same cells, in S.
        target: what they were programmed to, in S.

    Raises:
        InputError: their shapes differ, or there are no cells.
    """
    parts = [np.asarray(part, dtype=float) for part in (before, after, *([] if target is None else [target]))]
    if not parts[0].size or len({part.shape for part in parts}) > 1:
        raise InputError(
            f"before, after and target must hold the same cells; their shapes are {[p.shape for p in parts]}"
        )
    scale, prefix = si_prefix(float(max(np.abs(part).max() for part in parts)))
    old, new, *goal = (part.ravel() / scale for part in parts)
    figure, panels = rows(1, (4.6, 3.0)) if target is None else columns(2, (7.2, 3.0))
    bins = list(np.histogram_bin_edges(np.concatenate([old, new]), bins=40))
    panels[0].hist(old, bins, color="0.75", label="before")
    panels[0].hist(new, bins, histtype="step", color=COLOURS[0], linewidth=1.4, label="after")
    panels[0].set(xlabel=f"conductance ({prefix}S)", ylabel="cells", yscale="log")
    figure.legend(loc="outside upper center", ncols=2)
    if goal:
        width, small = si_prefix(float(np.abs(new - goal[0]).max() * scale))
        panels[1].hist((new - goal[0]) * scale / width, 40, color=COLOURS[0])
        panels[1].set(xlabel=f"distance from target ({small}S)", ylabel="cells")
    return figure
