"""Distributions as tables over the standard normal variable: value = table(n), n normal with mean 0 and spread 1.

Knots lie at n = -4, -3.75, ..., 4 and hold the measured quantiles there, so that a table keeps skew and tails as they
were measured. Beyond the outermost knots lies the outermost value measured: no tail is made up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from memsim.errors import InputError

Array = NDArray[np.float64]

KNOTS: Array = np.linspace(-4.0, 4.0, 33)
FEWEST = 8  # samples; fewer do not make a distribution


@dataclass(frozen=True)
class Quantiles:
    """The distribution of one quantity as its values [33] at the knots, in the unit of the samples."""

    values: Array

    @classmethod
    def estimate(cls, samples: ArrayLike) -> Quantiles:
        """From measured samples.

        Raises:
            InputError: fewer than 8 samples, or some that are not finite.
        """
        samples = finite_samples("samples", samples)
        return cls(np.quantile(samples, ndtr(KNOTS), method="hazen"))

    def __call__(self, normal: ArrayLike) -> Array:
        """Values for standard normal draws."""
        return np.interp(np.asarray(normal, dtype=float), KNOTS, self.values)

    def normal(self, values: ArrayLike) -> Array:
        """Standard normal scores of values, the inverse of a call; the middle of the span where values repeat."""
        at = np.asarray(values, dtype=float)
        low = np.interp(at, self.values, KNOTS)
        high = -np.interp(-at, -self.values[::-1], -KNOTS[::-1])
        return (low + high) / 2


@dataclass(frozen=True)
class JointDistribution:
    """Quantities that belong together, such as the parameters of a device: marginals, and their correlation.

    Args:
        marginals: distribution by name.
        correlation: [names, names] of the normal scores (a Gaussian copula), in the order of the marginals.
    """

    marginals: Mapping[str, Quantiles]
    correlation: Array

    @classmethod
    def estimate(cls, columns: Mapping[str, ArrayLike]) -> JointDistribution:
        """From samples [devices] by name, each row of the columns one device.

        Raises:
            InputError: columns of different length, fewer than 8 rows, or values that are not finite.
        """
        samples = {name: finite_samples(name, column) for name, column in columns.items()}
        lengths = {len(column) for column in samples.values()}
        if len(lengths) != 1:
            raise InputError(
                f"columns have {sorted(lengths)} rows; give one value of each quantity per device"
            )
        scores = np.array([normal_scores(column) for column in samples.values()])
        with np.errstate(invalid="ignore"):  # what is the same in all devices is set right below
            correlation = np.atleast_2d(np.corrcoef(scores))
        constant = scores.std(axis=1) == 0
        correlation[constant], correlation[:, constant] = 0.0, 0.0
        np.fill_diagonal(correlation, 1.0)
        return cls({name: Quantiles.estimate(column) for name, column in samples.items()}, correlation)

    def sample(self, count: int, generator: np.random.Generator) -> dict[str, Array]:
        """Values [count] by name; row k of all columns is one device."""
        return self.of_normal(generator.standard_normal((len(self.marginals), count)))

    def of_normal(self, independent: Array) -> dict[str, Array]:
        """Values [count] by name for independent standard normal variables [names, count]."""
        normal = correlated(self.correlation, independent)
        return {name: marginal(normal[k]) for k, (name, marginal) in enumerate(self.marginals.items())}


def correlated(correlation: Array, independent: Array) -> Array:
    """Standard normal variables [names, count] with the given correlation, of independent ones."""
    values, vectors = np.linalg.eigh(correlation)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ independent)


def finite_samples(name: str, samples: ArrayLike) -> Array:
    """Samples as a flat array; InputError where there are too few or some are not finite."""
    flat = np.asarray(samples, dtype=float).ravel()
    if len(flat) < FEWEST or not np.isfinite(flat).all():
        problem = f"{len(flat)} values" if len(flat) < FEWEST else "values that are not finite"
        raise InputError(f"{name} holds {problem}; give at least {FEWEST} finite numbers")
    return flat


def halves(count: int, generator: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Numbers of two halves of `count` samples, drawn at random: one to estimate from, one to compare with."""
    order = generator.permutation(count)
    return order[::2], order[1::2]


def quantile_errors(sampled: ArrayLike, measured: ArrayLike, levels: Sequence[float]) -> Array:
    """Difference of quantiles over the measured distance from the median, by level; see `quantile_scale`."""
    difference = np.quantile(np.asarray(sampled), levels) - np.quantile(np.asarray(measured), levels)
    return np.abs(difference) / quantile_scale(measured, levels)


def quantile_scale(measured: ArrayLike, levels: Sequence[float]) -> Array:
    """Distance of quantiles from the median, by level, which their errors are relative to.

    At the median itself it is half the distance between the quartiles.
    """
    low, median, high = np.quantile(np.asarray(measured), [0.25, 0.5, 0.75])
    distance = np.abs(np.quantile(np.asarray(measured), levels) - median)
    return np.maximum(distance, np.where(np.equal(levels, 0.5), (high - low) / 2, 1e-300))


def normal_scores(column: Array) -> Array:
    """Standard normal variables in the order of the values; equal values share one."""
    return np.asarray(ndtri((rankdata(column) - 0.5) / len(column)))
