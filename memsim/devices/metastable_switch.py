"""Mean-field metastable switch, the device of the memristive integrate-and-fire neuron.

    g(x)  = x / r_on + (1 - x) / r_off
    i     = g(x) v                                                                        mean field
    i     = phi g(x) v + (1 - phi) {alpha_f [e^(beta_f v) - 1] - alpha_r [e^(-beta_r v) - 1]}    generalised
    dx/dt = [(1 - x) logistic((v - v_on) / k) - x logistic((v_off - v) / k)] / tau
    k     = ideality * k_B * temperature / q

With v_off > 0 the device is volatile and switches itself off at zero bias (Kang et al., TCAS-I 68(12), 2021,
as coded in jeshraghian/mem-IF). With v_off < 0 it is Knowm's bipolar mean metastable switch
(arXiv:1608.04659), whose own V_off is our -v_off. The generalised form adds Schottky diodes in parallel; the published
exponentials lack the -1, so that its loop is not pinched where alpha_f and alpha_r differ.

`memsim.devices.switching` has the switch of a finite number of metastable units.
"""

from __future__ import annotations

from types import SimpleNamespace

import sympy as sp

from memsim.devices.base import Parameter, State, positive
from memsim.devices.constants import BOLTZMANN_OVER_CHARGE
from memsim.devices.functions import clip, expm1, logistic
from memsim.devices.two_level import LEVELS, TwoLevelDevice

_SWITCHING: dict[str, Parameter] = {
    "v_on": Parameter(0.11, "V", "centre of the switch-on logistic"),
    "v_off": Parameter(0.005, "V", "centre of the switch-off logistic; below zero for a bipolar device"),
    "tau": positive(1e-3, "s", "switching time constant at full drive"),
    "ideality": positive(1.0, "1", "slope voltage in units of the thermal voltage"),
    "temperature": positive(298.15, "K", "device temperature", high=2000.0),
}


class Metastable(TwoLevelDevice):
    """Units that switch on and off at thermally activated rates; models say how they conduct."""

    states = {"x": State(0.0, "fraction of switches that are on")}

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        k = p.ideality * BOLTZMANN_OVER_CHARGE * p.temperature
        on = logistic((v - p.v_on) / k)
        off = logistic((p.v_off - v) / k)
        return (((1 - x.x) * on - x.x * off) / p.tau,)


class MetastableSwitch(Metastable):
    """Mean-field metastable switch: a conductance between two levels with thermally broadened thresholds.

    Source: Kang et al., IEEE TCAS-I 68(12):4837, 2021; Molter and Nugent, arXiv:1608.04659, eq. 1 to 5.
    """

    model = "metastable-switch"
    reference = "Kang et al., IEEE TCAS-I 68(12), 2021; Molter and Nugent, arXiv:1608.04659"
    parameters = {**LEVELS, **_SWITCHING}


class SchottkyMetastableSwitch(Metastable):
    """Generalised metastable switch: switches beside two opposite Schottky diodes, pinched at zero voltage.

    Source: Nugent and Molter, PLoS ONE 9(2):e85175, 2014; the pinched form is that of arXiv:2505.15757.
    """

    model = "schottky-metastable-switch"
    reference = "Nugent and Molter, PLoS ONE 9(2), 2014; pinched as in arXiv:2505.15757"
    parameters = {
        **LEVELS,
        **_SWITCHING,
        "phi": Parameter(0.8, "1", "share of the current through the switches", low=0.0, high=1.0),
        "alpha_f": positive(0.8e-3, "A", "saturation current of the forward diode"),
        "beta_f": positive(4.0, "1/V", "slope of the forward diode", high=100.0),
        "alpha_r": positive(0.8e-3, "A", "saturation current of the reverse diode"),
        "beta_r": positive(4.0, "1/V", "slope of the reverse diode", high=100.0),
    }

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        forward = p.alpha_f * expm1(clip(p.beta_f * v, 80))
        reverse = p.alpha_r * expm1(clip(-p.beta_r * v, 80))
        return p.phi * super().current(v, x, p) + (1 - p.phi) * (forward - reverse)
