"""Is a waveform that ngspice reports as good really good?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from memsim.errors import BadResultError
from memsim.units import spice_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import xarray as xr

    from memsim.spice.lines import Line

# No memristive circuit reaches a gigavolt or a gigaampere; ngspice reports 1e10 V for a floating node
# and 1e99 V for an overflowing expression, with exit code 0.
ABSURD = 1e9
# Inside a sub-circuit a node may stand for a state in whatever unit: ohms per second in the memristor that ships with
# ngspice, 1e12 of them.
ABSURD_INSIDE = 1e30
# A state may leave its physical range by the error of the time integration, of the order of 0.1 % at
# ngspice's usual steps (SPICE: 4.9e-3 at 1/100 of a period); a runaway window leaves it by far more.
STATE_TOLERANCE = 0.01
# ngspice ends a transient on the stop time up to rounding of sums of time steps.
END_TOLERANCE = 1e-6


def check_result(
    dataset: xr.Dataset, *, stop: float | None = None, bounds: Mapping[str, tuple[float, float]] | None = None
) -> None:
    """Raise BadResultError, with the data as `partial`, unless the waveforms can be believed.

    Args:
        dataset: waveforms of one analysis.
        stop: time a transient must reach [s]; not checked when None.
        bounds: physical range (low, high) of the state variables by name.
    """
    if not dataset.data_vars:
        raise BadResultError("the analysis gave no variables", partial=dataset)
    _check_time(dataset, stop)
    for name in dataset.data_vars:  # its items would take time with the square of their number
        _check_values(str(name), dataset.variables[name].values, dataset)
    for name, (low, high) in (bounds or {}).items():
        if name in dataset:
            _check_state(name, low, high, dataset)


def _check_time(dataset: xr.Dataset, stop: float | None) -> None:
    if "time" not in dataset.coords:
        return
    time = dataset["time"].values
    if len(time) == 0 or not np.all(np.isfinite(time)):
        raise BadResultError("the transient has no points or its time is not finite", partial=dataset)
    if np.any(np.diff(time) <= 0):
        raise BadResultError("time does not increase from point to point", partial=dataset)
    if stop is not None and time[-1] < stop * (1 - END_TOLERANCE):
        raise BadResultError(
            f"the transient ended at {time[-1]:.6g} s instead of {stop:.6g} s", partial=dataset
        )


def _check_values(name: str, values: np.ndarray, dataset: xr.Dataset) -> None:
    if not np.all(np.isfinite(values)):
        raise BadResultError(f"{name} is not finite{_when(dataset, ~np.isfinite(values))}", partial=dataset)
    magnitude = np.abs(values)
    limit = ABSURD_INSIDE if "." in name else ABSURD
    if magnitude.size and magnitude.max() > limit:
        where = _when(dataset, magnitude > limit)
        raise BadResultError(
            f"{name} reaches {magnitude.max():.3g}, beyond {limit:.0e}{where}", partial=dataset
        )


def _check_state(name: str, low: float, high: float, dataset: xr.Dataset) -> None:
    values = dataset[name].values
    margin = STATE_TOLERANCE * (high - low)
    outside = (values < low - margin) | (values > high + margin)
    if np.any(outside):
        raise BadResultError(
            f"state {name} runs from {values.min():.6g} to {values.max():.6g}, outside its physical range "
            f"[{low:g}, {high:g}]{_when(dataset, outside)}",
            remedy="shorten the time step, or use a window that pushes the state back into its range.",
            partial=dataset,
        )


def _when(dataset: xr.Dataset, wrong: np.ndarray) -> str:
    if "time" not in dataset.coords:
        return ""
    return f", first at {dataset['time'].values[np.argmax(wrong)]:.6g} s"


def stop_time(lines: Iterable[Line]) -> float | None:
    """Stop time of a deck's only `.tran` card [s]; None without one or where it is an expression."""
    cards = [line.words for line in lines if line.text.startswith(".tran")]
    return spice_number(cards[0][2]) if len(cards) == 1 and len(cards[0]) > 2 else None
