"""Confidence intervals and correlations of fitted values, from the Jacobian at the minimum.

    cov(z) = s^2 (J'J)^-1,    s^2 = c sum r^2 / (n - k),    c = (1 + rho) / (1 - rho)

Residuals of a transient are alike from sample to sample; c counts the independent ones by the lag-1 correlation rho
of the residuals (Bayley and Hammersley, J. R. Stat. Soc. Suppl. 8, 1946), so that intervals do not shrink with the
sampling rate. They hold for the model as it stands: what the model cannot follow is not noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from memsim.fit.coordinates import Coordinate
from memsim.fit.records import Array

LEVEL = 0.95
DETERMINED = 3.0  # an interval wider than this factor each way (or than the starting range) says nothing


@dataclass(frozen=True)
class Uncertainty:
    """Intervals at the 95 % level and correlations of all fitted values.

    Args:
        names: of the fitted values.
        intervals: lowest and highest value by name.
        correlation: [names, names], between the values as they were fitted (logarithms of positive ones).
        undetermined: names of values that the data does not fix.
    """

    names: tuple[str, ...]
    intervals: Mapping[str, tuple[float, float]]
    correlation: Array
    undetermined: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "intervals_95": {name: list(ends) for name, ends in self.intervals.items()},
            "undetermined": list(self.undetermined),
            "correlation": {"names": list(self.names), "matrix": self.correlation.tolist()},
        }

    @classmethod
    def from_dict(cls, numbers: Mapping[str, Any]) -> Uncertainty:
        """What `as_dict` gave, among other entries; KeyError, TypeError or ValueError where it is not that."""
        return cls(
            tuple(numbers["correlation"]["names"]),
            {name: (float(low), float(high)) for name, (low, high) in numbers["intervals_95"].items()},
            np.array(numbers["correlation"]["matrix"], dtype=float),
            tuple(numbers["undetermined"]),
        )


def uncertainty(
    unknowns: Sequence[Coordinate], z: Array, residuals: Sequence[Array], jacobian: Array
) -> Uncertainty:
    """Intervals around the minimum.

    Args:
        unknowns: what was fitted.
        z: [unknowns] at the minimum.
        residuals: of each record [samples].
        jacobian: [all samples, unknowns], derivatives of the residuals by z.
    """
    r = np.concatenate(residuals)
    n, k = jacobian.shape
    freedom = max(n - k, 1)
    variance = _correlation_factor(residuals) * float(r @ r) / freedom
    inverse = _inverse(jacobian.T @ jacobian)
    shape = np.sqrt(np.diag(inverse))
    reach = student.ppf(0.5 + LEVEL / 2, freedom) * np.sqrt(variance) * shape
    intervals, undetermined = {}, []
    for c, at, width in zip(unknowns, z, reach, strict=True):
        low, high = sorted(
            float(c.to_value(np.array(np.clip(at + side, -700, 700)))) for side in (-width, width)
        )
        intervals[c.name] = (max(low, c.low), min(high, c.high))
        limit = np.log(DETERMINED) if c.logarithmic else (c.last - c.first) / c.scale / 2
        if width > limit:
            undetermined.append(c.name)
    correlation = inverse / np.outer(shape, shape)
    return Uncertainty(tuple(c.name for c in unknowns), intervals, correlation, tuple(undetermined))


def _correlation_factor(residuals: Sequence[Array]) -> float:
    top = sum(float(r[1:] @ r[:-1]) for r in residuals)
    bottom = sum(float(r @ r) for r in residuals)
    rho = min(max(top / bottom, 0.0), 0.99) if bottom else 0.0
    return (1 + rho) / (1 - rho)


def _inverse(normal: Array) -> Array:
    """Inverse of a positive matrix, huge but finite in directions without information."""
    scale = 1 / np.sqrt(np.maximum(np.diag(normal), 1e-30))
    values, vectors = np.linalg.eigh(normal * np.outer(scale, scale))
    return (vectors / np.maximum(values, 1e-12)) @ vectors.T * np.outer(scale, scale)
