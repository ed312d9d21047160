"""Values between two bounds, held as numbers that an optimiser may take anywhere.

    p = low (high / low)^s,  s = 1 / (1 + exp(-z))      or  p = low + (high - low) s  unless both bounds have one sign

No update of z takes p out of its bounds, and a step of z changes p by a share of its range: in the middle of a range of
a factor 100 a step of 0.01 changes p by 1.2 %.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from memsim.devices import Parameter
from memsim.errors import InputError

FACTOR = 10.0
"""Without bounds of its own a trained parameter of a circuit goes from a tenth to ten times its value."""
REACH = 2.0
"""One that may have either sign goes as far as this many times its size from it: a step of z moves both alike."""
Bounds = tuple[float, float]


class Bounded(nn.Module):
    """Values between two bounds.

    Args:
        start: first values, between the bounds, of any shape; their type is that of the values.
        bounds: lowest and highest value.
        margin: share of the range that a start keeps from its ends, where the sigmoid has almost no slope.
        trainable: whether their positions are parameters, else a buffer.

    Attributes:
        position: the unbounded number z of each value.
    """

    position: Tensor

    def __init__(self, start: Tensor, bounds: Bounds, *, margin: float = 0.0, trainable: bool = True) -> None:
        super().__init__()
        self.low, self.high = bounds
        position = torch.logit(self._share(start).clamp(margin, 1 - margin))
        if trainable:
            self.position = nn.Parameter(position)
        else:
            self.register_buffer("position", position)

    @property
    def _range(self) -> float | None:
        """Logarithm of the ratio of the bounds, where they have one sign."""
        return math.log(self.high / self.low) if self.low * self.high > 0 else None

    def _share(self, values: Tensor) -> Tensor:
        """Where values lie between the bounds, from 0 to 1."""
        if self._range is None:
            return (values - self.low) / (self.high - self.low)
        return torch.log(values / self.low) / self._range

    def forward(self) -> Tensor:
        """The values."""
        share = torch.sigmoid(self.position)
        if self._range is None:
            values = self.low + (self.high - self.low) * share
        else:
            values = self.low * (share * self._range).exp()
        return values.clamp(self.low, self.high)


def bounds_of(name: str, value: float, allowed: Parameter, chosen: Bounds | None = None) -> Bounds:
    """Bounds of a trained parameter of a circuit around its value.

    Args:
        name: of the parameter, for messages.
        value: in the circuit.
        allowed: what its device or element may take.
        chosen: bounds in place of the usual ones.

    Raises:
        InputError: a value at the end of what is allowed, bounds that are not allowed or do not enclose the value, or a
            value of 0, which suggests none.
    """
    if not allowed.low < value < allowed.high:
        raise InputError(
            f"{name} = {value:g} lies at the end of what it may be ({allowed.allowed()}), from where it cannot be "
            "trained; start inside"
        )
    if chosen is not None:
        low, high = (allowed.check(f"bound of {name}", bound) for bound in chosen)
    elif value == 0:
        raise InputError(
            f"{name} = 0 has no size to tell its bounds from; give them: {{{name!r}: (low, high)}}"
        )
    elif allowed.low < 0 < allowed.high:
        low, high = value - REACH * abs(value), value + REACH * abs(value)
    else:
        low, high = sorted((value / FACTOR, value * FACTOR))
    low, high = max(low, allowed.low), min(high, allowed.high)
    check_enclosed(name, value, (low, high))
    return low, high


def check_enclosed(name: str, value: float, bounds: Bounds) -> None:
    """InputError unless a value lies between its bounds, where alone it can start."""
    low, high = bounds
    if not low < value < high:
        raise InputError(
            f"bounds of {name}, {low:g} to {high:g}, do not enclose its value of {value:g}; choose them around it"
        )
