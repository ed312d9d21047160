"""JART VCM v1b (Bengel et al., TCAS-I 67(12), 2020) with the closed-form current of TU Dresden (SMACD 2023).

N is the concentration of oxygen vacancies in the disc, in 1e26 / m^3. Steep kinetics want its logarithm:

    x     = ln(N / n_min) / ln(n_max / n_min),  y = ln(N / 0.004)
    i     = i_r + i_s
    i_r   = p5 / [p6 + p7 (p8 e^y)^-p10]^(1/p11)                                        at [v]+
    i_s   = p1 {p2 [e^((y - p3)/p4) - 1] + y - p3} + p5 / [1 + p7 e^(-p10 (y - p9))]^q  at -[-v]+

with p1 to p11 and q = 1/p11 functions of v alone (`_reset_current`, `_set_current`); each current vanishes at v = 0.
The full model solves for the current through the disc, the plug, the series resistance and a Schottky barrier, and has
up to three solutions; the closed form follows the physical one, of the highest current. Then, with
V_r = [v]+ - i_r R_series and V_s = -[-v]+ - i_s R_series, R_series = r_tio + r_line (1 + r_line alpha r_heat i^2):

    SET      E = -i_s R_disc / l_disc,  T = t_ambient + i_s V_s r_thermal
    RESET    E = V_r / l_cell,          T = t_ambient + 0.27 i_r V_r r_thermal
    g        = z a E / (pi w_hop), in volt over electronvolt
    W-+      = w_hop [sqrt(1 - g^2) -+ g pi/2 + g asin g]
    h        = exp(-W- q / k T) - exp(-W+ q / k T)
    dN/dt    = (n_plug + N) a nu / (2 l_disc) {h_set [1 - (N/n_max)^10] - h_reset [1 - (n_min/N)^10]}

Both h vanish at v = 0. Beyond n_max and n_min the factors in square brackets go on straight in x. |g| is bounded to
0.99, where the barrier is gone.

Corner: slopes over v jump at v = 0, where the published current and field change branch.
"""

from __future__ import annotations

from types import SimpleNamespace

import sympy as sp
from scipy import constants

from memsim.devices.base import Device, Parameter, State, positive
from memsim.devices.constants import BOLTZMANN_OVER_CHARGE, PI
from memsim.devices.functions import clip, expm1, logistic, power, ramp, within_unit

VALENCE = 2
REFERENCE_CONCENTRATION = 0.004
"""Concentration [1e26 / m^3] that the closed form counts from."""
RESET_COOLING = 0.27
"""Thermal resistance under RESET relative to SET."""
LARGEST_VOLTAGE = 5
"""Voltage beyond which the fitted polynomials are not asked; the current stays what it is there."""
CHARGE_1E26 = sp.Float(constants.e * 1e26, 17)


def _reset_current(v: sp.Symbol, y: sp.Expr) -> sp.Expr:
    p5 = -1.3769e-3 * expm1(-0.081819 * v)
    p6 = 0.19687 - 0.021833 * v
    p7 = -97.606 + 7.825 * v + 99.296 * sp.exp(-0.071092 * v)
    p8 = 0.11713 + 0.08137 * v
    p10 = 0.97733 + 0.035214 * v + 0.012856 * v**2
    p11 = 0.94207 + 0.038953 * v + 0.023436 * v**2
    return p5 * sp.exp(-sp.log(p6 + p7 * sp.exp(-p10 * (y + sp.log(p8)))) / p11)


def _set_current(v: sp.Symbol, y: sp.Expr) -> sp.Expr:
    p1 = 1.183 * (-2.7034e-3 * v - 4.5379e-6 * v**2) / (1 + 0.99115 * v + 0.44093 * v**2)
    p2 = -2595.5
    p3 = 6.8845 - 0.58995 * v
    p4 = 2589 + 2.9537 * sp.exp(0.54031 * v)
    p5 = 6.4705e-4 * v + 5.1529e-5 * v**2
    p7 = 0.11708
    p9 = 3.9052 + 5.7078 * logistic(-(v + 0.45637) / 1.431)
    p10 = 0.46925 + 3.00385 * logistic(-(v + 1.1871) / 0.56947)
    q = 10.667 - 10.53888 * logistic(-(v - 0.74414) / 0.42381)
    low = p1 * (p2 * expm1((y - p3) / p4) + y - p3)
    return low + p5 * sp.exp(-q * sp.log(1 + p7 * sp.exp(-p10 * (y - p9))))


class JartVcm(Device):
    """Valence change cell, JART VCM v1b. A negative voltage sets it.

    The closed-form current holds for the published cell alone, between -1.3 and 1.3 V; beyond, it stays finite.

    Source: Bengel et al., IEEE TCAS-I 67(12), 2020; Ntinas et al., SMACD 2023, doi:10.1109/SMACD58065.2023.10192107.
    """

    model = "jart-vcm-v1b"
    reference = "Bengel et al., IEEE TCAS-I 67(12), 2020; Ntinas et al., SMACD 2023 (closed-form current)"
    parameters = {
        "n_min": positive(0.008, "1e26/m^3", "lowest concentration in the disc"),
        "n_max": positive(20.0, "1e26/m^3", "highest concentration in the disc"),
        "n_plug": positive(20.0, "1e26/m^3", "concentration in the plug"),
        "w_hop": positive(1.35, "eV", "activation energy of hopping", high=10.0),
        "a": positive(0.25e-9, "m", "hopping distance"),
        "nu": positive(2e13, "Hz", "attempt frequency"),
        "r_thermal": positive(15.72e6, "K/W", "thermal resistance under SET"),
        "t_ambient": positive(293.0, "K", "ambient temperature", high=2000.0),
        "l_cell": positive(3e-9, "m", "length of disc and plug"),
        "l_disc": positive(0.4e-9, "m", "length of the disc"),
        "radius": positive(45e-9, "m", "radius of the filament"),
        "mu": positive(4e-6, "m^2/(V s)", "electron mobility"),
        "r_tio": positive(650.0, "ohm", "series resistance of the oxide"),
        "r_line": positive(719.2437, "ohm", "series resistance of the lines when cold"),
        "r_heat": Parameter(90471.47, "K/W", "thermal resistance of the lines", low=0.0),
        "alpha": Parameter(3.92e-3, "1/K", "temperature coefficient of the lines", low=0.0, high=1.0),
    }
    states = {"x": State(0.0285, "logarithm of the vacancy concentration, from n_min (0) to n_max (1)")}

    def _span(self, p: SimpleNamespace) -> sp.Expr:
        return sp.log(p.n_max / p.n_min)

    def _branches(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        """Voltages and currents of RESET (positive) and SET (negative)."""
        y = sp.log(p.n_min / REFERENCE_CONCENTRATION) + within_unit(x.x) * self._span(p)
        bounded = clip(v, LARGEST_VOLTAGE)
        v_reset, v_set = ramp(bounded), -ramp(-bounded)
        return v_reset, _reset_current(v_reset, y), v_set, _set_current(v_set, y)

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        _, i_reset, _, i_set = self._branches(v, x, p)
        return i_reset + i_set

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        v_reset, i_reset, v_set, i_set = self._branches(v, x, p)
        span = self._span(p)
        concentration = p.n_min * sp.exp(within_unit(x.x) * span)
        area = PI * p.radius**2

        def inner(voltage: sp.Expr, i: sp.Expr) -> sp.Expr:
            """Voltage without the drop over the series resistance."""
            return voltage - (p.r_tio + p.r_line) * i - p.r_line**2 * p.alpha * p.r_heat * i**3

        def hops(field: sp.Expr, heat: sp.Expr) -> sp.Expr:
            """h: hops with the field less hops against it."""
            thermal = BOLTZMANN_OVER_CHARGE * (p.t_ambient + p.r_thermal * heat)
            g = clip(VALENCE * p.a / (PI * p.w_hop) * field, sp.Float(0.99))
            barrier = power(1 - g**2, sp.Rational(1, 2)) - g * (PI / 2 - sp.asin(g))
            return -sp.exp(-p.w_hop * barrier / thermal) * expm1(-PI * p.w_hop * g / thermal)

        def room(distance: sp.Expr) -> sp.Expr:
            """1 - exp(-10 span distance) within the limit, and straight on beyond it."""
            steepness = 10 * span
            return -expm1(-steepness * ramp(distance)) - steepness * ramp(-distance)

        disc_field = -i_set / (VALENCE * CHARGE_1E26 * p.mu * area * concentration)
        grow = hops(disc_field, i_set * inner(v_set, i_set)) * room(1 - x.x)
        bulk = inner(v_reset, i_reset)
        shrink = hops(bulk / p.l_cell, RESET_COOLING * i_reset * bulk) * room(x.x)
        return (p.a * p.nu / (2 * p.l_disc * span) * (p.n_plug / concentration + 1) * (grow - shrink),)
