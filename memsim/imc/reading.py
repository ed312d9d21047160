"""Reads of all tiles of a layer, piece by piece, with gradients that make the sums of tiles again.

With x the inputs of the word lines of tile g, W_g its lines and r_g their references, w_nk what a read of slice k of
neuron n counts and C the converter,

    p_g = x W_g + r_g + cell noise,   u = sum over g of C(p_g),   y_n = sum over k of w_nk u_nk.

Backwards, with h = dL/dy and s_g = w h C'(p_g),

    dL/dw_nk = sum of h_n u_nk,   dL/dr_g = sum of s_g,   dL/dW_g = x' s_g,   dL/dx = s_g W_g',   sums over vectors.

No more than a piece of the vectors is on word lines at a time, and no sums of tiles are kept: memory is that of inputs
and outputs. Random numbers are drawn in the order of pieces, in a piece tile by tile, in a tile line by line and
vector by vector. Where reads depend on the ones before, all vectors are one piece, in the order of memsim.imc.order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from memsim.imc.converters import Converter, normal
from memsim.imc.order import InOrder
from memsim.imc.patches import Cut, Piece, Vectors

PIECE_ON_CPU, PIECE_ELSEWHERE = 2**19, 2**26
"""Numbers of a piece: inputs, sums, reads and gradients. On a CPU they shall stay in its caches."""
_MOST_IN_A_BYTE = 127


class Operands(NamedTuple):
    """What reads have gradients for.

    Attributes:
        inputs: on word lines, as integers: images [n, channels, height, width], or vectors [vectors, rows].
        lines: [rows, lines] in LSB.
        reference: of columns, [tiles of rows, lines] in LSB.
        counts: what reads are multiplied with, [neurons, slices].
    """

    inputs: Tensor
    lines: Tensor
    reference: Tensor
    counts: Tensor


@dataclass(frozen=True, eq=False)
class Arrays:
    """What reads, apart from what has gradients.

    Attributes:
        cut: how inputs become vectors.
        height: word lines of an array.
        variance: of a read per active input, [rows, lines] in LSB^2; None without read noise of cells.
        noise_seed: of the read noise of cells, which gradients draw again.
        converter: what reads the lines.
        converters: its parts, as it made them.
        generator: of what converters draw.
        order: of reads that depend on the ones before.
    """

    cut: Cut
    height: int
    variance: Tensor | None
    noise_seed: int
    converter: Converter
    converters: Tensor
    generator: torch.Generator | None
    order: InOrder | None = None

    def read(self, given: Operands) -> Tensor:
        """Outputs, [n, neurons, height, width] or [vectors, neurons]."""
        if not self.converter.has_slope:
            given = Operands(
                given.inputs.detach(), given.lines.detach(), given.reference.detach(), given.counts
            )
        outputs: Tensor = _Read.apply(self, *given)
        return outputs

    def converted(self, number: int, p: Tensor, converters: Tensor) -> Tensor:
        """What converters of a tile make of its sums [1, vectors, lines], in that shape."""
        if self.order is None:
            return self.converter.reads(p, converters, self.generator)
        return self.order.read(number, self.converter, p, converters, self.generator)

    def pieces(self, vectors: Vectors, lines: Tensor) -> Iterator[Piece]:
        """All vectors at once where reads depend on the ones before."""
        if self.converter.sequential:
            return vectors.pieces(math.prod(vectors.outputs(1)))
        numbers = PIECE_ON_CPU if lines.device.type == "cpu" else PIECE_ELSEWHERE
        return vectors.pieces(max(1, numbers // (len(lines) + 3 * lines.shape[1])))

    def tiles(self, lines: Tensor, reference: Tensor) -> list[Tile]:
        """From the first rows to the last."""
        heights = [slice(start, start + self.height) for start in range(0, len(lines), self.height)]
        shared = len(self.converters) == 1
        return [
            Tile(
                rows,
                lines[rows],
                reference[number],
                None if self.variance is None else self.variance[rows],
                self.converters if shared else self.converters[number][None],
            )
            for number, rows in enumerate(heights)
        ]

    def cell_noise(self, device: torch.device) -> torch.Generator | None:
        """Source of the read noise of cells; the same for each pass over all pieces and tiles."""
        return None if self.variance is None else torch.Generator(device).manual_seed(self.noise_seed)


class Tile(NamedTuple):
    """The arrays side by side that hold some rows of a layer.

    Attributes:
        rows: of the layer.
        lines: [rows, lines] in LSB.
        reference: of columns, [lines] in LSB.
        variance: of a read per active input, [rows, lines] in LSB^2; None without read noise of cells.
        converters: parts of the converters of these lines.
    """

    rows: slice
    lines: Tensor
    reference: Tensor
    variance: Tensor | None
    converters: Tensor

    def sums(self, x: Tensor, cell_noise: torch.Generator | None) -> Tensor:
        """As converters see them, [1, vectors, lines] in LSB, for vectors side by side [rows of the layer, vectors]."""
        part = x[self.rows]
        p = torch.addmm(self.reference[:, None], self.lines.mT, part)
        if self.variance is not None:
            spread = (self.variance.mT @ part.square()).clamp(min=0).sqrt().detach()
            p = p + spread * normal(p, cell_noise)
        return p.mT[None]


class _Read(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, arrays: Arrays, *tensors: Tensor) -> Tensor:
        given = Operands(*tensors)
        vectors, counts = arrays.cut.vectors(given.inputs), given.counts
        tiles, noise = arrays.tiles(given.lines, given.reference), arrays.cell_noise(given.inputs.device)
        outputs = given.inputs.new_empty(vectors.outputs(len(counts)))
        totals = _room_for_totals(arrays, given, outputs) if ctx.needs_input_grad[-1] else None
        for piece in arrays.pieces(vectors, given.lines):
            x = vectors.taken(piece)
            reads = (
                arrays.converted(number, tile.sums(x, noise), tile.converters)[0].mT
                for number, tile in enumerate(tiles)
            )
            total = next(reads)
            for read in reads:
                total.add_(read)
            place = vectors.of_outputs(outputs, piece)
            place.copy_(_weighted(total, counts).view(place.shape))
            if totals is not None:
                totals[:, piece.vectors] = total
        ctx.arrays = arrays
        ctx.save_for_backward(*given, totals)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        arrays: Arrays = ctx.arrays
        *tensors, totals = ctx.saved_tensors
        given = Operands(*tensors)
        vectors, counts = arrays.cut.vectors(given.inputs), given.counts
        tiles, noise = arrays.tiles(given.lines, given.reference), arrays.cell_noise(given.inputs.device)
        _, to_inputs, *to_others = ctx.needs_input_grad
        found = vectors.zeros() if to_inputs else None
        of_lines, of_reference, of_counts = (
            torch.zeros_like(part) if needed else None
            for part, needed in zip(given[1:], to_others, strict=True)
        )
        for piece in arrays.pieces(vectors, given.lines):
            own = vectors.of_outputs(gradient, piece).flatten(1)[:, None]
            if of_counts is not None:
                of_counts += (totals[:, piece.vectors].unflatten(0, counts.shape) * own).sum(-1)
            if not any(ctx.needs_input_grad[:-1]):
                continue
            x, of_read = vectors.taken(piece), (counts[..., None] * own).flatten(0, 1).mT[None]
            of_x = torch.empty_like(x)
            for number, tile in enumerate(tiles):
                of_p = arrays.converter.pulled_back(of_read, tile.sums(x, noise), tile.converters)[0]
                if of_reference is not None:
                    of_reference[number] += of_p.sum(0)
                if of_lines is not None:
                    of_lines[tile.rows].addmm_(x[tile.rows], of_p)
                if found is not None:
                    torch.mm(tile.lines, of_p.mT, out=of_x[tile.rows])
            if found is not None:
                found.add(piece, of_x)
        return None, None if found is None else found.inputs, of_lines, of_reference, of_counts


def _room_for_totals(arrays: Arrays, given: Operands, outputs: Tensor) -> Tensor:
    """For what tiles add up to, [lines, vectors]; decisions are whole numbers."""
    whole = arrays.converter.decides and len(given.reference) <= _MOST_IN_A_BYTE
    shape = given.lines.shape[1], outputs.numel() // len(given.counts)
    return outputs.new_empty(shape, dtype=torch.int8 if whole else None)


def _weighted(total: Tensor, counts: Tensor) -> Tensor:
    """Totals [lines, vectors] as outputs [neurons, vectors]."""
    return (total.unflatten(0, counts.shape) * counts[..., None]).sum(1)
