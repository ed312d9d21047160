"""Switching times at constant voltage, fitted on a logarithmic scale.

A device with one state that starts at x_0 reaches x_1 at the voltage V after

    t(V) = integral from x_0 to x_1 of dx / f(V, x),    dt/dp = -integral of (df/dp) / f^2 dx

by Gauss-Legendre quadrature; residuals are log10 t(V) - log10 t measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from memsim.devices.base import Device
from memsim.devices.numeric import generate
from memsim.errors import InputError
from memsim.fit.coordinates import KEPT, Coordinate, Scales, coordinate
from memsim.fit.intervals import Uncertainty, uncertainty
from memsim.fit.records import Array
from memsim.fit.search import levenberg_marquardt

NODES = 64
NEVER = 30.0  # log10 of a time [s] that stands for a device that does not get there


@dataclass(frozen=True)
class SwitchingTimes:
    """Measured times.

    Args:
        voltage: [points] in V, across the device.
        time: [points] in s until the device has switched.
        start, end: the model's state before, and the one that counts as switched.
    """

    voltage: Array
    time: Array
    start: float
    end: float

    def __post_init__(self) -> None:
        if self.voltage.shape != self.time.shape or self.voltage.size < 3:
            raise InputError(
                f"switching times need at least 3 pairs; there are {self.voltage.size} voltages, {self.time.size} times"
            )
        if not (np.isfinite(self.voltage).all() and np.isfinite(self.time).all() and (self.time > 0).all()):
            raise InputError(
                "switching times must be finite and above 0 s, voltages finite; remove other rows"
            )
        if np.ptp(self.voltage) == 0:
            raise InputError(
                f"all voltages are {self.voltage[0]:g} V; kinetics need times at several voltages"
            )
        if self.start == self.end:
            raise InputError(
                f"start and end are both {self.start:g}; give the states before and after switching"
            )


@dataclass(frozen=True)
class TimesFit:
    """A model fitted to switching times.

    Args:
        device: the fitted model.
        predicted: [points] in s.
        decades: RMSE of log10 t.
        uncertainty: intervals and correlations.
    """

    device: Device
    predicted: Array
    decades: float
    uncertainty: Uncertainty


def fit_switching_times(
    measured: SwitchingTimes,
    model: type[Device],
    *,
    fixed: Mapping[str, float] | None = None,
    starts: int = 64,
    seed: int = 0,
) -> TimesFit:
    """Fit the rate of a model with one state; parameters that its rate does not hold stay at their defaults.

    Args:
        measured: voltages and times.
        model: the device class.
        fixed: parameter values that are known.
        starts: starting points.
        seed: of the starting points.

    Raises:
        InputError: a model with no state or several, or one that never switches at these voltages.
    """
    fixed = dict(fixed or {})
    device = model(initial=None, **fixed)  # refuses unknown names and values out of range
    if len(model.states) != 1:
        raise InputError(f"{model.model} has {len(model.states)} states; switching times are fitted for one")
    (state,) = model.states
    for end in ("start", "end"):
        device.check_state(f"{end} of {model.model}.{state}", state, getattr(measured, end))
    moving = device.expressions.rates[0].free_symbols
    scales = Scales(
        float(np.abs(measured.voltage).max()),
        1.0,
        (1.0, 1.0),
        (float(measured.time.min()), float(measured.time.max())),
    )
    free = tuple(
        coordinate(symbol.name, model.parameters[symbol.name], scales)
        for symbol in device.expressions.parameters
        if symbol in moving and symbol.name not in {*KEPT, *fixed}
    )
    bounds = tuple(np.array([c.to_z(getattr(c, side)) for c in free]) for side in ("low", "high"))
    first, last = (np.array([c.to_z(getattr(c, side)) for c in free]) for side in ("first", "last"))
    z = first + np.random.default_rng(seed).random((starts, len(free))) * (last - first)

    def residuals(z: Array, _: Array) -> tuple[Array, Array]:
        return _residuals(measured, model, free, fixed, z)

    with np.errstate(all="ignore"):  # a start may hold rates that overflow: its residual says so
        found = levenberg_marquardt(
            residuals, z, np.ones(starts), (bounds[0], bounds[1]), iterations=120, progress=1e-6
        )
        (r,), (jacobian,) = residuals(found.z[:1], np.ones(1))
    if np.abs(r).max() > NEVER / 2:
        raise InputError(
            f"{model.model} does not take its state from {measured.start:g} to {measured.end:g} at these voltages; "
            "check the sign of the voltage and the two states"
        )
    values = {c.name: float(c.to_value(found.z[0, k])) for k, c in enumerate(free)}
    return TimesFit(
        model(initial=None, **{**fixed, **values}),
        measured.time * 10**r,
        float(np.sqrt(np.mean(r**2))),
        uncertainty(free, found.z[0], [r], jacobian),
    )


@cache
def _rate(model: type[Device], names: tuple[str, ...]) -> Any:
    form = model().expressions
    free = [symbol for name in names for symbol in form.parameters if symbol.name == name]
    outputs = [form.rates[0], *(sp.diff(form.rates[0], symbol) for symbol in free)]
    return generate((form.voltage, form.states, form.parameters), outputs, "numpy")


def _residuals(
    measured: SwitchingTimes,
    model: type[Device],
    free: tuple[Coordinate, ...],
    fixed: Mapping[str, float],
    z: Array,
) -> tuple[Array, Array]:
    """Residuals [starts, points] in decades and derivatives [starts, points, unknowns]."""
    node, weight = np.polynomial.legendre.leggauss(NODES)
    x = measured.start + (measured.end - measured.start) * (node + 1) / 2
    weight = weight * (measured.end - measured.start) / 2
    values = {c.name: c.to_value(z[:, k])[:, None, None] for k, c in enumerate(free)}
    p = [values.get(n, np.full((1, 1, 1), fixed.get(n, s.default))) for n, s in model.parameters.items()]
    function = _rate(model, tuple(c.name for c in free))
    rate, *slopes = function(measured.voltage[:, None], [x], p)
    shape = (len(z), len(measured.time), NODES)
    rate = np.broadcast_to(rate, shape)
    forward = np.isfinite(rate) & (rate * np.sign(measured.end - measured.start) > 0)
    arrives = forward.all(-1)
    safe = np.where(forward, rate, 1.0)
    time = np.where(arrives, np.abs((weight / safe).sum(-1)), 1.0)
    jacobian = np.zeros((*shape[:2], len(free)))
    for k, (c, slope) in enumerate(zip(free, slopes, strict=True)):
        by = -(weight * np.broadcast_to(slope, shape) / safe**2).sum(-1) * np.sign(
            measured.end - measured.start
        )
        by = by * np.sign((weight / safe).sum(-1) * (measured.end - measured.start))
        jacobian[..., k] = np.where(arrives, by / time / np.log(10) * c.slope(z[:, k])[:, None], 0.0)
    r = np.where(arrives, np.log10(time) - np.log10(measured.time), NEVER)
    return r, np.nan_to_num(jacobian)
