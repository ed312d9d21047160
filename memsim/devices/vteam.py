"""VTEAM: voltage-threshold adaptive memristor (Kvatinsky et al., TCAS-II 62(8), 2015, doi:10.1109/TCSII.2015.2433536).

With x = w / depth (0 fully on, 1 fully off), ramp(z) = s softplus(z / s) and wall(d) = 1 - exp(-d / window):

    i     = v / [r_on + (r_off - r_on) x]
    dx/dt = [k_off ramp(v/v_off - 1)^a_off wall(1 - x) + k_on ramp(v/v_on - 1)^a_on wall(x)] / depth

The published law has corners at both thresholds and hard walls. `smoothing` rounds the corners (s, relative to
the threshold) and `window` softens the walls; each wall pushes back when the state overshoots it.
"""

from __future__ import annotations

from types import SimpleNamespace

import sympy as sp

from memsim.devices.base import Device, Parameter, State, positive
from memsim.devices.functions import power, softplus


class Vteam(Device):
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
        "alpha_on": Parameter(3.0, "1", "exponent towards on", low=1.0, high=20.0),
        "alpha_off": Parameter(1.0, "1", "exponent towards off", low=1.0, high=20.0),
        "v_on": Parameter(-0.2, "V", "threshold towards on", low=-100.0, high=-1e-6),
        "v_off": positive(0.02, "V", "threshold towards off"),
        "depth": positive(3e-9, "m", "thickness that the boundary crosses"),
        "window": positive(1.7e-3, "1", "width of the soft walls, relative to depth", high=0.2),
        "smoothing": positive(
            0.02, "1", "width of the rounded thresholds, relative to the threshold", high=1.0
        ),
    }
    states = {"x": State(0.5, "boundary position relative to depth")}

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        return v / (p.r_on + (p.r_off - p.r_on) * x.x)

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        def speed(k: sp.Symbol, threshold: sp.Symbol, alpha: sp.Symbol, distance: sp.Expr) -> sp.Expr:
            ramp = p.smoothing * softplus((v / threshold - 1) / p.smoothing)
            return k * power(ramp, alpha) * (1 - sp.exp(-distance / p.window))

        towards_off = speed(p.k_off, p.v_off, p.alpha_off, 1 - x.x)
        towards_on = speed(p.k_on, p.v_on, p.alpha_on, x.x)
        return ((towards_off + towards_on) / p.depth,)
