"""Inputs of layers as word lines show them: as integers over a range, one read after the other.

With a range from low <= 0 to high, unit = max(high, -low) and L the largest integer of the coding, an input x is

    x = unit / L n,   n = round(L x / unit),

and what lies beyond the range is what its end is. Word lines show no negative numbers: of ranges with low < 0 they show
what is positive and then what is negative, whose reads count -1. Zero is always shown as nothing.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from memsim.crossbar.laws import straight_through
from memsim.errors import InputError
from memsim.imc.tables import InputsTable

_CHECKED_AT_ONCE = 2**17
CLIPPED_UNSAID = 0.01
"""Share of inputs that may lie beyond a fitted range without a warning."""


class Shown(NamedTuple):
    """What word lines get in one read.

    Attributes:
        inputs: as integers, of any shape.
        counts: what the read counts; below zero of what is negative, which is read without bias.
    """

    inputs: Tensor
    counts: int


@dataclass(frozen=True)
class InputCoding:
    """How a layer shows its inputs.

    Attributes:
        table: of the card.
        low, high: range of inputs, low <= 0 <= high.
        fitted: whether the range is that of data, whose outliers are clipped; else they are refused.
    """

    table: InputsTable
    low: float = 0.0
    high: float = 1.0
    fitted: bool = False

    @classmethod
    def of(cls, table: InputsTable) -> InputCoding:
        """As a card has it, its range not fitted to data."""
        return cls(table, high=table.high)

    @property
    def signed(self) -> bool:
        """Whether inputs may be negative."""
        return self.low < 0

    @property
    def unit(self) -> float:
        """Input that is shown as the largest integer."""
        return max(self.high, -self.low)

    @property
    def largest(self) -> int:
        """Integer that can be shown."""
        return 2**self.table.bits - 1

    @property
    def pulses(self) -> int:
        """Time of one read, in pulses of which a reference gives one each."""
        return self.largest if self.table.coding == "pulse-count" else 1

    @property
    def rails(self) -> int:
        """Signs that are shown one after the other."""
        return 2 if self.signed else 1

    @property
    def reads(self) -> int:
        """Times that an array is read for one input vector."""
        return self.rails * (self.table.bits if self.table.coding == "bit-serial" else 1)

    def fit(self, low: float, high: float) -> InputCoding:
        """The same over another range.

        Raises:
            InputError: no range around zero.
        """
        if not (low <= 0 <= high and 0 < high - low < float("inf")):
            raise InputError(
                f"inputs from {low:g} to {high:g} are no range; allowed: low <= 0 <= high, finite and apart"
            )
        return InputCoding(self.table, low, high, fitted=True)

    def coded(self, inputs: Tensor, name: str) -> Tensor:
        """Inputs as integers, with their sign.

        Args:
            inputs: of any shape.
            name: of the layer, for messages.

        Raises:
            InputError: inputs that cannot be shown.
        """
        share = self._shares(inputs, name)
        if self.table.coding != "binary":
            return straight_through((share.detach() * self.largest).round(), share * self.largest)
        # a part at a time, as what does not leave the caches takes a fraction of the time
        if not all(
            torch.equal(part, part.sign()) for part in share.detach().flatten().split(_CHECKED_AT_ONCE)
        ):
            raise InputError(
                f"{name} gets inputs between 0 and {self.unit:g}, and its word lines are binary; give spikes, or a "
                "card with inputs.coding = pulse-count or bit-serial"
            )
        return share

    def shown(self, x: Tensor) -> list[Shown]:
        """What word lines get for integers, read by read."""
        if not self.signed:
            return self._digits(x, 1)
        # at zero the gradient goes through the first of them alone
        return [*self._digits(x.clamp(min=0), 1), *self._digits(torch.relu(-x), -1)]

    def clipped(self, inputs: Tensor) -> float:
        """Share of inputs that lie beyond the range, by more than rounding moves any."""
        slack = 0.0 if self.table.coding == "binary" else self.unit / self.largest / 2
        return float(((inputs < self.low - slack) | (inputs > self.high + slack)).double().mean())

    def _shares(self, inputs: Tensor, name: str) -> Tensor:
        """Inputs as shares of the unit, inside the range."""
        if inputs.is_complex():
            raise InputError(
                f"{name} gets complex inputs; give real and imaginary parts to layers of their own"
            )
        if not inputs.numel():
            return inputs
        given = inputs.detach()
        lowest, highest = (end.item() for end in torch.aminmax(given))
        if self.low <= lowest and highest <= self.high:
            return inputs if self.unit == 1 else inputs / self.unit
        if self.table.saturates and not self.fitted and self.low <= lowest and highest < float("inf"):
            return inputs.clamp(max=self.high) / self.unit
        if not (self.fitted and abs(lowest) < float("inf") and abs(highest) < float("inf")):
            raise InputError(
                f"{name} gets inputs from {lowest:.4g} to {highest:.4g}; allowed: {self.low:g} to {self.high:g}, so "
                "scale them, fit the ranges of layers to them with calibrate_inputs, or give the card inputs.high or "
                "inputs.saturates"
            )
        if self.clipped(given) > CLIPPED_UNSAID:
            warnings.warn(
                f"{name} clips more than {CLIPPED_UNSAID:.0%} of its inputs to its range, {self.low:.4g} to "
                f"{self.high:.4g}; calibrate_inputs finds that of other inputs",
                RuntimeWarning,
                stacklevel=2,
            )
        return inputs.clamp(self.low, self.high) / self.unit

    def _digits(self, x: Tensor, sign: int) -> list[Shown]:
        if self.table.coding != "bit-serial":
            return [Shown(x, sign)]
        # each digit passes the gradient of its share of the number
        whole, share = x.detach().long(), x / self.largest
        return [
            Shown(straight_through((whole >> bit & 1).to(x.dtype), share), sign * 2**bit)
            for bit in range(self.table.bits)
        ]
