from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from memsim.errors import InputError
from memsim.plots.style import QUANTITIES, abscissa, curve, rows, scaled, styled
from memsim.units import si_prefix

MOST_CURVES, MOST_PANELS = 60, 12


def waveforms(waves: xr.Dataset, names: Sequence[str]) -> Figure:
    """Variables over time (or over a sweep), one panel for every unit among them.

    Raises:
        InputError: no name is given, or a variable is missing or is not one waveform.
    """
    if not names:
        raise InputError("no variable to plot; name at least one")
    if len(names) > MOST_CURVES:
        raise InputError(f"a picture of {len(names)} variables; allowed: up to {MOST_CURVES}, name fewer")
    panels: dict[str, list[str]] = {}
    for name in names:
        unit = curve(waves, name).attrs.get("units", "1")
        panels.setdefault(QUANTITIES.get(unit, str(unit)), []).append(name)
    if len(panels) > MOST_PANELS:
        raise InputError(
            f"a picture of {len(panels)} units; allowed: up to {MOST_PANELS}, name fewer variables"
        )
    return _stack(waves, panels)


def telling(waves: xr.Dataset, most: int = 6) -> list[str]:
    """Variables worth looking at: those the data name, else potentials, states and currents that change.

    Args:
        waves: what to choose from.
        most: variables of one unit.
    """
    marked = [str(name) for name in np.atleast_1d(waves.attrs.get("show", [])) if str(name) in waves]
    if marked:
        return marked
    kinds: dict[str, list[str]] = {}
    for name, values in waves.data_vars.items():
        real = len(values.dims) == 1 and values.dtype.kind == "f" and values.size
        if real and float(values.max()) > float(values.min()):
            kinds.setdefault(str(values.attrs.get("units", "1")), []).append(str(name))
    changing = [name for unit in ("V", "1", "A") for name in kinds.get(unit, [])[:most]]
    return changing or [str(name) for name in waves.data_vars][:most]


def neuron(
    waves: xr.Dataset,
    *,
    membrane: str = "v(mem)",
    states: Sequence[str] = (),
    conductances: Sequence[str] = (),
    currents: Sequence[str] = (),
    drive: Sequence[str] = (),
) -> Figure:
    """Waveforms of one neuron in panels above each other; a panel without variables is left out.

    Raises:
        InputError: a variable is missing or is not one waveform over time.
    """
    panels = {
        "drive": drive,
        "potential": (membrane,),
        "state": states,
        "conductance": conductances,
        "current": currents,
    }
    return _stack(waves, {quantity: names for quantity, names in panels.items() if names})


@styled
def overlay(a: xr.Dataset, b: xr.Dataset, variable: str) -> Figure:
    """One variable of two engines on top of each other, and their difference at the times of `a`.

    Raises:
        InputError: the variable is missing or is not one waveform over time.
    """
    first, second = curve(a, variable), curve(b, variable)
    residual = (second.interp({second.dims[0]: first[first.dims[0]]}) - first).assign_attrs(first.attrs)
    (y_a, y_b), label = scaled([first, second], variable)
    (difference,), difference_label = scaled([residual], "difference")
    span = float(np.ptp(first.values))
    worst = float(np.nanmax(np.abs(residual.values))) / span if span else 0.0

    figure, (top, bottom) = rows(2, (6.4, 4.2), ratios=(3, 1.2))
    x, x_label = abscissa(first)
    top.plot(x, y_a, color="#56B4E9", linestyle="-", linewidth=3.2, label=a.attrs.get("engine", "first"))
    x_of_b = second[second.dims[0]].values * (x[-1] / first[first.dims[0]].values[-1])
    top.plot(x_of_b, y_b, color="black", linestyle="--", linewidth=1.0, label=b.attrs.get("engine", "second"))
    top.set_ylabel(label)
    top.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2)
    bottom.plot(x, difference, color="black", linestyle="-", linewidth=1.0)
    bottom.set(xlabel=x_label, ylabel=difference_label)
    bottom.set_title(f"largest difference {100 * worst:.2g} % of peak to peak", loc="right")
    top.margins(x=0)
    figure.align_ylabels()
    return figure


@styled
def raster(times: Mapping[str, ArrayLike] | Sequence[ArrayLike], duration: float | None = None) -> Figure:
    """Spikes as ticks, one row a neuron, the first at the bottom.

    Args:
        times: spike times of every neuron in s; by label where labels are to be shown.
        duration: end of the time axis in s; just after the last spike where it is not given.

    Raises:
        InputError: a time that is not finite.
    """
    trains = [
        np.asarray(row, dtype=float) for row in (times.values() if isinstance(times, Mapping) else times)
    ]
    if not all(np.isfinite(row).all() for row in trains):
        raise InputError("a spike time is not finite; leave it out")
    last = max((row.max() for row in trains if row.size), default=1.0)
    end = duration if duration is not None else 1.02 * last
    scale, prefix = si_prefix(end)
    figure, (axes,) = rows(1, (6.4, min(1.4 + 0.16 * len(trains), 8.0)))
    for place, row in enumerate(trains):
        axes.eventplot(
            row / scale, lineoffsets=place, colors="black", linelengths=0.8, linewidths=1.0, linestyles="-"
        )
    axes.set(xlabel=f"time ({prefix}s)", xlim=(0, end / scale), ylim=(-0.7, len(trains) - 0.3))
    if isinstance(times, Mapping):
        axes.set_yticks(range(len(trains)), list(times))
    else:
        axes.set_ylabel("neuron")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


@styled
def _stack(waves: xr.Dataset, panels: Mapping[str, Sequence[str]]) -> Figure:
    figure, axes = rows(len(panels), (6.4, 1.0 + 1.2 * max(len(panels), 1.4)))
    for one, (quantity, names) in zip(axes, panels.items(), strict=True):
        label = _draw(one, [curve(waves, name) for name in names], quantity)
    axes[-1].set_xlabel(label)
    figure.align_ylabels()
    return figure


def _draw(axes: Axes, curves: Sequence[xr.DataArray], quantity: str) -> str:
    """Draw curves of one unit; returns the label of the x axis."""
    values, y_label = scaled(curves, quantity)
    x, x_label = abscissa(curves[0])
    for one, y in zip(curves, values, strict=True):
        axes.plot(x, y, label=str(one.name))
    axes.set_ylabel(y_label)
    axes.margins(x=0)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return x_label
