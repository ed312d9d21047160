"""Mott threshold switch with a metallic core (Pickett and Williams, Nanotechnology 23, 2012; Nat. Mater. 12, 2013).

Joule heat melts a metallic core of radius u r into an insulating cylinder of radius r and length l; the latent heat
of the transition makes the current jump. With D = `heat_gap` the temperature between ambient and transition:

    i       = v / R,   R = rho_i l / (pi r^2) / [1 + (rho_i / rho_m - 1) u^2]
    du/dt   = (v^2 / R - G D) / (dH/du),   G = 2 pi l kappa / ln(1/u)
    dH/du   = pi l r^2 {c_p D [1 - u^2 + 2 u^2 ln u] / (2 u ln^2 u) + 2 h u}

Four decades of u matter, so the state is its logarithm: ln u = ln u_max - [1 - x]+ ln(u_max / u_min). G and dH/du are
singular at u = 1, hence u_max < 1. Heating stops within `window` of x = 1, cooling within `window` of x = 0.
"""

from __future__ import annotations

from types import SimpleNamespace

import sympy as sp

from memsim.devices.base import Device, Parameter, State, positive
from memsim.devices.constants import PI
from memsim.devices.functions import ramp, wall


class MottSwitch(Device):
    """Mott memristor with a metallic core, volatile, the same for both polarities.

    Source: Pickett and Williams, Nanotechnology 23:215202, 2012; defaults are those of NbO2.
    """

    model = "mott-core"
    reference = "Pickett and Williams, Nanotechnology 23:215202, 2012, doi:10.1088/0957-4484/23/21/215202"
    parameters = {
        "radius": positive(30e-9, "m", "radius of the channel"),
        "length": positive(20e-9, "m", "length of the channel"),
        "kappa": positive(1.5, "W/(m K)", "thermal conductivity of the insulator"),
        "c_p": positive(2.6e6, "J/(m^3 K)", "heat capacity"),
        "h": positive(1.6e8, "J/m^3", "latent heat of the transition"),
        "heat_gap": positive(784.0, "K", "transition temperature above ambient", high=5000.0),
        "rho_i": positive(1e-2, "ohm m", "resistivity of the insulator"),
        "rho_m": positive(3e-4, "ohm m", "resistivity of the metal"),
        "u_min": Parameter(1e-4, "1", "smallest core", low=1e-8, high=0.1),
        "u_max": Parameter(0.99, "1", "largest core", low=0.5, high=0.999),
        "window": positive(2e-3, "1", "width of the soft walls", high=0.2),
    }
    states = {"x": State(0.0, "logarithm of the core's radius, from u_min (0) to u_max (1)")}

    def _log_core(self, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        return sp.log(p.u_max) - ramp(1 - x.x) * sp.log(p.u_max / p.u_min)

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        core = sp.exp(2 * self._log_core(x, p))
        cold = p.rho_i * p.length / (PI * p.radius**2)
        return v * (1 + (p.rho_i / p.rho_m - 1) * core) / cold

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        log_u = self._log_core(x, p)
        core = sp.exp(2 * log_u)
        heating = v * self.current(v, x, p)
        cooling = -2 * PI * p.length * p.kappa * p.heat_gap / log_u
        sensible = p.c_p * p.heat_gap * (1 - core + 2 * core * log_u) / (2 * log_u**2)
        heat_per_log_u = PI * p.length * p.radius**2 * (sensible + 2 * p.h * core)
        span = sp.log(p.u_max / p.u_min)
        net = heating * wall(1 - x.x, p.window) - cooling * wall(x.x, p.window)
        return (net / (heat_per_log_u * span),)
