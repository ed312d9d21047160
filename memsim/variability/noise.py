"""Noise of repeated reads: of one cell over time, relative to its mean conductance, and of many cells read twice.

S(f) = white + flicker (1 Hz / f)^exponent        one-sided power spectral density of dg / g [1/Hz]
sigma(g) / g = factor (g / g_max)^exponent        standard deviation of one read over the conductance
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares, minimize
from scipy.signal import periodogram

from memsim.crossbar.laws import ClippedPower, check
from memsim.crossbar.nonidealities import ReadNoise
from memsim.errors import InputError
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
        g = finite_samples("conductance", conductance)
        return cls.of_deviations(g / g.mean() - 1, interval)

    @classmethod
    def of_deviations(cls, deviations: Array, interval: float) -> NoiseSpectrum:
        """From consecutive deviations [reads], `interval` seconds apart."""
        check("interval", interval, above=0.0)
        frequency, power = periodogram(deviations, fs=1 / interval, detrend="constant")
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
        parts = generator.standard_normal((2, cells, reads + 1))
        return self.waves(parts[0] + 1j * parts[1], interval)

    def powers(self, reads: int, interval: float) -> Array:
        """Variance [reads] of each spectral line that so many reads see."""
        check("interval", interval, above=0.0)
        # twice as long as asked for, as the discrete transform repeats its end at its start
        power = self.density(np.fft.rfftfreq(2 * reads, interval)[1:]) / (2 * reads * interval)
        power[-1] /= 2  # half of this line lies beyond the fastest wave there is
        return power

    def waves(self, lines: NDArray[np.complex128], interval: float) -> Array:
        """Relative deviations [cells, reads] from spectral lines [cells, reads + 1] of standard normal parts."""
        reads = lines.shape[1] - 1
        amplitude = np.zeros(reads + 1)
        amplitude[1:] = reads * np.sqrt(self.powers(reads, interval))
        amplitude[-1] *= 2  # alone without a conjugate
        return np.fft.irfft(amplitude * lines, n=2 * reads, axis=1)[:, :reads]


def reread_noise(first: ArrayLike, second: ArrayLike) -> ReadNoise:
    """Read noise of a crossbar, from the conductances [cells] in S that many cells showed when they were read twice.

    The most likely Gaussian whose width is a power law of the conductance; reads that differ do so by both noises.

    Raises:
        InputError: fewer than 8 cells, reads of different length, or conductances that are not positive.
    """
    reads = [finite_samples(name, values) for name, values in (("first", first), ("second", second))]
    if len(reads[0]) != len(reads[1]) or min(read.min() for read in reads) <= 0:
        raise InputError("both reads must be of the same cells, in the same order, and above 0 S")
    middle, difference = (reads[0] + reads[1]) / 2, (reads[1] - reads[0]) / np.sqrt(2)
    g_max = float(middle.max())
    scale, relative = np.log(middle / g_max), difference / middle

    def unlikely(z: Array) -> float:
        log_sigma = z[0] + z[1] * scale
        return float(np.mean(log_sigma + relative**2 * np.exp(-2 * log_sigma) / 2))

    start = [np.log(relative.std()), 0.0]
    level, exponent = minimize(unlikely, start, bounds=[(None, None), (-3.0, -1e-3)]).x
    highest = float(np.exp(level + exponent * scale.min()))
    return ReadNoise(ClippedPower(float(np.exp(level)), float(exponent), highest, g_max))


def _binned(frequency: Array, power: Array) -> tuple[Array, Array, Array]:
    """Means over equal steps of log frequency, and how many lines each holds."""
    low, high = np.log10(frequency[[0, -1]])
    edges = np.linspace(low, high, max(int(BINS_A_DECADE * (high - low)), 3) + 1)
    index = np.clip(np.searchsorted(edges, np.log10(frequency), side="right") - 1, 0, len(edges) - 2)
    count = np.bincount(index, minlength=len(edges) - 1)
    full = count > 0
    f = np.bincount(index, frequency, len(edges) - 1)[full] / count[full].astype(float)
    return f, np.bincount(index, power, len(edges) - 1)[full] / count[full], count[full].astype(float)
