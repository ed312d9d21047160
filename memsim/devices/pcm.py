"""Phase-change memory: programming by heat, and resistance drift.

Programming is memsim's own two-rate substitute: crystals grow around t_grow and melt above t_melt. Drift is the power
law of Nandakumar et al. (ICECS 2019), G(t) = G_0 [(t + t_0) / t_0]^-nu, with the clock l = ln[(t + t_0) / t_0] / L as a
state that programming sets back. Programming noise, the spread of nu and read noise are in `memsim.crossbar`.

    g     = g_low + (g_high - g_low) x,  g/g_high = s
    i     = g exp(-nu L l) v
    nu    = -nu_1 ln s + nu_0, between nu_low and nu_high
    T     = t_ambient + heating v^2
    grow  = exp{-[(T - t_grow) / w_grow]^2} / tau_grow,  melt = logistic[(T - t_melt) / w_melt] / tau_melt
    dx/dt = (1 - x) grow - x melt
    dl/dt = (e^(-L l) - e^-L) / (t_0 L) - l (grow + melt)

The bounds of nu are rounded by 1 % of their distance.
"""

from __future__ import annotations

import math
from types import SimpleNamespace

import sympy as sp

from memsim.devices.base import Device, Parameter, State, positive
from memsim.devices.functions import logistic, softplus, within_unit

CLOCK = 25
"""L: the clock runs to t_0 exp(25), tens of thousands of years."""


class PhaseChange(Device):
    """Phase-change memory cell. Either polarity crystallises at moderate and melts at high voltage.

    Source: drift from Nandakumar et al., ICECS 2019 (IBM, doped GST, 25 uS), as in IBM/aihwkit; programming by memsim.
    """

    model = "pcm"
    reference = "Nandakumar et al., ICECS 2019 (drift); programming by memsim"
    parameters = {
        "g_low": positive(0.1e-6, "S", "conductance when amorphous"),
        "g_high": positive(25e-6, "S", "conductance when crystalline"),
        "nu_0": Parameter(0.0244, "1", "drift exponent at g_high, before its bounds", low=-1.0, high=1.0),
        "nu_1": Parameter(0.0155, "1", "growth of the exponent as ln(g) falls", low=0.0, high=1.0),
        "nu_low": Parameter(0.049, "1", "smallest drift exponent", low=0.0, high=1.0),
        "nu_high": Parameter(0.1, "1", "largest drift exponent", low=1e-3, high=1.0),
        "t_0": positive(20.0, "s", "time from programming to the first read"),
        "heating": positive(400.0, "K/V^2", "temperature rise over the square of the voltage"),
        "t_ambient": positive(298.0, "K", "ambient temperature", high=2000.0),
        "t_grow": positive(700.0, "K", "temperature of fastest crystal growth", high=2000.0),
        "w_grow": positive(60.0, "K", "width of crystal growth"),
        "tau_grow": positive(100e-9, "s", "time constant of fastest growth"),
        "t_melt": positive(900.0, "K", "melting temperature", high=2000.0),
        "w_melt": positive(10.0, "K", "width of melting"),
        "tau_melt": positive(10e-9, "s", "time constant of melting"),
    }
    states = {
        "x": State(0.0, "crystalline share"),
        "l": State(0.0, "drift clock, logarithm of the time since programming"),
    }

    def _conductance(self, share: sp.Expr, p: SimpleNamespace) -> sp.Expr:
        return p.g_low + (p.g_high - p.g_low) * share

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        conductance, corner = self._conductance(x.x, p), (p.nu_high - p.nu_low) / 100
        # a step may carry x a little below 0, where the logarithm ends
        nu = p.nu_0 - p.nu_1 * sp.log(self._conductance(within_unit(x.x), p) / p.g_high)
        ramps = softplus((nu - p.nu_low) / corner) - softplus((nu - p.nu_high) / corner)
        return conductance * sp.exp(-(p.nu_low + corner * ramps) * CLOCK * x.l) * v

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        temperature = p.t_ambient + p.heating * v**2
        grow = sp.exp(-(((temperature - p.t_grow) / p.w_grow) ** 2)) / p.tau_grow
        melt = logistic((temperature - p.t_melt) / p.w_melt) / p.tau_melt
        ageing = (sp.exp(-CLOCK * x.l) - math.exp(-CLOCK)) / (p.t_0 * CLOCK)
        return (1 - x.x) * grow - x.x * melt, ageing - x.l * (grow + melt)
