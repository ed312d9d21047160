"""Spectrum of the noise of repeated reads, relative to the mean conductance.

S(f) = white + flicker (1 Hz / f)^exponent        one-sided power spectral density of dg / g [1/Hz]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares
from scipy.signal import periodogram

from memsim.crossbar.laws import check
from memsim.crossbar.nonidealities import ReadNoise
from memsim.variability.quantiles import Array, finite_samples

BINS_A_DECADE = 6


@dataclass(frozen=True)
class NoiseSpectrum:
    """Noise of one cell read over and over.

    Args:
        white: level above the corner [1/Hz].
        flicker: level of the power law at 1 Hz [1/Hz].
        exponent: of the power law.
    """

    white: float
    flicker: float
    exponent: float

    def __post_init__(self) -> None:
        for name in ("white", "flicker"):
            check(name, getattr(self, name), low=0.0)
        check("exponent", self.exponent, above=0.0, high=3.0)

    @classmethod
    def estimate(cls, conductance: ArrayLike, interval: float) -> NoiseSpectrum:
        """From consecutive reads.

        Args:
            conductance: [reads] in S.
            interval: between two reads [s].
        """
        check("interval", interval, above=0.0)
        g = finite_samples("conductance", conductance)
        frequency, power = periodogram(g / g.mean() - 1, fs=1 / interval, detrend="constant")
        f, s, count = _binned(frequency[1:], power[1:])

        def misfit(z: Array) -> Array:
            model = np.logaddexp(z[0], z[1] - z[2] * np.log(f))
            return (model - np.log(s)) * np.sqrt(count)

        start = [np.log(s[-1]), np.log(np.interp(1.0, f, s)), 1.0]
        found = least_squares(misfit, start, bounds=([-np.inf, -np.inf, 0.05], [np.inf, np.inf, 2.95])).x
        return cls(float(np.exp(found[0])), float(np.exp(found[1])), float(found[2]))

    def density(self, frequency: ArrayLike) -> Array:
        """Power spectral density [1/Hz] at frequencies above 0 [Hz]."""
        return self.white + self.flicker * np.asarray(frequency, dtype=float) ** -self.exponent

    def deviation(self, lowest: float, highest: float) -> float:
        """Relative standard deviation of reads that see the band from `lowest` to `highest` [Hz]."""
        check("lowest", lowest, above=0.0)
        check("highest", highest, above=lowest)
        f = np.geomspace(lowest, highest, 400)
        return float(np.sqrt(np.trapezoid(self.density(f), f)))

    def read_noise(self, lowest: float, highest: float) -> ReadNoise:
        """Read noise of a crossbar whose reads see that band."""
        return ReadNoise(self.deviation(lowest, highest))

    def sample(self, cells: int, reads: int, interval: float, generator: np.random.Generator) -> Array:
        """Relative deviations [cells, reads] of consecutive reads `interval` seconds apart."""
        check("interval", interval, above=0.0)
        # twice as long as asked for, as the discrete transform repeats its end at its start
        length = 2 * reads
        f = np.fft.rfftfreq(length, interval)
        amplitude = np.zeros(len(f))
        amplitude[1:] = np.sqrt(self.density(f[1:]) * length / (4 * interval))
        parts = generator.standard_normal((2, cells, len(f)))
        waves = np.fft.irfft(amplitude * (parts[0] + 1j * parts[1]), n=length, axis=1)
        return waves[:, :reads]


def _binned(frequency: Array, power: Array) -> tuple[Array, Array, Array]:
    """Means over equal steps of log frequency, and how many lines each holds."""
    low, high = np.log10(frequency[[0, -1]])
    edges = np.linspace(low, high, max(int(BINS_A_DECADE * (high - low)), 3) + 1)
    index = np.clip(np.searchsorted(edges, np.log10(frequency), side="right") - 1, 0, len(edges) - 2)
    count = np.bincount(index, minlength=len(edges) - 1)
    full = count > 0
    f = np.bincount(index, frequency, len(edges) - 1)[full] / count[full].astype(float)
    return f, np.bincount(index, power, len(edges) - 1)[full] / count[full], count[full].astype(float)
