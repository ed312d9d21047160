"""Ranges: the values that become 0 and 1, of each channel, as training data have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.floating[Any]]
DIGITS = range(4, 17)
"""Significant ones of the ends of a range, as many as tell them apart."""


@dataclass(frozen=True)
class Ranges:
    """Values that become 0 and 1.

    Attributes:
        axis: of the channels.
        low, high: of each channel.
    """

    axis: int
    low: Numbers
    high: Numbers

    @classmethod
    def given(cls, values: Numbers, axis: int, ends: tuple[float, float], *, signed: bool) -> Ranges:
        """The same range for all channels; of signed ones the larger end in size counts for both rails."""
        low, high = (0.0, max(map(abs, ends))) if signed else ends
        channels = values.shape[axis]
        return cls(axis, *(np.full(channels, end, values.dtype) for end in (low, high)))

    @classmethod
    def measured(
        cls, values: Numbers, axis: int, quantile: float, *, signed: bool, by_channel: bool
    ) -> Ranges:
        """Those within which `quantile` of the values lie; both rails of a channel share one."""
        channels = values.shape[axis]
        columns = np.moveaxis(values, axis, 0).reshape(channels, -1)
        if signed:
            columns = np.concatenate(np.split(columns, 2), axis=1)
        apart = columns if by_channel else columns.reshape(1, -1)
        ends = np.array([_ends(column, quantile, signed=signed) for column in apart], values.dtype)
        low, high = np.tile(ends, (channels // len(ends), 1)).T
        return cls(axis, low, high)

    def scaled(self, values: Numbers) -> Numbers:
        """Values in [0, 1]; those outside are clipped, and channels without a range stay 0."""
        span = self._along(np.where(self.high > self.low, self.high - self.low, 1), values)
        return (np.clip(values - self._along(self.low, values), 0, span) / span).astype(np.float32)

    def __str__(self) -> str:
        digits = next((d for d in DIGITS if _told(self.low, d) != _told(self.high, d)), DIGITS[0])
        low, high = _told(self.low, digits), _told(self.high, digits)
        still = int((self.high <= self.low).sum())
        constant = f"; {still} channel(s) are constant in training, and stay 0" if still else ""
        return f"inputs: 0 stands for {low}, 1 for {high}{constant}"

    def outside(self, values: Numbers, name: str) -> list[str]:
        """What to say of values of the part of that name that are clipped."""
        low, high = self._along(self.low, values), self._along(self.high, values)
        count = int(((values < low) | (values > high)).sum())
        share = f"{count} of {values.size} {name} values ({count / values.size:.2%})"
        return [f"{share} lie outside and are clipped"] if count else []

    def _along(self, ends: Numbers, values: Numbers) -> Numbers:
        return ends.reshape([-1 if k == self.axis else 1 for k in range(values.ndim)])


def _told(ends: Numbers, digits: int) -> str:
    low, high = (f"{end:.{digits}g}" for end in (ends.min(), ends.max()))
    return low if low == high else f"{low} to {high}"


def _ends(values: Numbers, quantile: float, *, signed: bool) -> tuple[float, float]:
    """Lowest and highest but for outliers: what is mostly at rest is judged by the rest."""
    low = 0.0 if signed else float(np.quantile(values, 1 - quantile))
    above = values[values > low]
    return low, float(np.quantile(above, quantile)) if len(above) else low
