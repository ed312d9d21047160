"""How long a device remembers at zero voltage.

Two copies start at opposite ends of the range of every state, or at the `ends` that a model gives. What was written
still shows as long as their read conductances differ; the retention time is when that difference has fallen to 1/e of
its first value. For a state that relaxes exponentially it is the time constant.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from memsim.devices.base import Device
from memsim.devices.numeric import generate
from memsim.errors import ConvergenceError
from memsim.units import format_si

DAY, YEAR = 86400.0, 365.25 * 86400.0
TEN_YEARS = 10 * YEAR
"""Seconds that a memory is asked to keep its content; a device that forgets sooner counts as volatile."""
READ_VOLTAGE = 10e-3


@cache
def _functions(model: type[Device]) -> tuple[Callable[..., list[Any]], Callable[..., list[Any]]]:
    form = model().expressions
    arguments = (form.voltage, form.states, form.parameters)
    return generate(arguments, form.rates, "numpy"), generate(arguments, [form.current], "numpy")


def retention(device: Device) -> float:
    """Time [s] until what was written has faded to 1/e at zero voltage; infinite beyond ten years.

    Raises:
        ConvergenceError: the integrator gave up.
    """
    rates, current = _functions(type(device))
    p, n = list(device.values.values()), len(device.states)

    def flow(_: float, y: NDArray) -> NDArray:
        return np.concatenate([np.array(rates(0.0, half, p), dtype=float) for half in (y[:n], y[n:])])

    def difference(y: NDArray) -> float:
        high, low = (float(current(READ_VOLTAGE, half, p)[0]) for half in (y[:n], y[n:]))
        return abs(high - low)

    most, least = device.ends
    start = np.array(
        [most.get(name, s.high) for name, s in device.states.items()]
        + [least.get(name, s.low) for name, s in device.states.items()]
    )
    first = difference(start)

    def faded(_: float, y: NDArray) -> float:
        return difference(y) / first - math.exp(-1)

    faded.terminal = True  # type: ignore[attr-defined]
    found = solve_ivp(flow, (0, TEN_YEARS), start, method="LSODA", events=faded, rtol=1e-8, atol=1e-12)
    if not found.success:
        raise ConvergenceError(f"retention of {device.model}: LSODA stopped at {found.t[-1]:g} s")
    return float(found.t_events[0][0]) if len(found.t_events[0]) else math.inf


def memory(device: Device) -> str:
    """Whether a device is volatile, in words, with its retention time."""
    seconds = retention(device)
    if math.isinf(seconds):
        return "non-volatile, over 10 years"
    return f"volatile, {_duration(seconds)}"


def _duration(seconds: float) -> str:
    """In the unit that people would take: 385 ns, 6.75 min, 68.2 days."""
    for name, size in (("years", YEAR), ("days", DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.3g} {name}"
    return format_si(seconds, "s", 3)
