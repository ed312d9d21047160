"""Static laws of crossbar cells that are not ohmic, written once as devices without a state.

    SinhCell        i = g v_0 sinh(v / v_0)                                  (Guan, Yu and Wong, IEEE EDL 33(10), 2012)
    ThresholdCell   i = g k [softplus((v - v_t) / k) - softplus((-v - v_t) / k)]
    InSeries        v = u + i / g,  i = i_s(u)  for the selector's own law i_s
    SinhSelector    i = i_0 sinh(v / v_0)

Any device can be a cell as well: its state, which stays as it is, is then what makes one cell different from another.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import sympy as sp
import torch
from torch import Tensor

from memsim.devices import Device, Parameter, State, positive
from memsim.devices.functions import softplus
from memsim.errors import InputError

CONDUCTANCE = "g"


class StaticDevice(Device):
    """A device without memory."""

    states: ClassVar[dict[str, State]] = {}

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        return ()


class SinhCell(StaticDevice):
    """A cell of conductance `g` at small voltages whose current grows as the sine hyperbolic.

    Source: Guan, Yu and Wong, IEEE EDL 33(10):1405, 2012.
    """

    model = "sinh-cell"
    reference = "Guan, Yu and Wong, IEEE EDL 33(10), 2012"
    parameters = {
        CONDUCTANCE: Parameter(10e-6, "S", "conductance at small voltages", low=0.0),
        "v_0": positive(0.25, "V", "voltage from which the current grows exponentially"),
    }

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        return p.g * p.v_0 * sp.sinh(v / p.v_0)


class ThresholdCell(StaticDevice):
    """A cell that conducts with `g` beyond a threshold and exponentially less below; a behavioural form."""

    model = "threshold-cell"
    reference = "memsim (behavioural)"
    parameters = {
        CONDUCTANCE: Parameter(10e-6, "S", "slope of the current beyond the threshold", low=0.0),
        "v_threshold": positive(0.1, "V", "voltage from which the cell conducts"),
        "k": positive(0.01, "V", "voltage that raises the current below the threshold e times"),
    }

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        def ramp(beyond: sp.Expr) -> sp.Expr:
            return p.k * softplus(beyond / p.k)

        return p.g * (ramp(v - p.v_threshold) - ramp(-v - p.v_threshold))


class SinhSelector(StaticDevice):
    """A two-way exponential selector, to stand in series with a memory cell; a behavioural form."""

    model = "sinh-selector"
    reference = "memsim (behavioural)"
    parameters = {
        "i_0": positive(1e-9, "A", "current scale"),
        "v_0": positive(0.03, "V", "voltage that raises the current e times"),
    }

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        return p.i_0 * sp.sinh(v / p.v_0)


@dataclass(frozen=True)
class InSeries:
    """An ohmic memory cell in series with a selector, which is the same device in every cell."""

    selector: StaticDevice

    def __post_init__(self) -> None:
        if not isinstance(self.selector, StaticDevice) or CONDUCTANCE in self.selector.parameters:
            raise InputError(
                f"selector = {self.selector!r} cannot stand in series with a memory cell; give a device without "
                "state and without a conductance g of its own, such as SinhSelector(i_0=1e-9, v_0=0.03)"
            )


Cell = Device | InSeries


def branch(cell: Cell) -> Device:
    """The device whose law is solved for: the selector where there is one, else the cell."""
    return cell.selector if isinstance(cell, InSeries) else cell


def quantity(cell: Cell) -> str:
    """Name of what differs from cell to cell: `g` in S, or the device's state.

    Raises:
        InputError: a device with neither, or with more than one state.
    """
    if isinstance(cell, InSeries):
        return CONDUCTANCE
    names = list(cell.states) or [name for name in cell.parameters if name == CONDUCTANCE]
    if len(names) != 1:
        raise InputError(
            f"cell = {cell!r} has {len(cell.states)} states; a cell has one state, or none and a parameter g"
        )
    return names[0]


def check_states(cell: Cell, values: Tensor) -> None:
    """Raise InputError unless every value [..., rows, columns] is one that the state of such cells can take."""
    name, device = quantity(cell), branch(cell)
    limits = device.states[name]
    wrong = ~((values >= limits.low) & (values <= limits.high))
    if bool(torch.any(wrong)):
        place = wrong.nonzero()[0].tolist()
        device.check_state(f"{name}{place} of {device.model}", name, values[tuple(place)].item())
