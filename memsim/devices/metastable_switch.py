"""Mean-field metastable switch, the device of the memristive integrate-and-fire neuron.

    i     = [x / r_on + (1 - x) / r_off] v
    dx/dt = [(1 - x) logistic((v - v_on) / k) - x logistic((v_off - v) / k)] / tau
    k     = ideality * k_B * temperature / q

With v_off > 0 the device is volatile and switches itself off at zero bias (Kang et al., TCAS-I 68(12), 2021,
as coded in jeshraghian/mem-IF). With v_off < 0 it is Knowm's bipolar mean metastable switch
(arXiv:1608.04659), whose own V_off is our -v_off.
"""

from __future__ import annotations

from types import SimpleNamespace

import sympy as sp
from scipy import constants

from memsim.devices.base import Parameter, State, positive
from memsim.devices.functions import logistic
from memsim.devices.two_level import LEVELS, TwoLevelDevice

BOLTZMANN_OVER_CHARGE = sp.Float(constants.k / constants.e, 17)


class MetastableSwitch(TwoLevelDevice):
    """Mean-field metastable switch: a conductance between two levels with thermally broadened thresholds.

    Source: Kang et al., IEEE TCAS-I 68(12):4837, 2021; Molter and Nugent, arXiv:1608.04659, eq. 1 to 5.
    """

    model = "metastable-switch"
    reference = "Kang et al., IEEE TCAS-I 68(12), 2021; Molter and Nugent, arXiv:1608.04659"
    parameters = {
        **LEVELS,
        "v_on": Parameter(0.11, "V", "centre of the switch-on logistic"),
        "v_off": Parameter(0.005, "V", "centre of the switch-off logistic; below zero for a bipolar device"),
        "tau": positive(1e-3, "s", "switching time constant at full drive"),
        "ideality": positive(1.0, "1", "slope voltage in units of the thermal voltage"),
        "temperature": positive(298.15, "K", "device temperature", high=2000.0),
    }
    states = {"x": State(0.0, "fraction of switches that are on")}

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        k = p.ideality * BOLTZMANN_OVER_CHARGE * p.temperature
        on = logistic((v - p.v_on) / k)
        off = logistic((p.v_off - v) / k)
        return (((1 - x.x) * on - x.x * off) / p.tau,)
