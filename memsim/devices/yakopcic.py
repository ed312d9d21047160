"""Yakopcic's generalised memristor models (EDL 32(10), 2011; TCAD 32(8), 2013; TCAD 39(4), 2020), with eta = 1.

With ramp(z) = s softplus(z / s):

    i     = a_1 x sinh(b v) for v >= 0,  a_2 x sinh(b v) otherwise                          2011
    i     = g_max sinh(b_max v) x + g_min sinh(b_min v) (1 - x), constants by the sign of v    2020
    dx/dt = a_p e^{v_p} (e^{ramp(v - v_p)} - 1) f_p(x) - a_n e^{v_n} (e^{ramp(-v - v_n)} - 1) f_n(x)
    f_p   = e^{-alpha_p (x - x_p)} (1 - x) / (1 - x_p)  for x >= x_p,      1 otherwise
    f_n   = e^{alpha_n (x + x_n - 1)} x / (1 - x_n)     for x <= 1 - x_n,  1 otherwise

`smoothing` rounds the published corner at each threshold. f_p and f_n are continuous with a corner in slope at
x_p and 1 - x_n, as published, and change sign beyond 0 and 1, so that the state is pushed back.
"""

from __future__ import annotations

from types import SimpleNamespace

import sympy as sp

from memsim.devices.base import Device, Parameter, State, positive
from memsim.devices.functions import clip, expm1, softplus

_THRESHOLDS: dict[str, Parameter] = {
    "v_p": Parameter(0.16, "V", "threshold for v > 0", low=0.0, high=10.0),
    "v_n": Parameter(0.15, "V", "threshold for v < 0, as a magnitude", low=0.0, high=10.0),
    "a_p": positive(4000.0, "1/s", "speed for v > 0"),
    "a_n": positive(4000.0, "1/s", "speed for v < 0"),
    "x_p": Parameter(0.3, "1", "state above which motion to 1 slows", low=0.0, high=0.999),
    "x_n": Parameter(0.5, "1", "1 - x_n: state below which motion to 0 slows", low=0.0, high=0.999),
    "alpha_p": Parameter(1.0, "1", "decay of motion above x_p", low=0.0, high=100.0),
    "alpha_n": Parameter(5.0, "1", "decay of motion below 1 - x_n", low=0.0, high=100.0),
    "smoothing": positive(1e-3, "V", "width of the rounded thresholds", high=0.1),
}


def _by_sign(v: sp.Symbol, forward: sp.Expr, reverse: sp.Expr) -> sp.Expr:
    return sp.Piecewise((forward, v >= 0), (reverse, True))


class GeneralisedYakopcic(Device):
    """Threshold-driven state with slow ends; models say how it conducts. A positive voltage lowers the resistance."""

    states = {"x": State(0.11, "normalised filament state")}

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        def drive(amplitude: sp.Symbol, threshold: sp.Symbol, voltage: sp.Expr) -> sp.Expr:
            ramp = p.smoothing * softplus((voltage - threshold) / p.smoothing)
            return amplitude * sp.exp(threshold) * expm1(ramp)

        slow_p = sp.exp(-p.alpha_p * (x.x - p.x_p)) * (1 - x.x) / (1 - p.x_p)
        slow_n = sp.exp(p.alpha_n * (x.x + p.x_n - 1)) * x.x / (1 - p.x_n)
        f_p = sp.Piecewise((slow_p, x.x >= p.x_p), (1, True))
        f_n = sp.Piecewise((slow_n, x.x <= 1 - p.x_n), (1, True))
        return (drive(p.a_p, p.v_p, v) * f_p - drive(p.a_n, p.v_n, -v) * f_n,)


class Yakopcic(GeneralisedYakopcic):
    """Yakopcic model: current proportional to the state.

    Source: Yakopcic et al., IEEE EDL 32(10):1436, 2011, eq. 1 to 6; defaults fit Oblea's Ag-chalcogenide device.
    """

    model = "yakopcic"
    reference = "Yakopcic et al., IEEE EDL 32(10), 2011 and IEEE TCAD 32(8), 2013"
    parameters = {
        "a_1": positive(0.17, "A", "current amplitude for v >= 0"),
        "a_2": positive(0.17, "A", "current amplitude for v < 0"),
        "b": positive(0.05, "1/V", "curvature of the current", high=10.0),
        **_THRESHOLDS,
    }

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        return _by_sign(v, p.a_1, p.a_2) * x.x * sp.sinh(p.b * v)


class TwoBranchYakopcic(GeneralisedYakopcic):
    """Yakopcic model of 2020: one conduction when on and another when off, mixed by the state.

    Source: Yakopcic et al., IEEE TCAD 39(4), 2020; defaults fit a Nb:SrTiO3 device of 10 um.
    """

    model = "yakopcic-2020"
    reference = "Yakopcic et al., IEEE TCAD 39(4), 2020"
    parameters = {
        "g_maxp": positive(9e-5, "A", "amplitude when on, v >= 0"),
        "g_maxn": positive(1.7e-4, "A", "amplitude when on, v < 0"),
        "b_maxp": positive(4.96, "1/V", "curvature when on, v >= 0", high=10.0),
        "b_maxn": positive(3.23, "1/V", "curvature when on, v < 0", high=10.0),
        "g_minp": positive(1.5e-5, "A", "amplitude when off, v >= 0"),
        "g_minn": positive(4.4e-7, "A", "amplitude when off, v < 0"),
        "b_minp": positive(6.91, "1/V", "curvature when off, v >= 0", high=10.0),
        "b_minn": positive(2.6, "1/V", "curvature when off, v < 0", high=10.0),
        **_THRESHOLDS,
    }

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        def conduction(forward: sp.Symbol, b_p: sp.Symbol, reverse: sp.Symbol, b_n: sp.Symbol) -> sp.Expr:
            return _by_sign(v, forward * sp.sinh(clip(b_p * v, 60)), reverse * sp.sinh(clip(b_n * v, 60)))

        on = conduction(p.g_maxp, p.b_maxp, p.g_maxn, p.b_maxn)
        off = conduction(p.g_minp, p.b_minp, p.g_minn, p.b_minn)
        return on * x.x + off * (1 - x.x)
