"""Which way a recorded current runs: a passive device takes up power, so voltage and current have one sign."""

from __future__ import annotations

from typing import Literal

import numpy as np

from memsim.errors import InputError
from memsim.fit.records import Array

Orientation = Literal["as-is", "reversed", "absolute"]
CLEAR = 0.05
"""Share of the largest voltage and current below which a sign says nothing: offsets and leakage turn it."""
NEARLY_ALL, MANY = 0.9, 0.25
_LEAST = 5
"""Samples that are needed to tell."""


def oriented(name: str, voltage: Array, current: Array, given: Orientation | None) -> tuple[Array, list[str]]:
    """The current as it flows where the voltage is positive at the terminal that it enters, and a note on it.

    Args:
        name: of the record, for messages.
        voltage: [samples], V.
        current: [samples], A.
        given: what the user says; None to tell from the power.

    Raises:
        InputError: the signs of a part of the samples contradict those of the rest.
    """
    if given == "reversed":
        return -current, []
    if given == "absolute":
        return np.abs(current) * np.sign(voltage), []
    clear = (np.abs(voltage) > CLEAR * np.abs(voltage).max(initial=0)) & (
        np.abs(current) > CLEAR * np.abs(current).max(initial=0)
    )
    opposite = voltage[clear] * current[clear] < 0
    if given == "as-is" or clear.sum() < _LEAST or opposite.mean() < MANY:
        return current, []
    share = f"{100 * opposite.mean():.0f} %"
    if opposite.mean() > NEARLY_ALL:
        return -current, [
            f"the current is taken reversed: {share} of the samples have the sign opposite to the voltage"
        ]
    if abs(np.sign(current[clear]).mean()) > 2 * NEARLY_ALL - 1:
        absolute = "the current is taken for an absolute value, as it has one sign for both of the voltage"
        return np.abs(current) * np.sign(voltage), [absolute]
    raise InputError(
        f"{name}: voltage and current have opposite signs in {share} of the samples, so the device would give off "
        "power; check which columns these are, or say --current reversed, absolute or as-is"
    )
