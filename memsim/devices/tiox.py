"""Titanium-oxide memristor fitted to pulse data (Messaris et al., TCAS-I 65(10), 2018; arXiv:2012.02267).

With [z]+ the positive part of z, v+ = [v]+, v- = [-v]+, wall(d) = tanh(d / window):

    R     = r_low + (r_high - r_low) x
    i     = a sinh(b v) / R
    dR/dt = s_n(v) [r_n(v) - R]+^2 wall(1 - x) - s_p(v) [R - r_p(v)]+^2 wall(x)
    s_p   = speed_p (1 - e^{-v+ / t_p}),  r_p = r_p0 - r_p1 v+
    s_n   = speed_n (1 - e^{-v- / t_n}),  r_n = r_n0 + r_n1 v-

At a constant voltage the resistance falls to r_p as a hyperbola, R(t) = r_p + (R_0 - r_p) / [1 + s_p (R_0 - r_p) t],
and rises to r_n likewise. The ramps are squared, so the rate has no corner at the boundaries r_p and r_n.

Corner: the slope of dR/dt over v jumps at v = 0.
"""

from __future__ import annotations

from types import SimpleNamespace

import sympy as sp

from memsim.devices.base import Device, State, positive
from memsim.devices.functions import clip, expm1, ramp, wall


class TitaniumOxide(Device):
    """Data-driven TiOx model. A positive voltage lowers the resistance.

    Source: Messaris et al., IEEE TCAS-I 65(10), 2018; values of arXiv:2012.02267 as in MemTorch's Data_Driven2021,
    whose negative A_n, t_p and t_n are written here as positive speeds and voltages.
    """

    model = "tiox-pulse"
    reference = "Messaris et al., IEEE TCAS-I 65(10), 2018; values as in arXiv:2012.02267"
    parameters = {
        "a": positive(0.32046175, "V", "amplitude of the current, times the resistance"),
        "b": positive(2.71689828, "1/V", "curvature of the current", high=10.0),
        "speed_p": positive(600.10075, "1/(ohm s)", "speed of falling resistance"),
        "speed_n": positive(34.5988399, "1/(ohm s)", "speed of rising resistance"),
        "t_p": positive(0.0212028, "V", "voltage that saturates the speed, v > 0"),
        "t_n": positive(0.05343997, "V", "voltage that saturates the speed, v < 0"),
        "r_p0": positive(2699.2336, "ohm", "resistance that a small positive voltage reaches"),
        "r_p1": positive(672.930205, "ohm/V", "its fall with voltage"),
        "r_n0": positive(649.413746, "ohm", "resistance that a small negative voltage reaches"),
        "r_n1": positive(1474.32358, "ohm/V", "its rise with voltage"),
        "r_low": positive(1600.0, "ohm", "resistance at x = 0"),
        "r_high": positive(3000.0, "ohm", "resistance at x = 1"),
        "window": positive(5e-3, "1", "width of the soft walls", high=0.2),
    }
    states = {"x": State(0.5, "resistance between its lowest (0) and highest (1) value")}

    def _resistance(self, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        return p.r_low + (p.r_high - p.r_low) * x.x

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        return p.a * sp.sinh(clip(p.b * v, 40)) / self._resistance(x, p)

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        positive_v, negative_v = ramp(v), ramp(-v)
        resistance = self._resistance(x, p)
        above = ramp(resistance - (p.r_p0 - p.r_p1 * positive_v))
        below = ramp(p.r_n0 + p.r_n1 * negative_v - resistance)
        fall = -p.speed_p * expm1(-positive_v / p.t_p) * above**2 * wall(x.x, p.window)
        rise = -p.speed_n * expm1(-negative_v / p.t_n) * below**2 * wall(1 - x.x, p.window)
        return ((rise - fall) / (p.r_high - p.r_low),)
