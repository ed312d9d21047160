"""Metastable switches whose thresholds spread, with an off state that conducts like a pinched pair of diodes.

With k_on = ideality k_B T / q, k_off = ideality_ratio k_on and tau_off = tau_ratio tau:

    i     = x v / r_on + (1 - x) [e^(beta_f v) - e^(-beta_r v)] / [(beta_f + beta_r) r_off]
    dx/dt = (1 - x) logistic((v - v_on - spread_on x) / k_on) / tau
            - x logistic((v_off - spread_off (1 - x) - v) / k_off) / tau_off

It is the metastable switch of Molter and Nugent (arXiv:1608.04659) when both spreads are zero, both ratios one
and the curvatures beta small: then r_off is the resistance off. The spreads stand for switches that do not turn at
one voltage: the threshold of those still to turn moves with the share that has turned. The form is memsim's own.
"""

from __future__ import annotations

from types import SimpleNamespace

import sympy as sp

from memsim.devices.base import Device, Parameter, State, positive
from memsim.devices.constants import BOLTZMANN_OVER_CHARGE
from memsim.devices.functions import clip, expm1, logistic
from memsim.devices.two_level import LEVELS


class SpreadSwitch(Device):
    """Metastable switches with spread thresholds, own rates for on and off, and a curved off state."""

    model = "spread-switch"
    reference = "memsim; an extension of Molter and Nugent, arXiv:1608.04659"
    parameters = {
        **LEVELS,
        "v_on": Parameter(0.27, "V", "centre of the first switch-on logistic"),
        "v_off": Parameter(-0.27, "V", "centre of the first switch-off logistic"),
        "tau": positive(1e-3, "s", "switch-on time constant at full drive"),
        "ideality": positive(1.0, "1", "slope voltage of switching on in units of the thermal voltage"),
        "beta_f": positive(0.1, "1/V", "curvature of the off state for v > 0", high=20.0),
        "beta_r": positive(0.1, "1/V", "curvature of the off state for v < 0", high=20.0),
        "spread_on": Parameter(
            0.0, "V", "threshold of the last switch to turn on, above v_on", low=-3.0, high=3.0
        ),
        "spread_off": Parameter(
            0.0, "V", "threshold of the last switch to turn off, below v_off", low=-3.0, high=3.0
        ),
        "tau_ratio": positive(1.0, "1", "switch-off over switch-on time constant"),
        "ideality_ratio": positive(1.0, "1", "slope voltage of switching off over that of switching on"),
        "temperature": positive(298.15, "K", "device temperature", high=2000.0),
    }
    states = {"x": State(0.1, "fraction of switches that are on")}

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        diodes = expm1(clip(p.beta_f * v, 80)) - expm1(clip(-p.beta_r * v, 80))
        return x.x * v / p.r_on + (1 - x.x) * diodes / ((p.beta_f + p.beta_r) * p.r_off)

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        k = p.ideality * BOLTZMANN_OVER_CHARGE * p.temperature
        on = logistic((v - p.v_on - p.spread_on * x.x) / k)
        off = logistic((p.v_off - p.spread_off * (1 - x.x) - v) / (p.ideality_ratio * k))
        return (((1 - x.x) * on - x.x * off / p.tau_ratio) / p.tau,)
