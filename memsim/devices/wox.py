"""Tungsten-oxide memristor of Michigan (Chang et al., Appl. Phys. A 102, 2011).

With [z]+ the positive part of z and wall(d) = tanh(d / window):

    i     = (1 - x) alpha [1 - exp(-beta v)] + x gamma sinh(delta v)
    u     = lambda eta_1 sinh(eta_2 v)
    dx/dt = [u]+ wall(1 - x) - [-u]+ wall(x) - lambda x / tau

Schottky emission where no filament is, tunnelling where one is. The published state is cut off at 0 and 1; here walls
of width `window` stop it. The last term makes the device volatile.

Corner: the slope of dx/dt over v jumps at v = 0 within the walls.
"""

from __future__ import annotations

from types import SimpleNamespace

import sympy as sp

from memsim.devices.base import Device, State, positive
from memsim.devices.functions import clip, expm1, ramp, wall


class TungstenOxide(Device):
    """Michigan's WOx model: two parallel conductions, sinh drift, spontaneous decay. Positive voltage sets.

    Source: Chang et al., Appl. Phys. A 102, 2011; constants as in knowm/memristor-models-4-all.
    """

    model = "wox"
    reference = "Chang et al., Appl. Phys. A 102, 2011, doi:10.1007/s00339-011-6296-1"
    parameters = {
        "alpha": positive(0.5e-6, "A", "amplitude of Schottky emission"),
        "beta": positive(0.5, "1/V", "slope of Schottky emission", high=10.0),
        "gamma": positive(4e-6, "A", "amplitude of tunnelling"),
        "delta": positive(2.0, "1/V", "slope of tunnelling", high=10.0),
        "lambda_0": positive(4.5, "1", "speed of the state"),
        "eta_1": positive(0.004, "1/s", "amplitude of drift"),
        "eta_2": positive(4.0, "1/V", "slope of drift"),
        "tau": positive(10.0, "s", "time constant of decay, times lambda_0"),
        "window": positive(5e-3, "1", "width of the soft walls", high=0.2),
    }
    states = {"x": State(0.0, "share of the area that filaments cover")}

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        emission = -p.alpha * expm1(-p.beta * v)
        return (1 - x.x) * emission + x.x * p.gamma * sp.sinh(clip(p.delta * v, 40))

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        drift = p.lambda_0 * p.eta_1 * sp.sinh(clip(p.eta_2 * v, 40))
        up = ramp(drift) * wall(1 - x.x, p.window)
        down = ramp(-drift) * wall(x.x, p.window)
        return (up - down - p.lambda_0 * x.x / p.tau,)
