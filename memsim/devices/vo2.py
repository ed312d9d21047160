"""Thermal neuristor: a VO2 film that heats itself through its hysteretic transition (Zhang et al., arXiv:2312.12899).

With T the film's temperature, g the insulating share and u its coordinate on the branch, g = logistic(2 beta u):

    R     = r_0 e^(e_a / T) g + r_m,  i = v / R
    dT/dt = [v^2 / R - s_th (T - t_base)] / c_th
    du/dt = -[1 + P'(y)] dT/dt,  y = (T - T_r) / T_p
    P(y)  = [1 - sin(gamma y)] [1 + tanh(pi^2 - 2 pi y)] / 2

That is Almeida's minor loop, differentiated: on a branch u + T + T_p P((T - T_r) / T_p) is constant, so u needs no jump
when the sweep turns. At each reversal T_r is set to T and T_p to the distance from the branch of the new direction,

    D     = dir w / 2 + t_c - u - T

Published, a reversal is an event. Here dir = tanh(dT/dt / speed), its copy `lag` follows with `tau_lag`, and while the
two have opposite signs T_r and T_p are drawn to T and D at the rate 40 [-dir lag]+ / tau_lag: over 0.3 tau_lag, to
1e-5 of their distance. y is taken as (T - T_r) T_p / (T_p^2 + 1e-4 K^2), bounded to 4, where P has long vanished,
and D is bounded to 20 K.
"""

from __future__ import annotations

from types import SimpleNamespace

import sympy as sp

from memsim.devices.base import Device, Parameter, State, positive
from memsim.devices.constants import PI
from memsim.devices.functions import clip, logistic, ramp, wall

COLDEST, TEMPERATURES = 300, 150
"""Temperature [K] at state 0, and the span to state 1."""
LOWEST, COORDINATES = -150, 200
"""Branch coordinate [K] at state 0, and the span to state 1."""
LONGEST_PROXIMITY = 20
"""Largest T_p [K]; the hysteresis is 7 K wide."""
WINDOW = sp.Float(1e-3)


class ThermalNeuristor(Device):
    """VO2 film with major and minor hysteresis loops, volatile, the same for both polarities.

    Source: Zhang et al., arXiv:2312.12899, and yuanhangzhang98/collective_dynamics_neuristor (MIT), model.py.
    """

    model = "vo2-neuristor"
    reference = "Zhang et al., arXiv:2312.12899; yuanhangzhang98/collective_dynamics_neuristor (MIT)"
    parameters = {
        "r_0": positive(5.35882879e-3, "ohm", "prefactor of the insulator's resistance"),
        "e_a": positive(5220.47, "K", "activation temperature of the insulator"),
        "r_m": positive(1286.3, "ohm", "resistance of the metal"),
        "w": positive(7.19357, "K", "width of the hysteresis", high=30.0),
        "t_c": positive(332.806, "K", "centre of the transition", high=440.0),
        "beta": positive(0.252796, "1/K", "steepness of the transition"),
        "gamma": positive(0.956270, "1", "shape of the minor loops"),
        "c_th": positive(49.6278e-12, "J/K", "heat capacity"),
        "s_th": positive(0.205588e-3, "W/K", "thermal conductance"),
        "t_base": Parameter(325.0, "K", "substrate temperature", low=301.0, high=440.0),
        "speed": positive(1e4, "K/s", "sweep below which the direction fades"),
        "tau_lag": positive(5e-9, "s", "time in which a reversal is noticed"),
    }
    states = {
        "theta": State(25 / 150, "temperature, from 300 K (0) to 450 K (1)"),
        "u": State(0.807, "branch coordinate, from -150 K (0) to 50 K (1)"),
        "lag": State(1.0, "direction of the sweep a moment ago, cooling (0) or heating (1)"),
        "turn": State(0.0227, "temperature of the last reversal, as theta"),
        "near": State(0.68, "proximity temperature, from -20 K (0) to 20 K (1)"),
    }

    ends = (
        {"theta": 70 / 150, "u": 0.546, "lag": 0.0, "turn": 70 / 150, "near": 0.49},
        {"theta": 0.0, "u": 0.932, "lag": 1.0, "turn": 0.0, "near": 0.51},
    )
    """Metal at 370 K about to cool, and insulator at 300 K about to warm, each on its branch of the default film."""

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        temperature = COLDEST + TEMPERATURES * x.theta
        insulating = logistic(2 * p.beta * (LOWEST + COORDINATES * x.u))
        return v / (p.r_0 * sp.exp(p.e_a / temperature) * insulating + p.r_m)

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        temperature = COLDEST + TEMPERATURES * x.theta
        sweep = (v * self.current(v, x, p) - p.s_th * (temperature - p.t_base)) / p.c_th
        direction = sp.tanh(sweep / p.speed)
        latch = 40 / p.tau_lag * ramp(-direction * (2 * x.lag - 1))
        coordinate = LOWEST + COORDINATES * x.u
        distance = clip(direction * p.w / 2 + p.t_c - coordinate - temperature, LONGEST_PROXIMITY)
        proximity = LONGEST_PROXIMITY * (2 * x.near - 1)
        passed = TEMPERATURES * (x.theta - x.turn)
        y = clip(passed * proximity / (proximity**2 + sp.Float(1e-4)), 4)
        edge = sp.tanh(PI**2 - 2 * PI * y)
        slope = -(
            p.gamma * sp.cos(p.gamma * y) * (1 + edge) / 2 + PI * (1 - sp.sin(p.gamma * y)) * (1 - edge**2)
        )
        slide = -(1 + slope) * sweep / COORDINATES
        return (
            sweep / TEMPERATURES,
            ramp(slide) * wall(1 - x.u, WINDOW) - ramp(-slide) * wall(x.u, WINDOW),
            ((1 + direction) / 2 - x.lag) / p.tau_lag,
            (x.theta - x.turn) * latch,
            (distance - proximity) / (2 * LONGEST_PROXIMITY) * latch,
        )
