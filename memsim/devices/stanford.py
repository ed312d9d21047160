"""Filament gap models: Stanford-PKU (Jiang et al., SISPAD 2014) and SkyWater's SKY130 ReRAM cell.

Both grow a filament by thermally activated hopping in a local field; Joule heat raises the temperature T at once
(its own time constant is a millionth of the sweeps these models are for). Gap and filament are read from x within its
range. With V_T = k_B T / q, the speed of one direction is given by its logarithm and never exceeds `rate_max` (see
`saturating_exp`), and wall(d) = tanh(d / window), going on straight beyond the wall:

    T     = t_ambient + |v i| r_thermal
    dx/dt = up wall(1 - x) - down wall(x)

Stanford-PKU, x = (gap - g_min) / (g_max - g_min), 0 is on, gamma = gamma_0 - beta (gap / 1 nm)^3:

    i     = i_0 exp(-gap / g_0) sinh(v / v_0)
    E     = gamma v / t_ox
    down  = velocity / [2 (g_max - g_min)] exp[-(e_a - a_0 E) / V_T] gate,  up: the same with -E
    gate  = logistic([(E / f_min)^2 - 1] / smoothing)

The published gate is a step at |E| = f_min and e_a, velocity multiply a sinh, which is down - up. The published random
walk of the gap is left out.

SKY130, x = (filament - t_min) / (t_max - t_min), 1 is on, gap = t_ox - filament,
gamma = gamma_0 - beta (gap / 1 nm)^3:

    i     = i_k exp[-gap / (t_ox - t_ref)] sinh(v / v_r)
    up    = velocity / (t_max - t_min) exp[-(e_gen - gamma a_0 v / t_ox) / V_T]
    down  = velocity / (t_max - t_min) exp[-(e_rec + gamma a_0 v / t_ox) / V_T]
"""

from __future__ import annotations

from types import SimpleNamespace

import sympy as sp

from memsim.devices.base import Device, Parameter, State, positive
from memsim.devices.constants import BOLTZMANN_OVER_CHARGE
from memsim.devices.functions import clip, logistic, saturating_exp, wall, within_unit

NANOMETRE = sp.Float(1e-9)
_KINETICS: dict[str, Parameter] = {
    "r_thermal": positive(2100.0, "K/W", "thermal resistance"),
    "t_ambient": positive(298.0, "K", "ambient temperature", high=2000.0),
    "rate_max": positive(1e10, "1/s", "speed that no direction exceeds"),
    "window": positive(5e-3, "1", "width of the soft walls", high=0.2),
}


def _temperature(current: sp.Expr, v: sp.Symbol, p: SimpleNamespace) -> sp.Expr:
    """Of a device whose current has the sign of its voltage."""
    return p.t_ambient + v * current * p.r_thermal


class StanfordPku(Device):
    """Stanford-PKU RRAM model. A positive voltage closes the gap.

    Source: Jiang et al., SISPAD 2014, and Stanford's rram_v_1_0_0.va (doi:10.4231/D37H1DN48), whose defaults these are.
    """

    model = "stanford-pku"
    reference = "Jiang et al., SISPAD 2014; Stanford rram_v_1_0_0.va, doi:10.4231/D37H1DN48"
    parameters = {
        "i_0": positive(1e-3, "A", "current amplitude"),
        "g_0": positive(0.25e-9, "m", "decay length of the current over the gap"),
        "v_0": positive(0.25, "V", "curvature of the current"),
        "velocity": positive(10.0, "m/s", "attempt velocity of the gap"),
        "e_a": positive(0.6, "eV", "activation energy", high=10.0),
        "a_0": positive(0.25e-9, "m", "hopping distance"),
        "t_ox": positive(12e-9, "m", "oxide thickness"),
        "gamma_0": positive(16.0, "1", "field enhancement of a closed gap"),
        "beta": Parameter(
            0.8, "1", "loss of field enhancement over the gap in nm, cubed", low=0.0, high=100.0
        ),
        "f_min": positive(1.4e9, "V/m", "enhanced field below which the gap rests"),
        "smoothing": positive(2e-4, "1", "width of the gate, in its squared field ratio", high=0.2),
        "g_min": positive(0.2e-9, "m", "gap when on"),
        "g_max": positive(1.7e-9, "m", "gap when off"),
        **_KINETICS,
    }
    states = {"x": State(1.0, "gap between its smallest (0) and largest (1) value")}

    def _gap(self, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        return p.g_min + (p.g_max - p.g_min) * within_unit(x.x)

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        return p.i_0 * sp.exp(-self._gap(x, p) / p.g_0) * sp.sinh(clip(v / p.v_0, 40))

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        gamma = p.gamma_0 - p.beta * (self._gap(x, p) / NANOMETRE) ** 3
        field = gamma * v / p.t_ox
        gate = logistic(((field / p.f_min) ** 2 - 1) / p.smoothing)
        thermal = BOLTZMANN_OVER_CHARGE * _temperature(self.current(v, x, p), v, p)
        attempt = sp.log(p.velocity / (2 * (p.g_max - p.g_min)))
        down = saturating_exp(attempt - (p.e_a - p.a_0 * field) / thermal, p.rate_max)
        up = saturating_exp(attempt - (p.e_a + p.a_0 * field) / thermal, p.rate_max)
        return (gate * (up * wall(1 - x.x, p.window) - down * wall(x.x, p.window)),)


class Sky130Reram(Device):
    """SkyWater SKY130 ReRAM cell. A positive voltage grows the filament.

    Source: google/skywater-pdk-libs-sky130_fd_pr_reram, cells/reram_cell (Apache-2.0), whose defaults these are; the
    temperature follows the power at once, with r_thermal = tau_th / C_th.
    """

    model = "sky130-reram"
    reference = "google/skywater-pdk-libs-sky130_fd_pr_reram, reram_cell Verilog-A (Apache-2.0)"
    parameters = {
        "i_k": positive(61.4e-6, "A", "current amplitude"),
        "v_r": positive(0.43, "V", "curvature of the current"),
        "t_ref": positive(4.7249e-9, "m", "filament at which the current has its amplitude over e^-1"),
        "velocity": positive(150.0, "m/s", "attempt velocity of the filament"),
        "e_gen": positive(1.501, "eV", "activation energy of growth", high=10.0),
        "e_rec": positive(1.5, "eV", "activation energy of dissolution", high=10.0),
        "a_0": positive(0.25e-9, "m", "hopping distance"),
        "t_ox": positive(5e-9, "m", "oxide thickness"),
        "gamma_0": positive(16.5, "1", "field enhancement of a closed gap"),
        "beta": Parameter(
            1.25, "1", "loss of field enhancement over the gap in nm, cubed", low=0.0, high=100.0
        ),
        "t_min": positive(3.3e-9, "m", "shortest filament"),
        "t_max": positive(4.9e-9, "m", "longest filament"),
        **_KINETICS,
        "r_thermal": positive(7.227e5, "K/W", "thermal resistance"),
        "t_ambient": positive(300.0, "K", "ambient temperature", high=2000.0),
    }
    states = {"x": State(0.0, "filament between its shortest (0) and longest (1) length")}

    def _gap(self, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        return p.t_ox - p.t_min - (p.t_max - p.t_min) * within_unit(x.x)

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        decay = sp.exp(-self._gap(x, p) / (p.t_ox - p.t_ref))
        return p.i_k * decay * sp.sinh(clip(v / p.v_r, 40))

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        gamma = p.gamma_0 - p.beta * (self._gap(x, p) / NANOMETRE) ** 3
        push = gamma * p.a_0 * v / p.t_ox
        thermal = BOLTZMANN_OVER_CHARGE * _temperature(self.current(v, x, p), v, p)
        attempt = sp.log(p.velocity / (p.t_max - p.t_min))
        up = saturating_exp(attempt - (p.e_gen - push) / thermal, p.rate_max)
        down = saturating_exp(attempt - (p.e_rec + push) / thermal, p.rate_max)
        return (up * wall(1 - x.x, p.window) - down * wall(x.x, p.window),)
