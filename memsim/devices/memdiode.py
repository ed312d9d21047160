"""Quasi-static memdiode (Miranda; Aguirre et al., Micromachines 11(4), 2020): opposite diodes that remember.

The published device has a series resistance r_s behind which v is taken: add a resistor to the circuit. Then

    a     = a_min + (a_max - a_min) h
    i     = [i_min + (i_max - i_min) h] {exp(b a v) - exp[-(1 - b) a v]}
    dh/dt = (1 - h) exp[eta_set (v - v_set)] pos - h exp[-eta_reset (v - v_reset)] neg
    pos, neg = logistic(+-v / smoothing)

The published law sets at v >= 0 and resets below; `smoothing` rounds that step. Rates are affine in h and saturate at
`rate_max`. The dependence of the published reset on h (its exponent gam) is left out.
"""

from __future__ import annotations

from types import SimpleNamespace

import sympy as sp

from memsim.devices.base import Device, Parameter, State, positive
from memsim.devices.functions import clip, logistic, saturating_exp


class Memdiode(Device):
    """Quasi-static memdiode without its series resistance. Positive voltage sets.

    Source: Aguirre et al., Micromachines 11(4):427, 2020; values as in aguirref/memristive_ANN_sim.
    """

    model = "memdiode"
    reference = "Miranda, IEEE TNANO 14(5), 2015; Aguirre et al., Micromachines 11(4), 2020"
    parameters = {
        "i_min": positive(2e-6, "A", "current amplitude at h = 0"),
        "i_max": positive(2e-4, "A", "current amplitude at h = 1"),
        "a_min": positive(6.19, "1/V", "slope of the diodes at h = 0", high=20.0),
        "a_max": positive(5.22, "1/V", "slope of the diodes at h = 1", high=20.0),
        "b": Parameter(0.5, "1", "share of the slope for positive voltages", low=0.0, high=1.0),
        "eta_set": positive(15.0, "1/V", "slope of the set rate"),
        "v_set": Parameter(0.8, "V", "voltage that sets at 1 / s", low=0.0, high=100.0),
        "eta_reset": positive(4.0, "1/V", "slope of the reset rate"),
        "v_reset": Parameter(-1.3, "V", "voltage that resets at 1 / s", low=-100.0, high=0.0),
        "rate_max": positive(1e12, "1/s", "rate that neither direction exceeds"),
        "smoothing": positive(1e-3, "V", "width of the step from reset to set", high=0.1),
    }
    states = {"h": State(0.0, "share of conducting filaments")}

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        slope = p.a_min + (p.a_max - p.a_min) * x.h
        amplitude = p.i_min + (p.i_max - p.i_min) * x.h
        return amplitude * (sp.exp(clip(p.b * slope * v, 80)) - sp.exp(clip(-(1 - p.b) * slope * v, 80)))

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        on = saturating_exp(p.eta_set * (v - p.v_set), p.rate_max) * logistic(v / p.smoothing)
        off = saturating_exp(-p.eta_reset * (v - p.v_reset), p.rate_max) * logistic(-v / p.smoothing)
        return ((1 - x.h) * on - x.h * off,)
