"""The equations of a crossbar with wires, scaled so that open and shorted cells are ordinary cells.

Each cell takes I = G v at the voltage v that its wires leave of the applied one, e:

    (1/G + K) I = e,   and where bit line j floats at f_j   (1/G + K) I = e - f_j,  sum_i I_ij = 0.

With k the diagonal of K, s^2 = G / (1 + k G) and I = s y this is a symmetric system of unit diagonal,

    B y = y / (1 + k G) + s K s y = s e,

in which an open cell has s = 0 and a short s^2 = 1/k. A floating bit line restricts y to vectors orthogonal to
its column of s. Both are positive definite: there is always one solution, and conjugate gradients find it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from memsim.crossbar.wires import Drops, Wires, drops
from memsim.errors import InputError


@dataclass(frozen=True, eq=False)
class System:
    """One or many crossbars, ready to be solved.

    Attributes:
        conductance: [..., rows, columns] in S.
        drop: the operator K.
        own: 1 / (1 + k G), [..., rows, columns].
    """

    conductance: Tensor
    drop: Drops
    own: Tensor

    @property
    def squared_scale(self) -> Tensor:
        """s^2 in S, [..., rows, columns]; made anew each time, for large arrays are short of memory."""
        return self.conductance * self.own

    @property
    def rows(self) -> int:
        return self.conductance.shape[-2]

    @property
    def columns(self) -> int:
        return self.conductance.shape[-1]

    def vectors(self, voltage: Tensor) -> int:
        """How many vectors [..., rows] there are for each array."""
        if self.own.ndim == 2:
            return voltage.shape[:-1].numel()
        return self.broadcast(voltage[..., None]).numel() // self.own.numel()

    def broadcast(self, source: Tensor) -> Tensor:
        """A source [..., rows, columns or 1] for each of the cells."""
        if self.own.ndim == 2:
            # what torch.broadcast_tensors does, in a tenth of its time
            return source.expand(*source.shape[:-2], *self.own.shape)
        return torch.broadcast_tensors(source, self.own)[0]

    def remaining(self, source: Tensor, current: Tensor) -> Tensor:
        """source - (K - k) I, [..., rows, columns] in V: at the solution (1/G + k) I, plus f where a line floats."""
        return source - self.drop(current) + self.drop.diagonal() * current

    def float_voltage(self, remaining: Tensor) -> Tensor:
        """f of what `remaining` gives, [..., 1, columns] in V; 0 for lines that do not float."""
        if self.drop.floating is None:
            return remaining.new_zeros(1, 1)
        weight = self.squared_scale
        mean = (weight * remaining).sum(-2, keepdim=True) / weight.sum(-2, keepdim=True)
        return torch.where(self.drop.floating, mean, 0)

    def scaled(self) -> Scaled:
        """The system in y, without gradients."""
        with torch.no_grad():
            scale = self.squared_scale.sqrt_()
            floating = self.drop.floating
            along = None
            if floating is not None:
                length = scale.norm(dim=-2, keepdim=True)
                along = scale / torch.where(floating, length, torch.inf)
            return Scaled(self.drop, scale, self.own.detach(), along)


@dataclass(frozen=True, eq=False)
class Scaled:
    """The scaled operator B.

    Attributes:
        drop: the operator K.
        scale: s in S^(1/2), [..., rows, columns].
        own: 1 / (1 + k G), [..., rows, columns].
        along: unit vectors along the floating bit lines, 0 in the others; None where nothing floats.
    """

    drop: Drops
    scale: Tensor
    own: Tensor
    along: Tensor | None

    def __call__(self, y: Tensor) -> Tensor:
        """B y, within the space of charge-free floating lines."""
        return self.project((self.drop.overwrite(y * self.scale)).mul_(self.scale).addcmul_(self.own, y))

    def project(self, y: Tensor) -> Tensor:
        """Take the net current into floating bit lines out of y."""
        if self.along is None:
            return y
        return y - self.along * (self.along * y).sum(-2, keepdim=True)


def system(conductance: Tensor, wires: Wires) -> System:
    """Check an array and prepare it.

    Args:
        conductance: of each cell, [..., rows, columns] in S; 0 for an open cell.
        wires: resistances of the wires and the ends of the lines.

    Raises:
        InputError: names the cell or line that cannot be used.
    """
    _check_conductance(conductance)
    rows, columns = conductance.shape[-2:]
    drop = drops(wires, rows, columns, conductance)
    if drop.floating is not None:
        _check_islands(conductance, drop.floating)
    return assembled(conductance, drop)


def check_cells(name: str, values: Tensor) -> None:
    """Raise InputError unless there are word lines, bit lines, and numbers of a precision to compute with."""
    if values.ndim < 2 or 0 in values.shape:
        raise InputError(
            f"{name} has shape {list(values.shape)}; give [..., word lines, bit lines], at least one of each"
        )
    if values.dtype not in {torch.float32, torch.float64}:
        raise InputError(f"{name} is {values.dtype}; give float32 or float64")


def assembled(conductance: Tensor, drop: Drops) -> System:
    """The system of checked conductances."""
    # 1 - k s^2 would round to 0 for shorts
    own = (drop.diagonal() * conductance).add_(1).reciprocal()
    return System(conductance, drop, own)


def _check_conductance(conductance: Tensor) -> None:
    check_cells("conductance", conductance)
    values = conductance.detach()
    lowest, highest = torch.aminmax(values)
    if not (lowest.item() >= 0 and highest.item() < torch.inf):
        good = torch.isfinite(values) & (values >= 0)
        cell = (~good).nonzero()[0].tolist()
        raise InputError(
            f"conductance{cell} = {values[tuple(cell)].item()!r} S is out of range; allowed: at least 0 and finite "
            "(0 for an open cell, such as 1e3 S for a shorted one)"
        )


def _check_islands(conductance: Tensor, floating: Tensor) -> None:
    island = floating & (conductance.detach() == 0).all(-2)
    if bool(island.any()):
        *array, column = island.nonzero()[0].tolist()
        cells = ", ".join([*map(str, array), ":", str(column)])
        raise InputError(
            f"bit line {column}{f' of array {array}' if array else ''} is a floating island: its sense end is open "
            f"and so is each of its cells, conductance[{cells}] = 0; give it a finite sense resistance or a cell "
            "that conducts"
        )
