"""Conjugate gradients on the bit lines of a crossbar: word lines eliminated, bit lines as the preconditioner.

Let J be the currents of cells between word lines at their drivers' voltage and bit lines at 0, w the drops along the
word lines and b the voltages of the bit lines. Nodal analysis has a tridiagonal matrix for each line, W = K_w^-1 + G
and Q = K_b^-1 + G, and then

    W w = J - G b,   Q b = J - G w,   so that   (Q - G W^-1 G) b = J - G W^-1 J.

The last is symmetric and positive definite, as is its preconditioner Q: the reduced system of a block Jacobi
preconditioner, in half the iterations of the whole (Reid, 1972). As Q Q^-1 r = r, only inverses are ever needed.

A line with currents J into its nodes is a ladder. From its far end on, what comes before a segment r_i is a Norton
source of admittance Y_i, which also holds for r_i = 0:

    Y_i = G_i + f_{i-1} Y_{i-1},       f_i = 1 / (1 + r_i Y_i),
    x_i = f_i (J_i + x_{i-1}),         v_i = r_i x_i + f_i v_{i+1}.

Nothing is subtracted. Either sweep goes over all lines of an array at once, and over their nodes in blocks: each
block by itself, then from block to block, then through all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from memsim.crossbar.iterative import MAX_ITERATIONS, dot
from memsim.crossbar.system import Scaled
from memsim.crossbar.wires import accumulate_rows_

# From this many cells on, products for sweeps in blocks are memory that would not gain time.
_BLOCKS_BELOW = 2**19
# Stands for an open sense end, or the conductance of an ideal second driver.
_HUGE = 1e30

Step = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Ladder:
    """All lines of one direction, along the last dimension but one.

    Attributes:
        passed: f of each node, [..., nodes, lines].
        ohm: each segment, to be broadcast to that.
        upwards: whether the far end is the last node.
    """

    passed: Tensor
    ohm: Tensor
    upwards: bool

    def settling(self, field: Tensor) -> Callable[[], None]:
        """What turns currents that were written into `field`, [..., nodes, lines], into voltages."""
        sweep = self._sweep_of_blocks if self._block > 1 else self._sweep_of_nodes
        inwards, outwards = sweep(field)[:: -1 if self.upwards else 1]

        def settle() -> None:
            field.mul_(self.passed)
            for here, factor, before in inwards:
                here.addcmul_(factor, before)
            field.mul_(self.ohm)
            for here, factor, before in outwards:
                here.addcmul_(factor, before)

        return settle

    def _sweep_of_nodes(self, field: Tensor) -> list[list[Step]]:
        """Steps of x_i += f_i x_{i-1}, and upwards of x_i += f_i x_{i+1}: the same views of a large array's lines."""
        nodes = [part.unbind(-2) for part in (field, self.passed)]
        return [list(_steps(*(part[::order] for part in nodes))) for order in (1, -1)]

    def _sweep_of_blocks(self, field: Tensor) -> list[list[Step]]:
        """The same, all blocks at once."""
        return [self._in_blocks(field, upwards=upwards) for upwards in (False, True)]

    def _in_blocks(self, field: Tensor, *, upwards: bool) -> list[Step]:
        shape = (-1, self._block)
        x, f, product = (part.unflatten(-2, shape) for part in (field, self.passed, self._products[upwards]))
        order = -1 if upwards else 1
        nodes = [part.unbind(-2)[::order] for part in (x, f)]
        ends = [part.select(-2, 0 if upwards else -1).unbind(-2)[::order] for part in (x, product)]
        steps = [*_steps(*nodes), *_steps(*ends)]
        if upwards:
            return [*steps, (x[..., :-1, 1:, :], product[..., :-1, 1:, :], x[..., 1:, :1, :])]
        return [*steps, (x[..., 1:, :-1, :], product[..., 1:, :-1, :], x[..., :-1, -1:, :])]

    @cached_property
    def _block(self) -> int:
        """Nodes of a block: the largest divisor up to the square root of all; 1 for large arrays."""
        nodes = self.passed.shape[-2]
        if self.passed.numel() >= _BLOCKS_BELOW:
            return 1
        return max(size for size in range(1, int(nodes**0.5) + 1) if nodes % size == 0)

    @cached_property
    def _products(self) -> tuple[Tensor, Tensor]:
        """Of f within each block, from its begin, and from its end."""
        blocks = self.passed.unflatten(-2, (-1, self._block))
        return (
            blocks.cumprod(-2).flatten(-3, -2),
            blocks.flip(-2).cumprod(-2).flip(-2).flatten(-3, -2),
        )


def _steps(x: Sequence[Tensor], factors: Sequence[Tensor]) -> Iterator[Step]:
    return zip(x[1:], factors[1:], x[:-1], strict=True)


def ladder(conductance: Tensor, ohm: Tensor, *, far: Tensor | None = None, upwards: bool = False) -> Ladder:
    """Eliminate all lines from their far ends on.

    Args:
        conductance: of the cells, [..., nodes, lines] in S.
        ohm: segment after each node, [..., nodes or 1, lines or 1] in ohm.
        far: conductance from the far ends to a second driver, [..., 1, lines or 1] in S.
        upwards: whether the far end is the last node.
    """
    ohm = ohm.expand(*ohm.shape[:-2], conductance.shape[-2], ohm.shape[-1])
    passed = torch.empty_like(conductance)
    arriving = torch.zeros_like(conductance[..., 0, :]) if far is None else far[..., 0, :]
    order = -1 if upwards else 1
    nodes = (part.unbind(-2)[::order] for part in (conductance, ohm, passed))
    for cells, segment, factor in zip(*nodes, strict=True):
        seen = cells + arriving
        torch.mul(seen, segment, out=factor).add_(1).reciprocal_()
        arriving = seen.mul_(factor)
    return Ladder(passed, ohm, upwards)


@dataclass(frozen=True, eq=False)
class Lines:
    """The ladders of a crossbar.

    Attributes:
        matrix: the operator B of the crossbar.
        conductance: of the cells, [..., rows, columns] in S.
        words: its word lines, transposed.
        bits: its bit lines.
    """

    matrix: Scaled
    conductance: Tensor
    words: Ladder
    bits: Ladder

    def solve(self, right: Tensor, tolerance: float) -> Tensor:
        """Solution y of B y = t; arguments as of `conjugate_gradients`, y is written over the right side."""
        work = _Work(self, right)
        residual = work.source().clone()
        residual.sub_(work.through_words())
        direction, image = work.through_bits(residual).clone(), residual.clone()
        size = dot(residual, direction)
        tiny = torch.finfo(right.dtype).tiny
        for _ in range(MAX_ITERATIONS):
            if not bool((size > tolerance**2).any()) and work.missing(residual) <= tolerance:
                break
            torch.mul(self.conductance, direction, out=work.field)
            torch.sub(image, work.through_words(), out=work.field)
            length = size / dot(direction, work.field).clamp_(min=tiny)
            residual.addcmul_(length, work.field, value=-1)
            work.advance(length, direction)
            before, size = size, dot(residual, work.through_bits(residual))
            ratio = size / before.clamp_(min=tiny)
            direction.mul_(ratio).add_(work.field)
            image.mul_(ratio).add_(residual)
        work.source()
        return right.addcmul_(self.matrix.scale, work.along_words(), value=-1).div_(self.matrix.own)


class _Work:
    """Memory for the ladders of a crossbar to work in, and what they do there."""

    def __init__(self, lines: Lines, right: Tensor) -> None:
        self.lines = lines
        self.right = right
        self.field = torch.empty_like(right)
        self.across = right.new_empty(right.mT.shape)
        self.settle_words = lines.words.settling(self.across)
        self.settle_bits = lines.bits.settling(self.field)

    def source(self) -> Tensor:
        """Currents J - G b for the bit line voltages that the right side has less by now."""
        matrix = self.lines.matrix
        return torch.mul(self.right, matrix.scale, out=self.field).div_(matrix.own)

    def advance(self, length: Tensor, direction: Tensor) -> None:
        """Raise the bit lines: s b goes over from B y to the right side, so that no b has to be kept."""
        torch.mul(direction, length, out=self.field)
        self.right.addcmul_(self.lines.matrix.scale, self.field, value=-1)

    def along_words(self) -> Tensor:
        """W^-1 of the field."""
        self.across.copy_(self.field.mT)
        self.settle_words()
        return self.field.copy_(self.across.mT)

    def through_words(self) -> Tensor:
        """G W^-1 of the field."""
        return self.along_words().mul_(self.lines.conductance)

    def through_bits(self, current: Tensor) -> Tensor:
        """Q^-1 of currents."""
        self.field.copy_(current)
        self.settle_bits()
        return self.field

    def missing(self, residual: Tensor) -> float:
        """Largest norm of the residual of B that these currents leave; r Q^-1 r is less by orders."""
        matrix = self.lines.matrix
        accumulate_rows_(self.field.copy_(residual)).mul_(matrix.drop.bit)
        left = matrix.project(accumulate_rows_(self.field, upwards=True).mul_(matrix.scale))
        return torch.linalg.vector_norm(left, dim=(-2, -1)).max().item()


def lines(matrix: Scaled, conductance: Tensor) -> Lines:
    """Eliminate each line of a crossbar by itself, for `Lines.solve`."""
    drop = matrix.drop
    far = None if drop.right is None else drop.right.mT.clamp(min=1 / _HUGE).reciprocal()
    conductance = conductance.expand_as(matrix.scale)
    words = ladder(conductance.mT.contiguous(), drop.word.mT, far=far, upwards=True)
    bit = drop.bit
    if drop.floating is not None:
        bit = bit.expand(*bit.shape[:-1], conductance.shape[-1]).clone()
        bit[..., -1, :].add_(drop.floating * _HUGE)
    return Lines(matrix, conductance, words, ladder(conductance, bit))
