from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from memsim.plots.style import COLOURS, Array, abscissa, curve, rows, scaled, styled


@styled
def hysteresis(loops: xr.Dataset | Mapping[str, xr.Dataset], voltage: str, current: str) -> Figure:
    """Current over voltage, with arrows in the direction of time.

    Args:
        loops: waveforms of one run, coloured by time; or several by label, such as the frequency.
        voltage: name of the variable with the device's voltage.
        current: name of the variable with the device's current.

    Raises:
        InputError: a variable is missing or is not one waveform over time.
    """
    runs = {"": loops} if isinstance(loops, xr.Dataset) else dict(loops)
    figure, (axes,) = rows(1, (5.0, 3.8))
    x, x_label = scaled([curve(run, voltage) for run in runs.values()], "voltage")
    y, y_label = scaled([curve(run, current) for run in runs.values()], "current")
    axes.axhline(0, color="0.8", linewidth=0.8, linestyle="-")
    axes.axvline(0, color="0.8", linewidth=0.8, linestyle="-")
    if isinstance(loops, xr.Dataset):
        draw_coloured_by_time(figure, axes, x[0], y[0], curve(loops, voltage))
        add_arrows(axes, x[0], y[0], "black")
    else:
        for number, label in enumerate(runs):
            axes.plot(x[number], y[number], label=label)
            add_arrows(axes, x[number], y[number], COLOURS[number % len(COLOURS)])
        axes.legend()
    axes.set(xlabel=x_label, ylabel=y_label)
    return figure


def draw_coloured_by_time(figure: Figure, axes: Axes, x: Array, y: Array, voltage: xr.DataArray) -> None:
    """A curve in the colours of its time, with the bar that says which."""
    times, label = abscissa(voltage)
    points = np.column_stack([x, y])
    segments = list(np.stack([points[:-1], points[1:]], axis=1))
    # The palest end of the colour map would vanish on white paper.
    lines = LineCollection(segments, array=times[:-1], cmap="viridis_r", capstyle="round")
    lines.set_clim(times[0] - 0.15 * np.ptp(times), times[-1])
    axes.add_collection(lines)
    axes.autoscale_view()
    bar = figure.colorbar(lines, ax=axes, label=label)
    if times[0] != times[-1]:
        bar.ax.set_ylim(times[0], times[-1])


def add_arrows(axes: Axes, x: Array, y: Array, colour: str) -> None:
    """Four arrow heads spread evenly along the curve as it looks on paper."""
    drawn = np.isfinite(x) & np.isfinite(y)
    x, y = x[drawn], y[drawn]
    if len(x) < 2:
        return
    width, height = np.ptp(x) or 1.0, np.ptp(y) or 1.0
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x) / width, np.diff(y) / height))])
    for share in (0.12, 0.37, 0.62, 0.87):
        middle = share * length[-1]
        tail, head = (
            (np.interp(s, length, x), np.interp(s, length, y)) for s in (middle - 0.01, middle + 0.01)
        )
        style = {"arrowstyle": "-|>", "color": colour, "linewidth": 0.5, "mutation_scale": 13}
        axes.annotate("", xy=head, xytext=tail, arrowprops=style)
