"""All arrays of a weight matrix, programmed and read together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, reduce

import torch
from torch import Tensor

from memsim.crossbar.arrays import Array
from memsim.crossbar.hardware import Hardware
from memsim.crossbar.mapping import Mapping
from memsim.errors import InputError


@dataclass(frozen=True, eq=False)
class Grid:
    """The arrays of one weight matrix, whose currents are added.

    Attributes:
        arrays: row by row.
    """

    arrays: tuple[tuple[Array, ...], ...]

    @cached_property
    def matrix(self) -> Tensor:
        """Neuron currents per word line voltage, [rows, columns] in S.

        Raises:
            InputError: cells that are not ohmic.
        """
        self._check_ohmic()
        return torch.cat([torch.cat([array.matrix for array in row], -1) for row in self.arrays], -2)

    @cached_property
    def membrane_matrix(self) -> Tensor:
        """Neuron currents per voltage at which the neurons hold their bit lines, [columns, columns] in S."""
        self._check_ohmic()
        columns = zip(*self.arrays, strict=True)
        return torch.block_diag(*(_sum(array.membrane_matrix for array in column) for column in columns))

    @cached_property
    def conductances(self) -> tuple[Tensor, ...]:
        """[rows, columns] in S for each bit line of a neuron."""
        cells = torch.cat([torch.cat([array.neuron_cells for array in row], -2) for row in self.arrays], -3)
        return cells.unbind(-1)

    def read(self, voltage: Tensor, membrane: Tensor | None, source: torch.Generator | None) -> Tensor:
        """Neuron currents [..., columns] in A for word lines at [..., rows] and bit lines at [..., columns] V."""
        noise, ohmic = self._any.noise, self._any.law is None
        if noise is None or source is None:
            return self._currents(voltage, membrane)
        if ohmic:
            variance = self._of_columns(Array.variance, voltage, membrane)
            return noise.added(self._currents(voltage, membrane), variance, source)
        shapes = [tensor.shape[:-1] for tensor in (voltage, membrane) if tensor is not None]
        reads = torch.broadcast_shapes(*shapes)
        return self._of_columns(
            lambda one, v, m: one.as_read(reads, source).currents(v, m), voltage, membrane
        )

    def read_rows(self, voltage: Tensor, source: torch.Generator | None) -> Tensor:
        """Currents out of the word lines [..., rows] in A while neurons drive their bit lines at [..., columns] V."""
        noise, ohmic = self._any.noise, self._any.law is None
        if noise is None or source is None:
            return voltage @ self.matrix.mT if ohmic else self._of_rows(Array.row_currents, voltage)
        if ohmic:
            return noise.added(voltage @ self.matrix.mT, self._of_rows(Array.row_variance, voltage), source)
        reads = voltage.shape[:-1]
        return self._of_rows(lambda one, v: one.as_read(reads, source).row_currents(v), voltage)

    def _currents(self, voltage: Tensor, membrane: Tensor | None) -> Tensor:
        """By the matrices, except for a few vectors on matrices that are not kept and cells that have none."""
        some = self._any
        few = (
            some.wires is not None
            and some.cells.requires_grad
            and voltage[..., 0].numel() < sum(self._widths)
        )
        if few or some.law is not None:
            return self._of_columns(Array.currents, voltage, membrane)
        current = voltage @ self.matrix
        return current if membrane is None else current + membrane @ self.membrane_matrix

    def power(self, voltage: Tensor) -> Tensor:
        """That the drivers of word lines at [..., rows] V deliver, [...] in W."""
        inputs = voltage.split([len(row[0].cells) for row in self.arrays], -1)
        pairs = zip(self.arrays, inputs, strict=True)
        return _sum(array.power(part) for row, part in pairs for array in row)

    def _of_columns(
        self, read: Callable[[Array, Tensor, Tensor | None], Tensor], voltage: Tensor, membrane: Tensor | None
    ) -> Tensor:
        """[..., columns]: what arrays give for their neurons, added over word lines."""
        inputs = voltage.split([len(row[0].cells) for row in self.arrays], -1)
        held = [None] * len(self._widths) if membrane is None else membrane.split(self._widths, -1)
        columns = zip(zip(*self.arrays, strict=True), held, strict=True)
        return torch.cat(
            [
                _sum(read(array, part, own) for array, part in zip(column, inputs, strict=True))
                for column, own in columns
            ],
            -1,
        )

    def _of_rows(self, read: Callable[[Array, Tensor], Tensor], voltage: Tensor) -> Tensor:
        """[..., rows]: what arrays give for their word lines, added over neurons."""
        inputs = voltage.split(self._widths, -1)
        rows = (zip(row, inputs, strict=True) for row in self.arrays)
        return torch.cat([_sum(read(array, part) for array, part in row) for row in rows], -1)

    def _check_ohmic(self) -> None:
        if self._any.law is not None:
            raise InputError(
                f"cells of {self._any.law!r} are not ohmic and have no matrix; read currents, or leave out the cell"
            )

    @property
    def _any(self) -> Array:
        """One array, for what all of them share."""
        return self.arrays[0][0]

    @property
    def _widths(self) -> list[int]:
        return [array.mapping.columns(array.cells.shape[-1]) for array in self.arrays[0]]


def programmed(weight: Tensor, mapping: Mapping, hardware: Hardware, seed: int | None) -> Grid:
    """Program weights [rows, columns] into as many arrays as they need.

    Args:
        weight: between -1 and 1.
        mapping: weights to conductances.
        hardware: what the arrays are made of.
        seed: of what is random in programming; None where nothing is.
    """
    rows, columns = weight.shape
    height, width = (rows, columns) if hardware.tile is None else hardware.tile_of_weights(mapping)
    blocks = [mapping.cells(block) for block in weight.split(width, -1)]
    cells = torch.cat(blocks, -1)
    if seed is not None:
        source = torch.Generator(cells.device).manual_seed(seed)
        for transform in hardware.nonidealities:
            cells = transform(cells, source)
    wires = hardware.wires if hardware.wired else None
    widths = [block.shape[-1] for block in blocks]
    return Grid(
        tuple(
            tuple(
                Array(part, mapping, wires, hardware.read_noise, hardware.cell)
                for part in row.split(widths, -1)
            )
            for row in cells.split(height, -2)
        )
    )


def _sum(parts: Iterable[Tensor]) -> Tensor:
    return reduce(torch.add, parts)
