"""VTEAM and TEAM: threshold adaptive memristors driven by voltage or by current.

VTEAM: Kvatinsky et al., TCAS-II 62(8), 2015, doi:10.1109/TCSII.2015.2433536. TEAM: Kvatinsky et al., TCAS-I 60(1),
2013. With x = w / depth (0 fully on, 1 fully off), ramp(z) = s softplus(z / s), wall(d) = tanh(d / window), and
the drive u = v (VTEAM) or u = i (TEAM):

    i     = v / [r_on + (r_off - r_on) x]
    dx/dt = [k_off ramp(u/u_off - 1)^a_off wall(1 - x) + k_on ramp(u/u_on - 1)^a_on wall(x)] / depth

The published law has corners at both thresholds and hard walls. `smoothing` rounds the corners (s, relative to
the threshold) and `window` softens the walls; each wall pushes back when the state overshoots it.

TEAM's tenth power and its low threshold make a device behind a small resistor run away towards on: a current of 100
thresholds would carry it through in 1e-16 s, and grows on the way. A speed s of TEAM is therefore taken as
s / (1 + s / s_max), s_max = rate_max depth, and a current of more than 300 thresholds counts as 300.
"""

from __future__ import annotations

from types import SimpleNamespace

import sympy as sp

from memsim.devices.base import Device, Parameter, State, positive
from memsim.devices.functions import clip, power, softplus, wall


def _alpha(default: float, direction: str) -> Parameter:
    return Parameter(default, "1", f"exponent towards {direction}", low=1.0, high=20.0)


_SHAPE: dict[str, Parameter] = {
    "depth": positive(3e-9, "m", "thickness that the boundary crosses"),
    "window": positive(1.7e-3, "1", "width of the soft walls, relative to depth", high=0.2),
    "smoothing": positive(0.02, "1", "width of the rounded thresholds, relative to the threshold", high=1.0),
}
LARGEST_DRIVE = 300
"""Current in thresholds beyond which TEAM moves no faster."""


class ThresholdAdaptive(Device):
    """A boundary that moves when the drive exceeds a threshold; models say what the drive is."""

    states = {"x": State(0.5, "boundary position relative to depth")}

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        return v / (p.r_on + (p.r_off - p.r_on) * x.x)

    def _rate(self, x: sp.Symbol, p: SimpleNamespace, off: sp.Expr, on: sp.Expr) -> sp.Expr:
        """dx/dt for drives in units of their thresholds."""

        def speed(k: sp.Expr, drive: sp.Expr, alpha: sp.Symbol, distance: sp.Expr) -> sp.Expr:
            ramp = p.smoothing * softplus((drive - 1) / p.smoothing)
            return self._bounded(k * power(ramp, alpha) / p.depth, p) * wall(distance, p.window)

        return speed(p.k_off, off, p.alpha_off, 1 - x) - speed(-p.k_on, on, p.alpha_on, x)

    def _bounded(self, rate: sp.Expr, p: SimpleNamespace) -> sp.Expr:
        """The rate that a model takes for one without bounds."""
        return rate


class Vteam(ThresholdAdaptive):
    """VTEAM with linear resistance. A positive voltage raises the resistance.

    Source: Kvatinsky et al., IEEE TCAS-II 62(8):786, 2015, eq. 1 and 3; defaults as in MemTorch's VTEAM.
    """

    model = "vteam"
    reference = "Kvatinsky et al., IEEE TCAS-II 62(8), 2015, doi:10.1109/TCSII.2015.2433536"
    parameters = {
        "r_on": positive(50.0, "ohm", "resistance at x = 0"),
        "r_off": positive(1e3, "ohm", "resistance at x = 1"),
        "k_on": Parameter(-10.0, "m/s", "speed towards on", high=0.0),
        "k_off": positive(5e-4, "m/s", "speed towards off"),
        "alpha_on": _alpha(3.0, "on"),
        "alpha_off": _alpha(1.0, "off"),
        "v_on": Parameter(-0.2, "V", "threshold towards on", low=-100.0, high=-1e-6),
        "v_off": positive(0.02, "V", "threshold towards off"),
        **_SHAPE,
    }

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        return (self._rate(x.x, p, v / p.v_off, v / p.v_on),)


class Team(ThresholdAdaptive):
    """TEAM with linear resistance. A positive current raises the resistance.

    Source: Kvatinsky et al., IEEE TCAS-I 60(1), 2013; kinetics fitted there to Pickett's device.
    """

    model = "team"
    reference = "Kvatinsky et al., IEEE TCAS-I 60(1), 2013, doi:10.1109/TCSI.2012.2215714"
    parameters = {
        "r_on": positive(100.0, "ohm", "resistance at x = 0"),
        "r_off": positive(1e3, "ohm", "resistance at x = 1"),
        "k_on": Parameter(-4.68e-13, "m/s", "speed towards on", high=0.0),
        "k_off": positive(1.46e-9, "m/s", "speed towards off"),
        "alpha_on": _alpha(10.0, "on"),
        "alpha_off": _alpha(10.0, "off"),
        "i_on": Parameter(-8.9e-6, "A", "threshold towards on", low=-1.0, high=-1e-15),
        "i_off": positive(115e-6, "A", "threshold towards off"),
        **_SHAPE,
        "rate_max": positive(1e9, "1/s", "rate that neither direction exceeds"),
    }

    def _bounded(self, rate: sp.Expr, p: SimpleNamespace) -> sp.Expr:
        return rate / (1 + rate / p.rate_max)

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        i = self.current(v, x, p)
        return (self._rate(x.x, p, clip(i / p.i_off, LARGEST_DRIVE), clip(i / p.i_on, LARGEST_DRIVE)),)
