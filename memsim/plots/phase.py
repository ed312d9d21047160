from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure

from memsim.plots.loops import add_arrows, draw_coloured_by_time
from memsim.plots.style import QUANTITIES, curve, rows, scaled, styled


@styled
def phase_portrait(waves: xr.Dataset, x: str, y: str) -> Figure:
    """One variable over another, coloured by time, with arrows in its direction and a dot at the start.

    Args:
        waves: waveforms of one run.
        x: name of the variable along the page, such as the membrane potential.
        y: name of the variable up the page, such as the state of a device.

    Raises:
        InputError: a variable is missing or is not one waveform over time.
    """
    figure, (axes,) = rows(1, (5.0, 3.8))
    (across,), x_label = scaled([curve(waves, x)], _label(waves, x))
    (up,), y_label = scaled([curve(waves, y)], _label(waves, y))
    draw_coloured_by_time(figure, axes, across, up, curve(waves, x))
    add_arrows(axes, across, up, "black")
    axes.plot(across[:1], up[:1], "o", color="black", markersize=5, label="start")
    axes.legend(loc="best")
    axes.set(xlabel=x_label, ylabel=y_label)
    return figure


def _label(waves: xr.Dataset, name: str) -> str:
    return (
        f"{QUANTITIES.get(str(waves[name].attrs.get('units', '1')), 'value')} {name}"
        if name in waves
        else name
    )
