"""A device that identical pulses move along the measured ramps.

Under a constant voltage the spread switch, far below its threshold, follows

    dx/dn = a (1 - x) e^(-c x)  towards on,      dx/dn = -b x e^(-d (1 - x))  towards off

per pulse n, with g = x / r_on + (1 - x) / r_off. The soft bounds 1 - x and x alone give the law of `pulses` with a
nonlinearity above 0; the spreads c and d bend it either way. Pulses of one height tell nothing of other heights: how
steep the rates are in voltage is the thermal voltage, an assumption.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

from memsim.devices import numeric
from memsim.devices.constants import BOLTZMANN_OVER_CHARGE
from memsim.devices.spread_switch import SpreadSwitch
from memsim.errors import InputError
from memsim.fit.pulses import PulseFit
from memsim.fit.records import Array

MARGINS = (
    0.05,
    0.15,
    0.5,
    1.5,
)  # of the span, tried between the ramps and the device's ends, where rates vanish
LEAST_LOW = 0.1  # of the smallest conductance: the lower end stays above zero
BELOW = 6.0  # slope voltages between pulse and threshold: there a logistic is an exponential to 0.25 %
MOST_BENT = 30.0


@dataclass(frozen=True)
class Pulses:
    """Voltage [V] and width [s] of the pulses up and down."""

    up: float = 1.0
    up_width: float = 1e-6
    down: float = -1.0
    down_width: float = 1e-6

    def __post_init__(self) -> None:
        if not (self.up > 0 > self.down and self.up_width > 0 and self.down_width > 0):
            raise InputError(
                f"pulses of {self.up:g} V, {self.up_width:g} s and {self.down:g} V, {self.down_width:g} s cannot be; "
                "give a positive voltage up, a negative one down, and widths above 0, such as 1,1u,-1,1u"
            )


@dataclass(frozen=True)
class PulsedDevice:
    """A device and the ramps it goes through.

    Args:
        device: its initial state is that before potentiation.
        up, down: [pulses] conductance after each pulse [S].
        errors: RMSE of both ramps from the fitted laws, relative to the span of the law.
    """

    device: SpreadSwitch
    up: Array
    down: Array
    errors: tuple[float, float]


def pulsed_device(up: PulseFit, down: PulseFit, pulses: Pulses) -> PulsedDevice:
    """The device whose ramps are nearest to two fitted laws in S.

    Raises:
        InputError: conductances that are not above zero.
    """
    ends = np.array([up.start, up.end, down.start, down.end])
    low, high = ends.min(), ends.max()
    if low <= 0:
        raise InputError(
            f"the ramps reach {low:.3g}; conductances are above 0: say what normalised values stand for with "
            "--conductance-range, such as 5u,50u"
        )
    found = [
        _between(
            max(low - below * (high - low), LEAST_LOW * low), high + above * (high - low), up, down, pulses
        )
        for below, above in product(MARGINS, MARGINS)
    ]
    return min(found, key=lambda one: max(one.errors))


def _between(low: float, high: float, up: PulseFit, down: PulseFit, pulses: Pulses) -> PulsedDevice:
    """The device with these conductances off and on whose ramps are nearest."""
    rising, falling = ((law.predicted - low) / (high - low) for law in (up, down))
    rise = _bent(rising, lambda x, c: (1 - x) * np.exp(-c * x))
    fall = _bent(1 - falling, lambda y, d: (1 - y) * np.exp(-d * y))
    device = _device(low, high, rise, fall, pulses, initial=float(rising[0]))
    ramps, errors = [], []
    for law, states, voltage, width in (
        (up, rising, pulses.up, pulses.up_width),
        (down, falling, pulses.down, pulses.down_width),
    ):
        ramp = low + (high - low) * apply_pulses(device, float(states[0]), voltage, width, len(states))
        ramps.append(ramp)
        errors.append(float(np.sqrt(np.mean((ramp - law.predicted) ** 2)) / abs(law.end - law.start)))
    return PulsedDevice(device, ramps[0], ramps[1], (errors[0], errors[1]))


def apply_pulses(device: SpreadSwitch, state: float, voltage: float, width: float, pulses: int) -> Array:
    """States [pulses]: the given one, and those after each further pulse."""
    rates, values = numeric(device).rates, [np.array([value]) for value in device.values.values()]
    times = width * np.arange(pulses)
    solution = solve_ivp(
        lambda _, x: rates(np.array([voltage]), [np.clip(x, 0, 1)], values)[0],
        (0.0, times[-1]),
        [state],
        t_eval=times,
        rtol=1e-7,
        atol=1e-9,
    )
    return np.asarray(solution.y[0], dtype=np.float64)


def _bent(target: Array, rate: Callable[[Array, float], Array]) -> tuple[float, float]:
    """Speed a per pulse and bend c for which dx/dn = a rate(x, c) passes nearest to the target states [pulses]."""
    n = np.arange(len(target))

    def off(z: Array) -> Array:
        # along the target, the pulses that the rate takes to each state, in units of the state
        slope = 1 / rate(target, z[1])
        needed = np.concatenate([[0.0], np.cumsum(np.diff(target) * (slope[1:] + slope[:-1]) / 2)])
        return (needed * math.exp(-z[0]) - n) * np.ptp(target) / len(n)

    first = math.log(np.ptp(target) / len(n))
    z = least_squares(off, [first, 0.0], bounds=([-np.inf, -MOST_BENT], [np.inf, MOST_BENT])).x
    return math.exp(z[0]), float(z[1])


def _device(
    low: float,
    high: float,
    rise: tuple[float, float],
    fall: tuple[float, float],
    pulses: Pulses,
    *,
    initial: float,
) -> SpreadSwitch:
    k = BOLTZMANN_OVER_CHARGE * SpreadSwitch.parameters["temperature"].default
    (a, c), (b, d) = rise, fall
    above, below = BELOW + max(-c, 0.0), BELOW + max(-d, 0.0)
    tau, tau_off = pulses.up_width * math.exp(-above) / a, pulses.down_width * math.exp(-below) / b
    return SpreadSwitch(
        r_on=1 / high,
        r_off=1 / low,
        v_on=pulses.up + above * k,
        v_off=pulses.down - below * k,
        tau=tau,
        tau_ratio=tau_off / tau,
        spread_on=c * k,
        spread_off=d * k,
        beta_f=1e-3,
        beta_r=1e-3,
        initial={"x": initial},
    )
