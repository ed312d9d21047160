"""Programmed arrays and what they multiply with.

Read noise gives the conductance of each cell an error dG of its own. To first order, one under the voltage u changes
the current of neuron j by a_j u dG, where a_j is the voltage across that cell when neuron j's bit lines are held at
their coefficients and all else at 0 V, by reciprocity. Hence, exactly with ideal wires,

    var i_j = sum over cells of a_j^2 u^2 var G
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, reduce

import torch
from torch import Tensor

from memsim.crossbar.hardware import Hardware
from memsim.crossbar.mapping import Mapping
from memsim.crossbar.nonidealities import ReadNoise
from memsim.crossbar.operating_point import column_currents, effective_conductance, operating_point
from memsim.crossbar.wires import Wires


@dataclass(frozen=True, eq=False)
class Array:
    """One array; currents are those before the mirrors.

    Attributes:
        cells: conductances as programmed, [rows, bit lines] in S.
        mapping: what they stand for.
        wires: of this array; None where they are ideal.
        noise: of each read; None where there is none.
    """

    cells: Tensor
    mapping: Mapping
    wires: Wires | None
    noise: ReadNoise | None

    @cached_property
    def matrix(self) -> Tensor:
        """Neuron currents per word line voltage, [rows, columns] in S."""
        lines = self.cells if self.wires is None else effective_conductance(self.cells, self.wires)
        return self.mapping.combine(lines)

    @cached_property
    def membrane_matrix(self) -> Tensor:
        """Neuron currents per voltage at which the neurons hold their bit lines, [columns, columns] in S."""
        held = self.mapping.hold(self._each_neuron)
        if self.wires is None:
            return self.mapping.combine(-held * self.cells.sum(-2))
        return self.mapping.combine(
            column_currents(self.cells, self._no_input, self.wires, bit_line_voltage=held)
        )

    @property
    def neuron_cells(self) -> Tensor:
        """Without those of references, [rows, columns, bit lines of a neuron] in S."""
        return self.mapping.own(self.cells)

    def currents(self, voltage: Tensor, membrane: Tensor | None) -> Tensor:
        """Neuron currents [..., columns] in A for word lines at [..., rows] and bit lines at [..., columns] V."""
        wires = self.wires or Wires()
        return self.mapping.combine(
            column_currents(self.cells, voltage, wires, bit_line_voltage=self._held(membrane))
        )

    def power(self, voltage: Tensor) -> Tensor:
        """That the drivers of word lines at [..., rows] V deliver, bit lines at virtual ground, [...] in W."""
        if self.wires is None:
            return voltage.square() @ self.cells.sum(-1)
        return (voltage @ self._row_matrix * voltage).sum(-1)

    @cached_property
    def _row_matrix(self) -> Tensor:
        """Currents into word lines per word line voltage, [rows, rows] in S."""
        each = torch.eye(len(self.cells), dtype=self.cells.dtype, device=self.cells.device)
        return operating_point(self.cells, each, self.wires or Wires()).row_current

    def variance(self, voltage: Tensor, membrane: Tensor | None) -> Tensor:
        """Of neuron currents, [..., columns] in A^2."""
        if self.wires is None and membrane is None:
            return voltage.square() @ self._neuron_variance
        seen = self._cell_voltage(voltage, self._held(membrane))
        return seen.square().flatten(-2) @ self._neuron_probe

    def row_variance(self, voltage: Tensor) -> Tensor:
        """Of the currents out of the word lines while neurons drive at [..., columns] V, [..., rows] in A^2."""
        lines = self.mapping.spread(voltage)
        if self.wires is None:
            return lines.square() @ self._cell_variance.mT
        return self._cell_voltage(self._no_input, lines).square().flatten(-2) @ self._row_probe

    @cached_property
    def _cell_variance(self) -> Tensor:
        """var G, [rows, bit lines] in S^2."""
        return torch.zeros_like(self.cells) if self.noise is None else self.noise.variance(self.cells)

    @cached_property
    def _neuron_variance(self) -> Tensor:
        return self.mapping.combine_variances(self._cell_variance)

    @cached_property
    def _neuron_probe(self) -> Tensor:
        """a_j^2 var G, [rows * bit lines, columns] in S^2."""
        across = self._cell_voltage(self._no_input, self.mapping.spread(self._each_neuron))
        return (across.square() * self._cell_variance).flatten(-2).mT

    @cached_property
    def _row_probe(self) -> Tensor:
        """The same for the currents out of word lines, [rows * bit lines, rows] in S^2."""
        each = torch.eye(len(self.cells), dtype=self.cells.dtype, device=self.cells.device)
        across = self._cell_voltage(each, self._held(None))
        return (across.square() * self._cell_variance).flatten(-2).mT

    def _held(self, membrane: Tensor | None) -> Tensor | float:
        return 0.0 if membrane is None else self.mapping.hold(membrane)

    def _cell_voltage(self, voltage: Tensor, held: Tensor | float) -> Tensor:
        wires = self.wires or Wires()
        return operating_point(self.cells, voltage, wires, bit_line_voltage=held).cell_voltage

    @property
    def _no_input(self) -> Tensor:
        return self.cells.new_zeros(len(self.cells))

    @property
    def _each_neuron(self) -> Tensor:
        columns = self.mapping.columns(self.cells.shape[-1])
        return torch.eye(columns, dtype=self.cells.dtype, device=self.cells.device)


@dataclass(frozen=True, eq=False)
class Grid:
    """The arrays of one weight matrix, whose currents are added.

    Attributes:
        arrays: row by row.
    """

    arrays: tuple[tuple[Array, ...], ...]

    @cached_property
    def matrix(self) -> Tensor:
        """Neuron currents per word line voltage, [rows, columns] in S."""
        return torch.cat([torch.cat([array.matrix for array in row], -1) for row in self.arrays], -2)

    @cached_property
    def membrane_matrix(self) -> Tensor:
        """Neuron currents per voltage at which the neurons hold their bit lines, [columns, columns] in S."""
        columns = zip(*self.arrays, strict=True)
        return torch.block_diag(*(_sum(array.membrane_matrix for array in column) for column in columns))

    @cached_property
    def conductances(self) -> tuple[Tensor, ...]:
        """[rows, columns] in S for each bit line of a neuron."""
        cells = torch.cat([torch.cat([array.neuron_cells for array in row], -2) for row in self.arrays], -3)
        return cells.unbind(-1)

    def currents(self, voltage: Tensor, membrane: Tensor | None) -> Tensor:
        """Neuron currents [..., columns] in A for word lines at [..., rows] and bit lines at [..., columns] V.

        By the matrices above, except for a few vectors on matrices that are not kept.
        """
        wired, kept = self.arrays[0][0].wires is not None, not self.arrays[0][0].cells.requires_grad
        if wired and not kept and voltage[..., 0].numel() < sum(self._widths):
            return self._of_columns(Array.currents, voltage, membrane)
        current = voltage @ self.matrix
        return current if membrane is None else current + membrane @ self.membrane_matrix

    def variance(self, voltage: Tensor, membrane: Tensor | None) -> Tensor:
        """Of `currents`, [..., columns] in A^2."""
        return self._of_columns(Array.variance, voltage, membrane)

    def power(self, voltage: Tensor) -> Tensor:
        """That the drivers of word lines at [..., rows] V deliver, [...] in W."""
        inputs = voltage.split([len(row[0].cells) for row in self.arrays], -1)
        pairs = zip(self.arrays, inputs, strict=True)
        return _sum(array.power(part) for row, part in pairs for array in row)

    def row_variance(self, voltage: Tensor) -> Tensor:
        """Of the currents out of word lines, [..., rows] in A^2."""
        inputs = voltage.split(self._widths, -1)
        rows = (zip(row, inputs, strict=True) for row in self.arrays)
        return torch.cat([_sum(array.row_variance(part) for array, part in row) for row in rows], -1)

    def _of_columns(
        self, read: Callable[[Array, Tensor, Tensor | None], Tensor], voltage: Tensor, membrane: Tensor | None
    ) -> Tensor:
        """What arrays read, added over word lines."""
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
            tuple(Array(part, mapping, wires, hardware.read_noise) for part in row.split(widths, -1))
            for row in cells.split(height, -2)
        )
    )


def _sum(parts: Iterable[Tensor]) -> Tensor:
    return reduce(torch.add, parts)
