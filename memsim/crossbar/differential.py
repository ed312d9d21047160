"""Signed weights on a memristive crossbar: every weight is the difference of two bounded conductances.

    G+ = g_min + (g_max - g_min) max(w, 0),   G- = g_min + (g_max - g_min) max(-w, 0),   -1 <= w <= 1
    i_j = mirror_ratio sum_i (G+_ij - G-_ij) v_i

The half of a pair that is not used rests at g_min. The bit lines are held at virtual ground.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memsim.devices import Device
from memsim.errors import InputError


class DifferentialCrossbar(nn.Module):
    """A crossbar of differential pairs with ideal wires, from word-line voltages to neuron currents.

    Args:
        rows: word lines.
        columns: neurons, each with a pair of bit lines.
        g_min: lowest conductance of a cell [S].
        g_max: highest conductance of a cell [S].
        mirror_ratio: current into the neuron over difference of the bit line currents.
        generator: source of the initial weights, uniform in +-1/2.

    Raises:
        InputError: sizes or conductances out of range.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        *,
        g_min: float,
        g_max: float,
        mirror_ratio: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if rows < 1 or columns < 1:
            raise InputError(
                f"a crossbar of {rows} word lines and {columns} neurons is empty; allowed: at least 1 of each"
            )
        if not 0 < g_min < g_max < float("inf"):
            raise InputError(
                f"g_min = {g_min!r} S and g_max = {g_max!r} S are out of range; allowed: 0 < g_min < g_max"
            )
        self.g_min, self.g_max, self.mirror_ratio = g_min, g_max, mirror_ratio
        self.weight = nn.Parameter(torch.rand(rows, columns, generator=generator) - 0.5)

    def forward(self, voltage: Tensor) -> Tensor:
        """Currents [..., columns] in A for word-line voltages [..., rows] in V."""
        return voltage @ self.weight * (self.mirror_ratio * (self.g_max - self.g_min))

    def conductances(self) -> tuple[Tensor, Tensor]:
        """G+ and G- [rows, columns] in S."""
        span = self.g_max - self.g_min
        return self.g_min + span * self.weight.clamp(min=0), self.g_min + span * (-self.weight).clamp(min=0)

    def keep_in_range(self) -> None:
        """Put every weight back between -1 and 1; call after each optimiser step."""
        with torch.no_grad():
            self.weight.clamp_(-1.0, 1.0)


def conductance_range(
    device: Device, conductance_min: float | None = None, conductance_max: float | None = None
) -> tuple[float, float]:
    """Conductance range of a synapse device, or the part of it that is asked for.

    Args:
        device: a device with parameters `r_on` and `r_off`.
        conductance_min: lowest conductance to use [S]; the device's where left out.
        conductance_max: highest conductance to use [S]; the device's where left out.

    Raises:
        InputError: a bound outside what the device can reach.
    """
    if not {"r_on", "r_off"} <= set(device.values):
        raise InputError(
            f"{device.model} has no r_on and r_off, so no conductance range; choose another synapse device"
        )
    lowest, highest = sorted((1 / device.values["r_off"], 1 / device.values["r_on"]))
    low, high = (
        lowest if conductance_min is None else conductance_min,
        highest if conductance_max is None else conductance_max,
    )
    for name, value in (("conductance_min", low), ("conductance_max", high)):
        # a bound written in decimal may miss the reciprocal of a resistance by rounding
        if not lowest * (1 - 1e-9) <= value <= highest * (1 + 1e-9):
            raise InputError(
                f"{name} = {value!r} S is out of range; {device.model} allows {lowest:.4g} to {highest:.4g} S"
            )
    if low >= high:
        raise InputError(f"conductance_min = {low!r} S is not below conductance_max = {high!r} S")
    return low, high
