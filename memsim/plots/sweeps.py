from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from memsim.errors import InputError
from memsim.plots.over_time import MOST_PANELS
from memsim.plots.style import Array, styled
from memsim.units import format_si, si_prefix

CORNER, SAMPLE = "corner", "sample"
OUTSIDE = ("status", "error", "seconds")
MOST_LINES = 6
MARKERS = "osD^vP"
BAND = (0.05, 0.95)


@styled
def sweep(data: xr.Dataset, names: Sequence[str] = ()) -> Figure:
    """Measures of a sweep, one panel each.

    Over one swept parameter a measure is a curve; a second parameter or the corners make a family of curves, or a map
    where there are many; samples become their median and the band of 5 to 95 %. Samples alone are a histogram.

    Args:
        data: results of `memsim sweep`.
        names: measures to draw; all where none is named.

    Raises:
        InputError: this is no sweep, a measure is unknown, or the sweep has more than two axes besides its samples.
    """
    measures = _measures(data, names)
    data = data.assign_coords({dim: data[dim] for dim in data.dims if dim not in data.coords})
    figure = Figure(figsize=(5.2, 0.6 + 2.5 * len(measures)))
    panels = list(figure.subplots(len(measures), 1, squeeze=False).flat)
    for axes, name in zip(panels, measures, strict=True):
        _draw(figure, axes, data[name])
    failed = failed_points(data)
    if failed:
        panels[0].set_title(f"{failed} of {data['status'].size} points failed", loc="right", fontsize=9)
    figure.align_ylabels()
    return figure


def failed_points(data: xr.Dataset) -> int:
    """How many points of a sweep failed.

    Raises:
        InputError: this is no sweep.
    """
    if data.attrs.get("kind") != "sweep" or "status" not in data.data_vars:
        raise InputError("these are not the results of a sweep; give the file that `memsim sweep` wrote")
    return int((data["status"] == 2).sum())


def _measures(data: xr.Dataset, names: Sequence[str]) -> list[str]:
    failed_points(data)
    known = [str(name) for name in data.data_vars if name not in OUTSIDE]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"the sweep has no measure {unknown[0]!r}; it has: {', '.join(known) or 'none'}")
    chosen = list(names) or known
    if not 0 < len(chosen) <= MOST_PANELS:
        raise InputError(f"a picture of {len(chosen)} measures; allowed: 1 to {MOST_PANELS}, name some")
    for name in chosen:
        _check(data[name])
    return chosen


def _check(measure: xr.DataArray) -> None:
    """Refuse what no sweep has: values or axes that are no numbers, or none at all."""
    axes = [measure[dim] for dim in measure.dims if dim != CORNER]
    if not measure.size or any(one.dtype.kind not in "biuf" for one in (measure, *axes)):
        raise InputError(f"{measure.name!r} holds no numbers over the axes of a sweep; name a measure")


def _draw(figure: Figure, axes: Axes, values: xr.DataArray) -> None:
    swept = sorted((str(dim) for dim in values.dims if dim != SAMPLE), key=lambda dim: dim == CORNER)
    if len(swept) > 2:
        raise InputError(
            f"{values.name!r} has the axes {', '.join(swept)}; a picture takes two, select values with .sel "
            "or on the command line with --select name=value"
        )
    if not swept:
        _histogram(axes, values)
    elif len(swept) == 2 and CORNER not in swept and values.sizes[swept[1]] > MOST_LINES:
        _map(figure, axes, values, swept[0], swept[1])
    else:
        _curves(axes, values, swept)


def _histogram(axes: Axes, values: xr.DataArray) -> None:
    finite = np.atleast_1d(values.values)[np.isfinite(np.atleast_1d(values.values))]
    scale, label = _scale(finite, values)
    axes.hist(finite / scale, bins="auto", color="0.75", edgecolor="black", linewidth=0.6)
    axes.axvline(np.median(finite) / scale, color="black", linestyle="--", linewidth=1.0, label="median")
    axes.set(xlabel=label, ylabel="runs")
    deviation = format_si(float(np.std(finite)), _unit(values), digits=3)
    axes.legend(title=f"{len(finite)} runs, deviation {deviation}", fontsize=8, title_fontsize=8)


def _curves(axes: Axes, values: xr.DataArray, swept: Sequence[str]) -> None:
    scale, label = _scale(values.values, values)
    x, x_label = _abscissa(axes, values, swept[0])
    families = values.sizes[swept[1]] if len(swept) > 1 else 1
    for number in range(families):
        one = values.isel({swept[1]: number}) if len(swept) > 1 else values
        title = _title(one, swept[1]) if len(swept) > 1 else None
        line = _curve(axes, x, one, scale, title)
        line.set(marker=MARKERS[number % 6], markersize=4)
        if swept[0] == CORNER:
            line.set_linestyle("none")
    axes.set(xlabel=x_label, ylabel=label)
    if families > 1 or SAMPLE in values.dims:
        axes.legend(loc="best", fontsize=8)


def _curve(axes: Axes, x: Array, values: xr.DataArray, scale: float, title: str | None) -> Line2D:
    if SAMPLE not in values.dims:
        return axes.plot(x, values.values / scale, label=title)[0]
    low, middle, high = values.quantile((BAND[0], 0.5, BAND[1]), SAMPLE).values / scale
    bars = (middle - low, high - middle)
    title = f"{title}, median, 5 to 95 %" if title else "median, 5 to 95 %"
    return axes.errorbar(x, middle, bars, capsize=3, linewidth=1.1, label=title)[0]


def _map(figure: Figure, axes: Axes, values: xr.DataArray, across: str, up: str) -> None:
    scale, label = _scale(values.values, values)
    x, x_label = _abscissa(axes, values, across)
    middle = values.median(SAMPLE) if SAMPLE in values.dims else values
    y_scale, y_prefix = _prefix(values[up])
    y = values[up].values / y_scale
    if _is_geometric(y):
        axes.set_yscale("log")
        _write_plainly(axes.yaxis)
    mesh = axes.pcolormesh(x, y, middle.transpose(up, across).values / scale, shading="nearest")
    axes.set(xlabel=x_label, ylabel=_with_unit(up, f"{y_prefix}{_unit(values[up])}"))
    figure.colorbar(mesh, ax=axes, label=label)


def _abscissa(axes: Axes, values: xr.DataArray, name: str) -> tuple[Array, str]:
    if name == CORNER:
        axes.set_xticks(range(values.sizes[name]), [str(label) for label in values[name].values])
        return np.arange(values.sizes[name], dtype=float), CORNER
    scale, prefix = _prefix(values[name])
    if _is_geometric(values[name].values):
        axes.set_xscale("log")
        _write_plainly(axes.xaxis)
    return values[name].values / scale, _with_unit(name, f"{prefix}{_unit(values[name])}")


def _write_plainly(axis: Axis) -> None:
    """0.5, 1, 2 rather than powers of ten, which an axis with an SI prefix does not need."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def _is_geometric(values: Array) -> bool:
    """Whether values are spaced more evenly in their logarithm, over more than a factor of five."""
    ends = float(values.min()), float(values.max())
    if len(values) < 3 or ends[0] <= 0 or ends[1] < 5 * ends[0]:
        return False
    return float(np.std(np.diff(np.log(values)))) * ends[1] < float(np.std(np.diff(values))) * np.log(
        ends[1] / ends[0]
    )


def _title(one: xr.DataArray, name: str) -> str:
    value = one[name].item()
    return str(value) if name == CORNER else f"{name} = {format_si(value, _unit(one[name]))}"


def _scale(values: Array, one: xr.DataArray) -> tuple[float, str]:
    finite = np.abs(values[np.isfinite(values)])
    if not len(finite):
        raise InputError(f"{one.name!r} has no value at any point; look at the variable `error` of the sweep")
    if not _unit(one):
        return 1.0, str(one.name)
    scale, prefix = si_prefix(float(finite.max()))
    return scale, f"{one.name} ({prefix}{_unit(one)})"


def _unit(one: xr.DataArray) -> str:
    unit = str(one.attrs.get("units", "1"))
    return {"1": "", "ohm": "Ω"}.get(unit, unit)


def _prefix(one: xr.DataArray) -> tuple[float, str]:
    """Scale and prefix of an axis; none where there is no unit to put it before."""
    return si_prefix(float(np.abs(one.values).max())) if _unit(one) else (1.0, "")


def _with_unit(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name
