"""Threshold switch with smooth S-shaped hysteresis, the device of the neuron that fires by itself.

    i     = [x / r_on + (1 - x) / r_off] v
    dx/dt = [logistic((v - v_threshold + (v_threshold - v_hold) x) / k) - x] / tau

Bistable between v_hold and v_threshold when (v_threshold - v_hold) / (4 k) > 1. The form is memsim's own
substitute for a volatile threshold device, not taken from a paper.
"""

from __future__ import annotations

from types import SimpleNamespace

import sympy as sp

from memsim.devices.base import State, positive
from memsim.devices.functions import logistic
from memsim.devices.two_level import LEVELS, TwoLevelDevice


class ThresholdSwitch(TwoLevelDevice):
    """Volatile threshold switch for positive voltages: turns on above `v_threshold`, off below `v_hold`."""

    model = "threshold-switch"
    reference = "memsim (behavioural)"
    parameters = {
        **LEVELS,
        "v_threshold": positive(0.11, "V", "voltage at which the device turns on"),
        "v_hold": positive(0.02, "V", "voltage below which it turns off"),
        "k": positive(1e-3, "V", "width of the transition"),
        "tau": positive(20e-6, "s", "switching time constant"),
    }
    states = {"x": State(0.0, "fraction of the filament that conducts")}

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        drive = (v - p.v_threshold + (p.v_threshold - p.v_hold) * x.x) / p.k
        return ((logistic(drive) - x.x) / p.tau,)
