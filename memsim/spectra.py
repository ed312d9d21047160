"""Complex waveforms over frequency, as people read them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def decibels(values: ArrayLike) -> NDArray[np.float64]:
    """Magnitude in decibel, 20 log10 |x|; minus infinity of zero."""
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.abs(np.asarray(values)))


def degrees(values: ArrayLike) -> NDArray[np.float64]:
    """Phase in degrees along the last axis, without jumps of a full turn."""
    return np.degrees(np.unwrap(np.angle(np.asarray(values))))
