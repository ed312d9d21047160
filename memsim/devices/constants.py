"""Constants of nature as sympy numbers."""

from __future__ import annotations

import sympy as sp
from scipy import constants

BOLTZMANN_OVER_CHARGE = sp.Float(constants.k / constants.e, 17)
"""k_B / q [V/K]: the thermal voltage per kelvin, or electronvolts per kelvin."""

PI = sp.Float(constants.pi, 17)
"""As a number: torch's printer has no symbol for it."""
