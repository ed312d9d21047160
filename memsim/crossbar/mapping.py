"""Signed weights as conductances of memristive cells, and back.

With conductances G = g_min + (g_max - g_min) u, 0 <= u <= 1, a weight -1 <= w <= 1 is held

    by a pair of cells                   u+ = max(w, 0),  u- = max(-w, 0)         i = G+ v - G- v
    or beside a column of references     u = (1 + w) / 2,  u_ref = 1/2            i = G v - G_ref v

The half of a pair that is not used rests at g_min. Cells of L levels round u to the nearest of 0, 1/(L-1), ... 1. With
K of them for each u, the slices, u is rounded to a number of K digits to base L, one to a cell, and the currents of
the slices are added with the weights c_k of their digits:

    u (L^K - 1) ~ sum_k d_k L^k,   u_k = d_k / (L - 1),   u ~ sum_k c_k u_k,   c_k = L^k / sum_l L^l

Rounding has no slope. In training it is passed straight through (Bengio, Leonard and Courville, arXiv:1308.3432):
forward with the rounded values, backward as if every u_k were u.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from memsim.crossbar.laws import straight_through
from memsim.devices import Device
from memsim.errors import InputError

_MOST_STEPS = 2**24
"""Integers up to here are exact in float32."""


@dataclass(frozen=True, kw_only=True)
class Mapping(ABC):
    """How weights [..., rows, columns] are held by cells [..., rows, bit lines].

    The bit lines of a neuron are neighbours, slices of the least digit first.

    Attributes:
        g_min: lowest conductance of a cell [S].
        g_max: highest conductance of a cell [S].
        levels: that a cell can hold; any conductance in the range where None.
        slices: cells that share the digits of one u.
    """

    signs: ClassVar[tuple[int, ...]]
    """Of the parts that hold a weight, in the neuron's current."""
    references: ClassVar[int] = 0
    """Bit lines beside those of the neurons."""
    share: ClassVar[float]
    """Of g_max - g_min that a neuron's current sees of a weight of 1."""

    g_min: float
    g_max: float
    levels: int | None = None
    slices: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.g_min < self.g_max < float("inf"):
            raise InputError(
                f"g_min = {self.g_min!r} S and g_max = {self.g_max!r} S are out of range; allowed: 0 < g_min < g_max"
            )
        if self.levels is not None and (self.levels < 2 or self.levels != int(self.levels)):
            raise InputError(f"levels = {self.levels!r} cannot hold a weight; allowed: integers from 2")
        if self.slices < 1 or self.slices != int(self.slices):
            raise InputError(f"slices = {self.slices!r} is out of range; allowed: integers from 1")
        if self.slices > 1 and self.levels is None:
            raise InputError(
                f"slices = {self.slices} of cells without levels add nothing to one cell; give the levels of a cell"
            )
        if self.levels is not None and self.levels**self.slices > _MOST_STEPS:
            raise InputError(
                f"{self.slices} slices of {self.levels} levels are finer than float32; allowed: 2^24 steps in all"
            )

    @abstractmethod
    def parts(self, weight: Tensor) -> Tensor:
        """u of each part of a weight, [..., rows, columns, parts]."""

    @abstractmethod
    def joined(self, parts: Tensor) -> Tensor:
        """Inverse of `parts`."""

    @property
    def gain(self) -> float:
        """Current of a neuron per volt on a word line at a weight of 1 [S]."""
        return self.share * (self.g_max - self.g_min)

    @property
    def lines(self) -> int:
        """Bit lines of a neuron."""
        return len(self.signs) * self.slices

    @property
    def coefficients(self) -> tuple[float, ...]:
        """What the current of each bit line counts in its neuron's."""
        powers = [(self.levels or 2) ** k for k in range(self.slices)]
        return tuple(sign * power / sum(powers) for sign in self.signs for power in powers)

    def columns(self, lines: int) -> int:
        """Neurons of an array of so many bit lines."""
        return (lines - self.references) // self.lines

    def cells(self, weight: Tensor) -> Tensor:
        """Conductances [..., rows, bit lines] in S of one array for weights [..., rows, columns]."""
        u = self._digits(self.parts(weight)).flatten(-3)
        if self.references:
            u = torch.cat([u, u.new_full((*u.shape[:-1], self.references), 0.5)], -1)
        return self.g_min + (self.g_max - self.g_min) * u

    def weights(self, cells: Tensor) -> Tensor:
        """The weights that cells [..., rows, bit lines] of one array stand for; inverse of `cells`."""
        u = self.own(cells - self.g_min) / (self.g_max - self.g_min)
        digits = u.unflatten(-1, (len(self.signs), self.slices))
        return self.joined(digits @ digits.new_tensor(self.coefficients[: self.slices]))

    def own(self, lines: Tensor) -> Tensor:
        """[..., columns, bit lines of a neuron] from [..., bit lines] of one array, without references."""
        return lines[..., : lines.shape[-1] - self.references].unflatten(-1, (-1, self.lines))

    def combine(self, lines: Tensor) -> Tensor:
        """[..., columns] of neurons from [..., bit lines] of one array."""
        neurons = self.own(lines) @ lines.new_tensor(self.coefficients)
        return neurons - lines[..., -1:] if self.references else neurons

    def combine_variances(self, lines: Tensor) -> Tensor:
        """As `combine`, of independent lines' variances."""
        neurons = self.own(lines) @ lines.new_tensor(self.coefficients).square()
        return neurons + lines[..., -1:] if self.references else neurons

    def spread(self, neurons: Tensor) -> Tensor:
        """Transpose of `combine`: [..., bit lines] of one array from [..., columns]."""
        lines = (neurons[..., None] * neurons.new_tensor(self.coefficients)).flatten(-2)
        return torch.cat([lines, -neurons.sum(-1, keepdim=True)], -1) if self.references else lines

    def hold(self, voltage: Tensor) -> Tensor:
        """Voltages [..., bit lines] of one array whose neurons hold their lines at [..., columns]; 0 at references."""
        lines = voltage.repeat_interleave(self.lines, -1)
        return torch.nn.functional.pad(lines, (0, self.references))

    def _digits(self, u: Tensor) -> Tensor:
        """u of each slice, [..., slices]."""
        if self.levels is None:
            return u[..., None]
        steps = self.levels**self.slices - 1
        number = (u.detach() * steps).round().clamp(0, steps).long()
        powers = number.new_tensor([self.levels**k for k in range(self.slices)])
        digits = number[..., None] // powers % self.levels
        return straight_through(digits.to(u.dtype) / (self.levels - 1), u[..., None])


@dataclass(frozen=True, kw_only=True)
class DifferentialPairs(Mapping):
    """Each weight is the difference of two cells on bit lines of their own."""

    signs = (1, -1)
    share = 1.0

    def parts(self, weight: Tensor) -> Tensor:
        # by the absolute value, whose slope at 0 is 0: there each half gets half of the slope
        size = weight.abs()
        return torch.stack([(size + weight) / 2, (size - weight) / 2], -1)

    def joined(self, parts: Tensor) -> Tensor:
        return parts[..., 0] - parts[..., 1]


@dataclass(frozen=True, kw_only=True)
class ReferenceColumn(Mapping):
    """Each weight is one cell, less a reference half way up the range on a bit line that all neurons share.

    Levels do not round the references: they hold one value, whichever it is.
    """

    signs = (1,)
    references = 1
    share = 0.5

    def parts(self, weight: Tensor) -> Tensor:
        return ((1 + weight) / 2)[..., None]

    def joined(self, parts: Tensor) -> Tensor:
        return 2 * parts[..., 0] - 1


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
