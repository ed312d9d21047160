"""Pictures of what moves: events, arrows of velocities that are known and found, and flow in the colours of a wheel.

The hue of a flow is its direction and the saturation its speed, as in Baker et al., A database and evaluation
methodology for optical flow, IJCV 92:1 (2011). Rows of an image count downwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from memsim.errors import InputError
from memsim.plots.style import COLOURS, columns, styled

Array = NDArray[np.float64]
Seen = tuple[Array, Array, Array]
"""Events, and what is known and found."""
ARROWS = 6
"""Along the longer side of an image of flow."""
LONGEST = 0.35
"""Of an arrow of one velocity, of the shorter side of the image."""
KNOWN, FOUND = COLOURS[0], COLOURS[1]


@dataclass(frozen=True)
class Motion:
    """What moved in one recording.

    Attributes:
        events: that became brighter and darker, [2, rows, columns].
        known: velocity [2] or flow [2, rows, columns], along columns and along rows; NaN where not known.
        found: what a network says of it, in the same unit.
    """

    events: ArrayLike
    known: ArrayLike
    found: ArrayLike


@styled
def motion(views: Sequence[Motion], unit: str = "pixels/s") -> Figure:
    """Recordings below each other: events with arrows, and, of flow, what is known and found as colours.

    Args:
        views: recordings, all with velocities, or all with flow.
        unit: of velocities.

    Raises:
        InputError: no recordings, or shapes that do not belong together.
    """
    if not views:
        raise InputError("there is no recording to draw; give at least one")
    seen = [_checked(number, view) for number, view in enumerate(views)]
    dense = seen[0][1].ndim == 3
    if any((known.ndim == 3) != dense for _, known, _ in seen):
        raise InputError("some recordings have one velocity and others flow; draw them apart")
    fastest = max(_fastest(known) for _, known, _ in seen) or 1.0
    figure = _dense(seen, fastest, unit) if dense else _single(seen, fastest, unit)
    lines = [
        Line2D([], [], color=colour, linewidth=width, linestyle="-", label=name)
        for name, colour, width in (("known", KNOWN, 4), ("found", FOUND, 2))
    ]
    figure.legend(handles=lines, loc="outside upper center", ncols=2)
    return figure


def flow_colours(flow: ArrayLike, fastest: float) -> Array:
    """Flow as red, green and blue from 0 to 1, [rows, columns, 3]; grey where it is not known.

    Args:
        flow: [2, rows, columns], along columns and along rows.
        fastest: speed of full saturation, above 0; what is faster is darker.

    Raises:
        InputError: another shape, or a fastest speed of 0 and below.
    """
    field = np.asarray(flow, dtype=float)
    if field.ndim != 3 or len(field) != 2 or not field.size:
        raise InputError(f"flow has shape {field.shape}; allowed: [2, rows, columns]")
    if not fastest > 0:
        raise InputError(f"fastest = {fastest:g}; allowed: above 0")
    unknown = np.isnan(field).any(axis=0)
    along, down = np.where(unknown, 0.0, field)
    speed = np.hypot(along, down) / fastest
    # rows count downwards
    hue = (np.arctan2(-down, along) / (2 * np.pi)) % 1
    colours = hsv_to_rgb(np.stack([hue, speed.clip(max=1), np.where(speed > 1, 1 / speed.clip(1), 1)], -1))
    return np.where(unknown[..., None], 0.6, colours)


def _single(seen: Sequence[Seen], fastest: float, unit: str) -> Figure:
    """Recordings of one velocity beside each other."""
    figure, panels = columns(len(seen), (0.6 + 2.4 * len(seen), 3.2))
    for axes, one in zip(panels, seen, strict=True):
        _draw_events(axes, *one, fastest)
    figure.supxlabel(f"longest known velocity: {fastest:.3g} {unit}", fontsize=9)
    return figure


def _dense(seen: Sequence[Seen], fastest: float, unit: str) -> Figure:
    """Recordings of flow below each other."""
    figure = Figure(figsize=(8.0, 0.5 + 2.0 * len(seen)))
    grid = figure.subplots(len(seen), 4, squeeze=False)
    for (first, *others, last), one in zip(grid, seen, strict=True):
        _draw_events(first, *one, fastest)
        for axes, flow in zip(others, one[1:], strict=True):
            axes.imshow(flow_colours(flow, fastest))
            axes.set(xticks=[], yticks=[])
        last.set_axis_off()
    for axes, title in zip(grid[0], ("events", "known flow", "found flow"), strict=False):
        axes.set_title(title)
    _draw_wheel(grid[0][3], fastest, unit)
    return figure


def _checked(number: int, view: Motion) -> Seen:
    events, known, found = (np.asarray(one, dtype=float) for one in (view.events, view.known, view.found))
    if events.ndim != 3 or len(events) != 2 or not events.size:
        raise InputError(f"events {number} have shape {events.shape}; allowed: [2, rows, columns]")
    allowed = ((2,), events.shape)
    if known.shape not in allowed or found.shape != known.shape:
        raise InputError(
            f"velocities {number} have shapes {known.shape} and {found.shape}; allowed: {allowed[0]}, or as events "
            f"{events.shape}, both alike"
        )
    return events, known, found


def _fastest(velocity: Array) -> float:
    speed = np.hypot(*velocity)
    return float(np.nanmax(speed)) if not np.isnan(speed).all() else 0.0


def _draw_events(axes: Axes, events: Array, known: Array, found: Array, fastest: float) -> None:
    """Brighter white, darker black, and arrows above them: known ones broad, found ones narrow."""
    balance = events[0] - events[1]
    largest = max(float(np.quantile(np.abs(balance), 0.98)), 1.0)
    axes.imshow(balance, cmap="gray", vmin=-largest, vmax=largest, alpha=0.55)
    axes.set(xticks=[], yticks=[])
    height, width = balance.shape
    if known.ndim == 1:
        y, x, longest = (
            np.array([(height - 1) / 2]),
            np.array([(width - 1) / 2]),
            LONGEST * min(height, width),
        )
        arrows = [known[:, None], found[:, None]]
    else:
        every = -(-max(height, width) // ARROWS)
        y, x = (one.ravel() for one in np.mgrid[every // 2 : height : every, every // 2 : width : every])
        longest = 0.9 * every
        arrows = [flow[:, y, x] for flow in (known, np.where(np.isnan(known), np.nan, found))]
    for (along, down), colour, thick in zip(arrows, (KNOWN, FOUND), (0.016, 0.008), strict=True):
        axes.quiver(
            x,
            y,
            along,
            down,
            angles="xy",
            scale_units="xy",
            scale=fastest / longest,
            color=colour,
            width=thick,
        )


def _draw_wheel(axes: Axes, fastest: float, unit: str) -> None:
    across = np.linspace(-1, 1, 101)
    wheel = np.stack(np.meshgrid(across, across))
    inside = np.hypot(*wheel) <= 1
    colours = flow_colours(fastest * wheel, fastest)
    axes.imshow(np.dstack([colours, inside]))
    axes.set_title(f"full colour: {fastest:.3g} {unit}", fontsize=8)
