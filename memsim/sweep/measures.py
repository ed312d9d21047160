"""Numbers taken from waveforms."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from memsim.errors import InputError
from memsim.sweep.study import Measure

Array = NDArray[np.float64]
_UNITS = {"spike-count": "1", "first-spike": "s", "period": "s", "frequency": "Hz", "energy": "J"}


def measure(waves: xr.Dataset, measures: Mapping[str, Measure]) -> dict[str, float]:
    """Take every measure of a run.

    Raises:
        InputError: a waveform is missing, is no curve over time, or ends before the measure begins.
    """
    return {name: _take(waves, name, one) for name, one in measures.items()}


def unit_of(measure: Measure) -> str:
    """Unit of a measure, by the waveform's name where it is that of the waveform."""
    letter = measure.of.lower()[:2]
    return _UNITS.get(measure.what) or {"v(": "V", "i(": "A", "g(": "S"}.get(letter, "1")


def crossings(times: Array, values: Array, level: float) -> Array:
    """Times [n] at which a waveform rises through a level, by straight lines between its samples."""
    below = values < level
    before = np.flatnonzero(below[:-1] & ~below[1:])
    rise = values[before + 1] - values[before]
    return times[before] + (level - values[before]) / rise * (times[before + 1] - times[before])


def _take(waves: xr.Dataset, name: str, one: Measure) -> float:
    if one.what == "value":
        return _value(waves, name, one.of)
    times, values = _curve(waves, name, one.of)
    used = times >= one.after
    if used.sum() < 2:
        raise InputError(f"measure {name!r} begins at {one.after:g} s, but the run ends at {times[-1]:g} s")
    t, y = times[used], values[used]
    if one.level is not None:
        return _SPIKES[one.what](crossings(t, y, one.level))
    if one.current is not None:
        return float(np.trapezoid(y * _curve(waves, name, one.current)[1][used], t))
    return float(_LEVELS[one.what](t, y))


def _value(data: xr.Dataset, measure: str, name: str) -> float:
    if name not in data or data[name].dims:
        known = ", ".join(str(n) for n, values in data.items() if not values.dims)
        raise InputError(f"measure {measure!r} needs the number {name!r}; the run has: {known or 'none'}")
    return float(data[name])


def _curve(waves: xr.Dataset, measure: str, name: str) -> tuple[Array, Array]:
    if name not in waves or waves[name].dims != ("time",):
        known = ", ".join(str(n) for n, values in waves.items() if values.dims == ("time",))
        raise InputError(
            f"measure {measure!r} needs {name!r} over time; the run has: {known or 'no such curve'}"
        )
    return waves["time"].values, waves[name].values


def _mean(t: Array, y: Array) -> float:
    return float(np.trapezoid(y, t) / (t[-1] - t[0]))


_LEVELS: dict[str, Callable[[Array, Array], float]] = {
    "peak": lambda _, y: y.max(),
    "minimum": lambda _, y: y.min(),
    "peak-to-peak": lambda _, y: np.ptp(y),
    "mean": _mean,
    "rms": lambda t, y: np.sqrt(_mean(t, y**2)),
    "final": lambda _, y: y[-1],
}
_SPIKES: dict[str, Callable[[Array], float]] = {
    "spike-count": lambda spikes: float(len(spikes)),
    "first-spike": lambda spikes: float(spikes[0]) if len(spikes) else np.nan,
    "period": lambda spikes: float(np.diff(spikes).mean()) if len(spikes) > 1 else np.nan,
    "frequency": lambda spikes: float(1 / np.diff(spikes).mean()) if len(spikes) > 1 else 0.0,
}
