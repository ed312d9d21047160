"""In which precision inputs are worked on, so that what varies in them is not rounded away.

Single precision keeps 24 bits of a value x. Of a channel that varies by s about an offset it keeps s / (|x| 2^-24)
levels: of pressures of 101325 Pa that vary by 1 Pa some hundred, of times of 1.7e9 s none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from memsim.errors import InputError
from memsim.learn.data.ranges import Numbers
from memsim.learn.data.raw import Array, Values, pieces

ROUNDED = 2.0**-12
"""Share of what a channel varies by that rounding may take."""
SAMPLE = 2**14
"""Values of a channel from which it is judged what it varies by, but for outliers."""
WITHIN = 0.05, 0.95
"""Quantiles between which it does."""
EXACT = 2**53
"""Whole numbers up to which double precision has all."""

Float = type[np.floating[Any]]


@dataclass(frozen=True)
class _Channels:
    """What some examples say of each channel.

    Attributes:
        low, high: ends, as they are.
        lost: largest difference that rounding to single precision makes.
        whole: whether they are whole numbers, which double precision rounds, too.
        sample: some of their values, [channels, some].
    """

    low: Array
    high: Array
    lost: Numbers
    whole: bool
    sample: Numbers

    @classmethod
    def of(cls, piece: Array, axis: int, every: int) -> _Channels:
        columns = np.moveaxis(piece, axis, 0).reshape(piece.shape[axis], -1)
        exact = columns.astype(np.float64)
        lost = np.abs(exact - exact.astype(np.float32)).max(axis=1)
        low, high, whole = columns.min(axis=1), columns.max(axis=1), columns.dtype.kind in "iu"
        return cls(low, high, lost, whole, exact[:, ::every].copy())


def working_type(values: Values, axis: int) -> Float:
    """Single precision, or double where single would lose more than `ROUNDED` of what a channel varies by.

    Args:
        values: the inputs to train on.
        axis: of the channels.

    Raises:
        InputError: whole numbers whose differences are lost in double precision, too.
    """
    if all(np.can_cast(piece.dtype, np.float32) for piece in pieces(values)):
        return np.float32
    every = -(-sum(piece.size for piece in pieces(values)) // (values[0].shape[axis - 1] * SAMPLE))
    seen = [_Channels.of(piece, axis, every) for piece in pieces(values)]
    low, high = np.min([one.low for one in seen], axis=0), np.max([one.high for one in seen], axis=0)
    still = low == high
    low, high = low.astype(np.float64), high.astype(np.float64)
    within = np.quantile(np.concatenate([one.sample for one in seen], axis=1), WITHIN, axis=1)
    spread = np.where(within[1] > within[0], within[1] - within[0], high - low)
    lost = np.max([one.lost for one in seen], axis=0)
    if not ((lost > ROUNDED * spread) | (spread == 0))[~still].any():
        return np.float32
    if any(one.whole for one in seen):
        _check_exact(np.maximum(high, -low), spread, still)
    return np.float64


def _check_exact(size: Numbers, spread: Numbers, still: Array) -> None:
    lost = np.flatnonzero(~still & (size > EXACT) & (size / EXACT > ROUNDED * spread))
    if len(lost):
        channel = int(lost[0])
        raise InputError(
            f"channel {channel} of the inputs reaches {size[channel]:.4g} in whole numbers, and varies by so little, "
            f"about {spread[channel]:.2g}, that floating-point numbers cannot hold it; take an offset off it, such as "
            "its first value"
        )
