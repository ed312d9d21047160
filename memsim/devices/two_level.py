"""Devices whose state is the share of the conductance between two levels: i = [x / r_on + (1 - x) / r_off] v."""

from __future__ import annotations

from types import SimpleNamespace

import sympy as sp

from memsim.devices.base import Device, Parameter, positive

LEVELS: dict[str, Parameter] = {
    "r_on": positive(1e3, "ohm", "resistance when fully on"),
    "r_off": positive(100e3, "ohm", "resistance when fully off"),
}


class TwoLevelDevice(Device):
    """A device between `r_on` and `r_off`; models say how its state `x` moves."""

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        return (x.x / p.r_on + (1 - x.x) / p.r_off) * v
