from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
import xarray as xr
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from memsim.errors import InputError
from memsim.files import write_bytes
from memsim.units import si_prefix

Array = NDArray[np.float64]
P = ParamSpec("P")
R = TypeVar("R")

# Okabe and Ito's palette, each colour with a line style of its own.
COLOURS = ("#0072B2", "#D55E00", "#000000", "#009E73", "#CC79A7", "#E69F00")
MOST_NAMED = 20
QUANTITIES = {
    "V": "potential",
    "A": "current",
    "S": "conductance",
    "1": "state",
    "Ω": "resistance",
    "W": "power",
}
"""What is measured in each unit."""
_LINES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 2)))
_STYLE: dict[Any, Any] = {
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "font.size": 10,
    "axes.labelsize": 10,
    "axes.titlesize": 10,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "legend.handlelength": 2.8,  # long enough to show a dash pattern
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=COLOURS, linestyle=_LINES),
    "lines.linewidth": 1.4,
    "image.cmap": "cividis",
    "savefig.dpi": 200,
    "pdf.fonttype": 42,  # journals refuse type 3 fonts
    "svg.fonttype": "none",
    "text.parse_math": False,  # names and units of others are shown as they are
    "svg.hashsalt": "memsim",  # the same figure gives the same file
}
_FORMATS: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Let a function draw in the style of memsim, and leave the settings of the caller alone."""

    @wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return wrapped


@styled
def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, SVG or PDF, by the suffix of the path.

    Raises:
        InputError: another suffix, or a folder that cannot be written to.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise InputError(f"cannot write the figure {path.name!r} as {suffix!r}; use .png, .svg or .pdf")
    write_bytes(path, _render(figure, suffix))
    return path


@styled
def png(figure: Figure) -> bytes:
    """A figure as PNG in memory."""
    return _render(figure, ".png")


def _render(figure: Figure, suffix: str) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():  # of signs that the font lacks, in names of others
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(buffer, format=suffix[1:], metadata=_FORMATS[suffix])
    return buffer.getvalue()


def rows(
    count: int, size: tuple[float, float], ratios: Sequence[float] | None = None
) -> tuple[Figure, list[Axes]]:
    """Panels above each other with one x axis; the size is in inches, width first."""
    figure = Figure(figsize=size)
    return figure, list(figure.subplots(count, 1, squeeze=False, sharex=True, height_ratios=ratios).flat)


def columns(count: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """Panels beside each other; the size is in inches, width first."""
    figure = Figure(figsize=size)
    return figure, list(figure.subplots(1, count, squeeze=False).flat)


def curve(waves: xr.Dataset, name: str) -> xr.DataArray:
    """A real variable along one dimension.

    Raises:
        InputError: there is no such variable, or it cannot be drawn as one line.
    """
    if name not in waves:
        known = [str(variable) for variable in waves.data_vars]
        more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
        named = ", ".join(known[:MOST_NAMED])
        raise InputError(f"there is no variable {name!r} in these waveforms; there are {named}{more}")
    values = waves[name]
    if not values.dims:
        raise InputError(f"{name!r} is a single number; name a waveform")
    if len(values.dims) > 1:
        over = ", ".join(map(str, values.dims))
        raise InputError(f"{name!r} runs over {over}; select one waveform with .isel")
    if not values.size:
        raise InputError(f"{name!r} has no values; give waveforms that are not empty")
    for one in (values, values[values.dims[0]]):
        if one.dtype.kind == "c":
            raise InputError(f"{one.name!r} is complex; plot its magnitude or its phase")
        if one.dtype.kind not in "biuf":
            raise InputError(f"{one.name!r} holds no numbers; name a waveform")
    if not np.isfinite(values[values.dims[0]].values).all():
        raise InputError(
            f"{name!r} runs over values of {values.dims[0]} that are not finite; repair the file"
        )
    return values


def abscissa(values: xr.DataArray) -> tuple[Array, str]:
    """What a curve is drawn over, and the label of the axis."""
    name = str(values.dims[0])
    (x,), label = scaled([values[name]], name)
    return x, label


def scaled(values: Sequence[xr.DataArray], quantity: str) -> tuple[list[Array], str]:
    """Values with one SI prefix for all, and the label of their axis."""
    unit = values[0].attrs.get("units", "1")
    if unit == "1":
        return [one.values for one in values], quantity
    finite = np.concatenate([one.values[np.isfinite(one.values)] for one in values])
    scale, prefix = si_prefix(float(np.abs(finite).max(initial=0.0)))
    return [one.values / scale for one in values], f"{quantity} ({prefix}{unit})"
