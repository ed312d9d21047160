"""A programmed array and what it multiplies with.

Read noise gives the conductance of each cell an error dG of its own. To first order, one under the voltage u changes
the current of neuron j by a_j u dG, where a_j is the voltage across that cell when neuron j's bit lines are held at
their coefficients and all else at 0 V, by reciprocity. Hence, exactly with ideal wires,

    var i_j = sum over cells of a_j^2 u^2 var G

Cells that are not ohmic have no matrix and no such a_j: each read is solved, with a draw for each cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from memsim.crossbar.cell_laws import Cell
from memsim.crossbar.mapping import Mapping
from memsim.crossbar.nonidealities import ReadNoise
from memsim.crossbar.operating_point import (
    OperatingPoint,
    column_currents,
    effective_conductance,
    operating_point,
)
from memsim.crossbar.wires import Wires


@dataclass(frozen=True, eq=False)
class Array:
    """One array; currents are those before the mirrors.

    Attributes:
        cells: conductances as programmed, [rows, bit lines] in S.
        mapping: what they stand for.
        wires: of this array; None where they are ideal.
        noise: of each read; None where there is none.
        law: of the cells; None where they are ohmic.
    """

    cells: Tensor
    mapping: Mapping
    wires: Wires | None
    noise: ReadNoise | None
    law: Cell | None

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
        wires, held = self.wires or Wires(), self._held(membrane)
        lines = column_currents(self.cells, voltage, wires, bit_line_voltage=held, cell=self.law)
        return self.mapping.combine(lines)

    def row_currents(self, voltage: Tensor) -> Tensor:
        """Currents out of the word lines [..., rows] in A while neurons drive at [..., columns] V."""
        return -self._point(self._no_input, self.mapping.spread(voltage)).row_current

    def as_read(self, shape: Sequence[int], source: torch.Generator) -> Array:
        """The array as each of many reads sees it, its cells [*shape, rows, bit lines]."""
        cells = self.cells if self.noise is None else self.noise.perturbed(self.cells, shape, source)
        return replace(self, cells=cells, noise=None)

    def power(self, voltage: Tensor) -> Tensor:
        """That the drivers of word lines at [..., rows] V deliver, bit lines at virtual ground, [...] in W."""
        if self.law is not None:
            return (self._point(voltage, 0.0).row_current * voltage).sum(-1)
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
        return torch.zeros_like(self.cells) if self.noise is None else self.noise.sigma(self.cells).square()

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
        return self._point(voltage, held).cell_voltage

    def _point(self, voltage: Tensor, held: Tensor | float) -> OperatingPoint:
        wires = self.wires or Wires()
        return operating_point(self.cells, voltage, wires, bit_line_voltage=held, cell=self.law)

    @property
    def _no_input(self) -> Tensor:
        return self.cells.new_zeros(self.cells.shape[-2])

    @property
    def _each_neuron(self) -> Tensor:
        columns = self.mapping.columns(self.cells.shape[-1])
        return torch.eye(columns, dtype=self.cells.dtype, device=self.cells.device)
