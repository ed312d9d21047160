"""Drift of the boundary between a doped and an undoped layer (Strukov et al., Nature 453, 2008).

With x = w / D (0 undoped and resistive, 1 doped and conducting) and [z]+ the positive part of z:

    i     = v / [r_on x + r_off (1 - x)]
    u     = (mobility / depth) e_0 sinh(E / e_0),  E = r_on i / depth
    dx/dt = [u]+ up(x) - [-u]+ down(x)

e_0 is the field above which drift grows exponentially (Strukov and Williams, Appl. Phys. A 94, 2009); far below it
u = mobility r_on i / depth^2, linear drift. The window f shapes the motion near the ends, with p = `exponent` and
j = `height`:

    none         tanh walls of width `edge`
    Strukov      f = x (1 - x)
    Joglekar     f = 1 - (2x - 1)^(2p)                      Joglekar and Wolf, Eur. J. Phys. 30, 2009
    Prodromakis  f = j {1 - [(x - 1/2)^2 + 3/4]^p}          IEEE TED 58(9), 2011
    Biolek       up = 1 - x^(2p), down = 1 - (1 - x)^(2p)   Radioengineering 18(2), 2009

The first three, as published, lock a device for ever that has reached an end, because f vanishes there for both
directions. Here motion away from an end keeps the speed that f has at a distance of `edge`, and both are f elsewhere:

    up           f([x]+) + f(1 - edge) [1 - tanh(x / edge)]
    down         f(1 - [1-x]+) + f(1 - edge) [1 - tanh((1 - x) / edge)]

Corner: the slope of dx/dt over v jumps at v = 0 where up and down differ.
"""

from __future__ import annotations

from abc import abstractmethod
from types import SimpleNamespace

import sympy as sp

from memsim.devices.base import Device, Parameter, State, positive
from memsim.devices.functions import clip, power, ramp, wall

_COMMON: dict[str, Parameter] = {
    "r_on": positive(100.0, "ohm", "resistance when doped throughout"),
    "r_off": positive(16e3, "ohm", "resistance when undoped"),
    "mobility": positive(1e-14, "m^2/(V s)", "mobility of the dopants"),
    "depth": positive(10e-9, "m", "thickness of both layers together"),
    "e_0": positive(1e12, "V/m", "field above which drift is exponential"),
    "edge": positive(1e-3, "1", "distance from an end within which a locked device is freed", high=0.02),
}
_EXPONENT = Parameter(1.0, "1", "exponent of the window", low=1.0, high=50.0)


class IonDrift(Device):
    """Ion drift; models say how fast the boundary moves up and down at each place.

    Source: Strukov et al., Nature 453:80, 2008.
    """

    states = {"x": State(0.3144654, "boundary position relative to depth")}

    @abstractmethod
    def windows(self, x: sp.Symbol, p: SimpleNamespace) -> tuple[sp.Expr, sp.Expr]:
        """Factors of the motion towards 1 and towards 0."""

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        return v / (p.r_on * x.x + p.r_off * (1 - x.x))

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        field = p.r_on * self.current(v, x, p) / p.depth
        drift = p.mobility / p.depth * p.e_0 * sp.sinh(clip(field / p.e_0, 40))
        up, down = self.windows(x.x, p)
        return (ramp(drift) * up - ramp(-drift) * down,)


class FreeIonDrift(IonDrift):
    """Ion drift between soft walls, without a window: R^2 is linear in the flux."""

    model = "ion-drift"
    reference = "Strukov et al., Nature 453, 2008"
    parameters = _COMMON

    def windows(self, x: sp.Symbol, p: SimpleNamespace) -> tuple[sp.Expr, sp.Expr]:
        return wall(1 - x, p.edge), wall(x, p.edge)


class SymmetricWindow(IonDrift):
    """Ion drift in a window that is the same for both directions, freed from its locks at the ends."""

    @abstractmethod
    def window(self, x: sp.Expr, p: SimpleNamespace) -> sp.Expr:
        """The published window f(x)."""

    def windows(self, x: sp.Symbol, p: SimpleNamespace) -> tuple[sp.Expr, sp.Expr]:
        escape = self.window(1 - p.edge, p)
        up = self.window(ramp(x), p) + escape * (1 - wall(x, p.edge))
        down = self.window(1 - ramp(1 - x), p) + escape * (1 - wall(1 - x, p.edge))
        return up, down


class StrukovIonDrift(SymmetricWindow):
    """Ion drift in Strukov's parabolic window."""

    model = "ion-drift-strukov"
    reference = "Strukov et al., Nature 453, 2008"
    parameters = _COMMON

    def window(self, x: sp.Expr, p: SimpleNamespace) -> sp.Expr:
        return x * (1 - x)


class JoglekarIonDrift(SymmetricWindow):
    """Ion drift in Joglekar's window."""

    model = "ion-drift-joglekar"
    reference = "Joglekar and Wolf, Eur. J. Phys. 30, 2009"
    parameters = {**_COMMON, "exponent": _EXPONENT}

    def window(self, x: sp.Expr, p: SimpleNamespace) -> sp.Expr:
        return 1 - power((2 * x - 1) ** 2, p.exponent)


class ProdromakisIonDrift(SymmetricWindow):
    """Ion drift in Prodromakis' window, whose height can be scaled."""

    model = "ion-drift-prodromakis"
    reference = "Prodromakis et al., IEEE TED 58(9), 2011"
    parameters = {**_COMMON, "exponent": _EXPONENT, "height": positive(1.0, "1", "height of the window")}

    def window(self, x: sp.Expr, p: SimpleNamespace) -> sp.Expr:
        return p.height * (1 - power((x - sp.Rational(1, 2)) ** 2 + sp.Rational(3, 4), p.exponent))


class BiolekIonDrift(IonDrift):
    """Ion drift in Biolek's window, which slows motion towards an end and not away from it."""

    model = "ion-drift-biolek"
    reference = "Biolek, Biolek and Biolkova, Radioengineering 18(2), 2009"
    parameters = {**{k: v for k, v in _COMMON.items() if k != "edge"}, "exponent": _EXPONENT}

    def windows(self, x: sp.Symbol, p: SimpleNamespace) -> tuple[sp.Expr, sp.Expr]:
        return 1 - power(x**2, p.exponent), 1 - power((1 - x) ** 2, p.exponent)
