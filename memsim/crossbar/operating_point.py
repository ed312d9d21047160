"""What flows and drops in a crossbar with wires: currents, voltages, power, and the matrix it multiplies with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict, Unpack

import torch
from torch import Tensor

from memsim.crossbar.cell_laws import CONDUCTANCE, Cell, check_states, quantity
from memsim.crossbar.direct import times
from memsim.crossbar.effective import effective
from memsim.crossbar.merging import can_merge, merged
from memsim.crossbar.nonlinear import currents_of_law
from memsim.crossbar.solver import REMEDY, Method, cell_currents, no_breakdown, prefers_direct, tolerance_of
from memsim.crossbar.system import System, system
from memsim.crossbar.wires import Wires
from memsim.errors import ConvergenceError, InputError


@dataclass(frozen=True, eq=False)
class OperatingPoint:
    """A crossbar at given voltages. All are [..., rows, columns] and carry gradients.

    Attributes:
        cell_current: from word line to bit line through each cell, in A.
        cell_voltage: across each cell, in V.
        word_line_voltage: of the word line at each cell, in V.
        bit_line_voltage: of the bit line at each cell, in V.
        ir_drop: what the wires take of the voltage between driver and sense end, in V.
    """

    cell_current: Tensor
    cell_voltage: Tensor
    word_line_voltage: Tensor
    bit_line_voltage: Tensor
    ir_drop: Tensor

    @property
    def column_current(self) -> Tensor:
        """Current out of each bit line, [..., columns] in A."""
        return self.cell_current.sum(-2)

    @property
    def row_current(self) -> Tensor:
        """Current into each word line from its drivers, [..., rows] in A."""
        return self.cell_current.sum(-1)

    @property
    def cell_power(self) -> Tensor:
        """Power each cell turns into heat, [..., rows, columns] in W."""
        return self.cell_current * self.cell_voltage


class Conditions(TypedDict, total=False):
    """What a crossbar is solved under, by name.

    Keys:
        cell: static law of its cells, a device; ohmic where None. What differs from cell to cell, in the place of
            the conductance, is then the device's state, or its parameter g where it has no state.
        bit_line_voltage: at which the sense ends hold the bit lines, a number or [..., columns], in V; 0.
        method: `auto`, `iterative`, `lines` or `direct`: see `column_currents`.
        tolerance: norm of the scaled residual over that of the right side; 1e-12 in float64, 1e-6 in float32.
            With a cell law, largest voltage that is left over the largest source voltage.
    """

    cell: Cell | None
    bit_line_voltage: Tensor | float
    method: Method
    tolerance: float | None


def column_currents(
    conductance: Tensor, voltage: Tensor, wires: Wires, **conditions: Unpack[Conditions]
) -> Tensor:
    """Currents out of the bit lines of crossbars with wires, differentiable in every tensor that goes in.

    Leading dimensions of `conductance` and `voltage` are broadcast: [rows, columns] with [batch, rows] is one
    array with many vectors, [arrays, 1, rows, columns] with [arrays, vectors, rows] many arrays.

    `method="auto"` takes conjugate gradients for few vectors and solves the array once (`direct`) where at least 16
    vectors (with more than 64 columns, columns / 4) share it. It then makes `effective_conductance` and one matrix
    product. For many calls with one array, keep that matrix. Conjugate gradients go cell by cell (`iterative`), or on
    a CPU line by line (`lines`) where the sum of k G / (1 + k G) over the cells of an array is 6000 or more, with k
    the resistance of the wires to a cell: from 512 x 512 on with 50 uS and 1 ohm a segment, 256 x 256 with 10 ohm.

    Args:
        conductance: of each cell, [..., rows, columns] in S; 0 for an open cell.
        voltage: of each word line driver, [..., rows] in V.
        wires: resistances of the wires and the ends of the lines.
        **conditions: see `Conditions`.

    Returns:
        [..., columns] in A, positive out of the array; 0 for bit lines that float.

    Raises:
        InputError: a shape or a value that cannot be used; names the cell or line.
        ConvergenceError: the residual could not be made as small as asked for; names the cell.
    """
    biased = _Biased(conductance, voltage, wires, **conditions)
    array, driven = biased.array, biased.driven
    direct = prefers_direct(array.columns, array.vectors(driven), biased.method)
    if direct and biased.cell is None and biased.held is None:
        return times(driven, _effective(array, biased.tolerance))
    return biased.currents()[0].sum(-2)


def operating_point(
    conductance: Tensor, voltage: Tensor, wires: Wires, **conditions: Unpack[Conditions]
) -> OperatingPoint:
    """All currents and voltages of crossbars with wires; arguments and errors as in `column_currents`."""
    biased = _Biased(conductance, voltage, wires, **conditions)
    current, floats = biased.currents()
    drop = biased.array.drop
    word = biased.driven[..., None] - drop.along_word_lines(current)
    bit = drop.along_bit_lines(current) + floats
    bit = bit if biased.held is None else bit + biased.held[..., None, :]
    return OperatingPoint(current, word - bit, word, bit, drop(current) + floats)


def effective_conductance(conductance: Tensor, wires: Wires, *, tolerance: float | None = None) -> Tensor:
    """The matrix that a crossbar with wires multiplies with: column currents are voltages @ matrix.

    Exact, for bit lines at virtual ground or floating. Blocks of cells are merged two by two, N^3 steps for N lines;
    where bit lines float, word lines have two drivers or wires a gradient, word lines are eliminated, N^4 steps.

    Args:
        conductance: of each cell, [..., rows, columns] in S.
        wires: resistances of the wires and the ends of the lines.
        tolerance: as in `column_currents`.

    Returns:
        [..., rows, columns] in S.

    Raises:
        InputError, ConvergenceError: as `column_currents`.
    """
    return _effective(system(conductance, wires), tolerance)


def _effective(array: System, tolerance: float | None) -> Tensor:
    """The effective matrix; one vector is checked where it is eliminated, or where a tolerance is asked for."""
    mergeable = can_merge(array)
    with no_breakdown():
        matrix = merged(array) if mergeable else effective(array)
    if mergeable and tolerance is None:
        return matrix
    with torch.no_grad():
        ones = matrix.new_ones(*matrix.shape[:-1], 1)
        expected = cell_currents(array, ones, method="auto", tolerance=tolerance).sum(-2)
        # the residual of the probe is not its error: what is caught here is an elimination that went wrong
        # and where floating lines leave nothing, currents that cancel leave their rounding
        rounding = torch.finfo(matrix.dtype).eps * array.conductance.sum((-2, -1))
        allowed = tolerance_of(ones, tolerance) ** 0.5 * expected.abs().amax(-1) + rounding
        error = (matrix.sum(-2) - expected).abs().amax(-1)
    if not bool((error <= allowed).all()):
        raise ConvergenceError(
            f"the column sums of an effective matrix are wrong by {error.max().item():.2g} S", remedy=REMEDY
        )
    return matrix


@dataclass(frozen=True, eq=False)
class _Biased:
    """An array with voltages at its ends, to be solved under `Conditions`."""

    conductance: Tensor
    voltage: Tensor
    wires: Wires
    cell: Cell | None = None
    bit_line_voltage: Tensor | float = 0.0
    method: Method = "auto"
    tolerance: float | None = None

    @cached_property
    def array(self) -> System:
        """The linear system of ohmic cells; of others, only its wires and sizes say something."""
        if self.cell is None or quantity(self.cell) == CONDUCTANCE:
            return system(self.conductance, self.wires)
        check_states(self.cell, self.conductance)
        return system(torch.ones_like(self.conductance), self.wires)

    @cached_property
    def driven(self) -> Tensor:
        """Voltages of the drivers."""
        rows, voltage, like = self.array.rows, self.voltage, self.conductance
        same = (voltage.dtype, voltage.device) == (like.dtype, like.device)
        if not (same and voltage.ndim and voltage.shape[-1] == rows):
            raise InputError(
                f"voltage is {voltage.dtype} of shape {list(voltage.shape)} on {voltage.device}; this array needs "
                f"{like.dtype} of shape [..., {rows}] on {like.device}, one for each word line"
            )
        _check_finite("voltage", voltage)
        return voltage

    @cached_property
    def held(self) -> Tensor | None:
        """Voltages of the sense ends; None at virtual ground."""
        voltage, like = self.bit_line_voltage, self.conductance
        if isinstance(voltage, float | int) and voltage == 0:
            return None
        held = torch.as_tensor(voltage, dtype=like.dtype, device=like.device)
        if held.ndim and held.shape[-1] != self.array.columns:
            raise InputError(
                f"bit_line_voltage has shape {list(held.shape)}; this array needs one number, or "
                f"[..., {self.array.columns}]"
            )
        _check_finite("bit_line_voltage", held)
        return held if held.ndim else held[None]

    def currents(self) -> tuple[Tensor, Tensor]:
        """Currents of the cells in A, and voltages of floating bit lines in V."""
        array, held = self.array, self.held
        source = self.driven[..., None] if held is None else self.driven[..., None] - held[..., None, :]
        if self.cell is not None:
            return currents_of_law(
                self.cell, self.conductance, array.drop, source, method=self.method, tolerance=self.tolerance
            )
        current = cell_currents(array, source, method=self.method, tolerance=self.tolerance)
        if array.drop.floating is None:
            return current, current.new_zeros(1, 1)
        return current, array.float_voltage(array.remaining(source, current))


def _check_finite(name: str, voltage: Tensor) -> None:
    lowest, highest = torch.aminmax(voltage.detach())
    if not (lowest.item() > -torch.inf and highest.item() < torch.inf):
        bad = ~torch.isfinite(voltage)
        line = bad.nonzero()[0].tolist()
        raise InputError(f"{name}{line} = {voltage[tuple(line)].item()!r} V; allowed: finite")
