"""Threshold switches with smooth S-shaped hysteresis, the devices of the neuron that fires by itself.

    i     = [x / r_on + (1 - x) / r_off] v
    dx/dt = [logistic((u - v_up + (v_up - v_down) x) / k) - x] / tau

For one polarity u = v, v_up = v_threshold and v_down = v_hold; bistable when (v_threshold - v_hold) / (4 k) > 1.
The form is memsim's own substitute for a volatile threshold device, not taken from a paper.

For both polarities u = |v|, and the levels make up for the tails of the logistic, so that the folds of the S lie at
v_threshold and v_hold to second order in k:

    v_up = v_threshold + c,  v_down = v_hold - c,  c = k [1 + ln((v_threshold - v_hold) / k)]

As k -> 0 it is the switch of Maffezzoni et al., TCAS-I 62(9), 2015: r_off until |v| > v_threshold, then r_on until
|v| < v_hold. Corner: dx/dt has one at v = 0, of relative size exp(-v_up / k).
"""

from __future__ import annotations

from types import SimpleNamespace

import sympy as sp

from memsim.devices.base import Parameter, State, positive
from memsim.devices.functions import logistic
from memsim.devices.two_level import LEVELS, TwoLevelDevice

_SWITCHING: dict[str, Parameter] = {
    "v_threshold": positive(0.11, "V", "voltage at which the device turns on"),
    "v_hold": positive(0.02, "V", "voltage below which it turns off"),
    "k": positive(1e-3, "V", "width of the transition"),
    "tau": positive(20e-6, "s", "switching time constant"),
}


class ThresholdSwitch(TwoLevelDevice):
    """Volatile threshold switch for positive voltages: turns on above `v_threshold`, off below `v_hold`."""

    model = "threshold-switch"
    reference = "memsim (behavioural)"
    parameters = {**LEVELS, **_SWITCHING}
    states = {"x": State(0.0, "fraction of the filament that conducts")}

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        drive = (v - p.v_threshold + (p.v_threshold - p.v_hold) * x.x) / p.k
        return ((logistic(drive) - x.x) / p.tau,)


class BidirectionalThresholdSwitch(TwoLevelDevice):
    """Volatile threshold switch for both polarities. `v_threshold` must exceed `v_hold` by several `k`.

    Source: Maffezzoni et al., IEEE TCAS-I 62(9), 2015, smoothed by memsim; defaults are its VO2 device.
    """

    model = "bidirectional-threshold-switch"
    reference = "Maffezzoni et al., IEEE TCAS-I 62(9), 2015; smoothed by memsim"
    parameters = {
        "r_on": positive(0.99e3, "ohm", "resistance when fully on"),
        "r_off": positive(100.2e3, "ohm", "resistance when fully off"),
        "v_threshold": positive(1.99, "V", "voltage above which the device turns on"),
        "v_hold": positive(1.0, "V", "voltage below which it turns off"),
        "k": positive(10e-3, "V", "width of the transition"),
        "tau": positive(30e-9, "s", "switching time constant"),
    }
    states = {"x": State(0.0, "fraction of the filament that conducts")}

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        gap = p.v_threshold - p.v_hold
        tail = p.k * (1 + sp.log(sp.Abs(gap) / p.k))
        drive = (sp.Abs(v) - p.v_threshold - tail + (gap + 2 * tail) * x.x) / p.k
        return ((logistic(drive) - x.x) / p.tau,)
