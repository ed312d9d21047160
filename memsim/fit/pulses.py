"""Conductance over identical pulses: potentiation and depression with a curvature.

    g_n = start + (end - start) h(n / N),    h(s) = (1 - e^(-nu s)) / (1 - e^(-nu)),    s from 0 to 1

The law of NeuroSim and CrossSim: nu > 0 saturates (soft bounds), nu = 0 is a straight line, nu < 0 speeds up. Noise
is told apart by how long it lasts: the spread of single steps, that of whole ramps, and the correlation between.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from memsim.errors import InputError
from memsim.fit.coordinates import Coordinate
from memsim.fit.intervals import Uncertainty, uncertainty
from memsim.fit.records import Array

STRAIGHT = 1e-4  # |nu| below which h is its series s + nu s (1 - s) / 2
MOST_CURVED = 50.0


@dataclass(frozen=True)
class PulseFit:
    """Potentiation or depression by identical pulses, in the unit of the data.

    Args:
        start, end: conductance after the first and the last pulse.
        nonlinearity: nu.
        span: of the mean ramp.
        mean_error: RMSE of the mean ramp over its span.
        step_noise: standard deviation of single steps around those of the law.
        ramp_noise: standard deviation of whole ramps around the mean one; 0 for a single ramp.
        correlation: of a deviation with the next one: near 0 for read noise, near 1 for moves that stay.
        predicted: [pulses], the mean ramp of the law.
        uncertainty: intervals and correlations of start, end and nonlinearity.
    """

    start: float
    end: float
    nonlinearity: float
    span: float
    mean_error: float
    step_noise: float
    ramp_noise: float
    correlation: float
    predicted: Array
    uncertainty: Uncertainty


def fit_pulses(ramps: Array) -> PulseFit:
    """Fit the law to potentiation or depression.

    Args:
        ramps: [pulses, ramps], or [pulses] for one, the conductance read after each pulse; NaN where a ramp has ended.

    Raises:
        InputError: fewer than 4 pulses, values that are not finite, or no change.
    """
    data = np.asarray(ramps, dtype=float)
    data = data[:, None] if data.ndim == 1 else data
    if data.ndim != 2 or len(data) < 4 or np.isinf(data).any() or np.isnan(data).all(1).any():
        raise InputError(
            f"ramps of shape {data.shape} cannot be fitted; give finite values [pulses, ramps] for 4 pulses or more"
        )
    mean = np.nanmean(data, 1)
    span = float(np.ptp(mean))
    if span == 0:
        raise InputError(f"the conductance stays at {mean[0]:g} over all pulses; there is nothing to fit")
    z = least_squares(
        lambda z: (_law(z, len(mean))[0] - mean) / span,
        [mean[0], mean[-1], 0.5],
        lambda z: _law(z, len(mean))[1] / span,
        bounds=([-np.inf, -np.inf, -MOST_CURVED], [np.inf, np.inf, MOST_CURVED]),
        x_scale=[span, span, 1.0],
    ).x
    predicted, jacobian = _law(z, len(mean))
    deviation = data - predicted[:, None]
    ramp = np.nanmean(deviation, 0)
    inner = deviation - ramp
    unknowns = (
        Coordinate("start", "S", -np.inf, np.inf, mean.min(), mean.max(), False),
        Coordinate("end", "S", -np.inf, np.inf, mean.min(), mean.max(), False),
        Coordinate("nonlinearity", "1", -MOST_CURVED, MOST_CURVED, -5.0, 5.0, False),
    )
    return PulseFit(
        start=float(z[0]),
        end=float(z[1]),
        nonlinearity=float(z[2]),
        span=span,
        mean_error=float(np.sqrt(np.mean((predicted - mean) ** 2))) / span,
        step_noise=float(np.nanstd(np.diff(deviation, axis=0))),
        ramp_noise=float(ramp.std()),
        correlation=float(np.nanmean(inner[1:] * inner[:-1]) / max(np.nanmean(inner**2), 1e-300)),
        predicted=predicted,
        uncertainty=uncertainty(unknowns, z, [predicted - mean], jacobian),
    )


def _law(z: Array, pulses: int) -> tuple[Array, Array]:
    """Conductances [pulses] and derivatives [pulses, 3] by start, end and nonlinearity."""
    start, end, nu = z
    s = np.linspace(0.0, 1.0, pulses)
    if abs(nu) < STRAIGHT:
        h, by_nu = s + nu * s * (1 - s) / 2, s * (1 - s) / 2
    else:
        whole, part = -np.expm1(-nu), -np.expm1(-nu * s)
        h = part / whole
        by_nu = (s * np.exp(-nu * s) - h * np.exp(-nu)) / whole
    return start + (end - start) * h, np.stack([1 - h, h, (end - start) * by_nu], 1)
