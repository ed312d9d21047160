from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, NullFormatter

from memsim.errors import InputError
from memsim.plots.over_time import telling, waveforms
from memsim.plots.style import curve, rows, styled
from memsim.spectra import decibels, degrees

MOST_CURVES = 8


@styled
def bode(waves: xr.Dataset, names: Sequence[str] = ()) -> Figure:
    """Magnitude in decibel and phase in degrees of complex waveforms over frequency.

    Raises:
        InputError: a name is missing, or is no complex waveform.
    """
    chosen = list(names) or _complex(waves)
    figure, (level, turn) = rows(2, (6.4, 4.2))
    for name in chosen:
        values = waves[name] if name in waves else curve(waves, name)
        if values.dtype.kind != "c" or values.dims != ("frequency",):
            raise InputError(
                f"{name!r} is no complex waveform over frequency; there are {', '.join(_complex(waves))}"
            )
        frequency = values["frequency"].values
        level.plot(frequency, decibels(values.values), label=name)
        turn.plot(frequency, degrees(values.values), label=name)
    _logarithmic(level, waves["frequency"].values)
    level.set_ylabel("magnitude (dB)")
    turn.set_ylabel("phase (°)")
    turn.set_xlabel("frequency (Hz)")
    for axes in (level, turn):
        axes.margins(x=0)
    level.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    figure.align_ylabels()
    return figure


@styled
def spectrum(waves: xr.Dataset, names: Sequence[str] = ()) -> Figure:
    """Densities of noise over frequency, both logarithmic, one panel for every unit.

    Raises:
        InputError: a name is missing.
    """
    chosen = [curve(waves, name) for name in names or _real(waves)]
    units = list(dict.fromkeys(str(one.attrs.get("units", "1")) for one in chosen))
    figure, panels = rows(len(units), (6.4, 1.4 + 1.6 * len(units)))
    for axes, unit in zip(panels, units, strict=True):
        for one in chosen:
            if str(one.attrs.get("units", "1")) == unit:
                axes.plot(one["frequency"], np.abs(one), label=str(one.name))
        axes.set_yscale("log")
        _with_prefixes(axes.yaxis)
        if _is_narrow(chosen, unit):
            axes.yaxis.set_minor_formatter(EngFormatter())
        axes.set_ylabel(f"density ({unit})".replace("sqrt(Hz)", "√Hz"))
        axes.margins(x=0)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    _logarithmic(panels[0], waves["frequency"].values)
    panels[-1].set_xlabel("frequency (Hz)")
    return figure


def analysis(waves: xr.Dataset, names: Sequence[str] = ()) -> Figure:
    """A picture of what an analysis gave: over frequency as Bode plot or spectrum, else as waveforms.

    Raises:
        InputError: it gave numbers alone, or a name is missing.
    """
    if not waves.dims:
        raise InputError("these are single numbers, such as an operating point; there is no curve to draw")
    if "frequency" in waves.dims:
        return bode(waves, names) if _complex(waves) else spectrum(waves, names)
    return waveforms(waves, list(names) or telling(waves))


def _is_narrow(curves: Sequence[xr.DataArray], unit: str) -> bool:
    """Whether curves of a unit span so little that few powers of ten are on their axis."""
    values = np.concatenate([np.abs(one.values) for one in curves if one.attrs.get("units", "1") == unit])
    positive = values[values > 0]
    return bool(positive.size) and positive.max() < 30 * positive.min()


def _complex(waves: xr.Dataset) -> list[str]:
    return [str(name) for name, values in waves.items() if values.dtype.kind == "c" and values.dims][
        :MOST_CURVES
    ]


def _real(waves: xr.Dataset) -> list[str]:
    return [str(name) for name, values in waves.items() if values.dtype.kind == "f" and values.dims][
        :MOST_CURVES
    ]


def _logarithmic(axes: Axes, frequency: np.ndarray) -> None:
    """A logarithmic axis where frequencies are spread as such."""
    if frequency.size > 1 and frequency.min() > 0 and frequency.max() / frequency.min() > 10:
        axes.set_xscale("log")
    _with_prefixes(axes.xaxis)


def _with_prefixes(axis: Axis) -> None:
    """Numbers as 10 k and 2 n: powers of ten would be formulas, and signs of names are to stay as they are."""
    axis.set_major_formatter(EngFormatter())
    axis.set_minor_formatter(NullFormatter())
