"""Weights as bit lines of arrays, and what the arrays make of them.

A line is what one converter input sees: a bit line less its reference, which is its twin or the reference column. In
LSB per active input, line k of a neuron is digit k of its weight (see memsim.imc.hardware), so that with ideal parts

    sum over k of L^k line_k  =  the weight as an integer, or as an odd multiple of 1/2,   L levels of a cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from memsim.crossbar import (
    DifferentialPairs,
    Fading,
    LognormalVariation,
    Mapping,
    ReadNoise,
    ReferenceColumn,
    StuckCells,
    Upsets,
    Wires,
    effective_conductance,
)
from memsim.crossbar.laws import straight_through
from memsim.crossbar.nonidealities import Transform
from memsim.imc.hardware import HardwareCard


@dataclass(frozen=True, eq=False)
class Lines:
    """Programmed arrays.

    Attributes:
        sums: of each line per active input, [rows, lines] in LSB.
        variance: of a read per active input, [rows, lines] in LSB^2; None without read noise.
    """

    sums: Tensor
    variance: Tensor | None = None


def mapping_of(card: HardwareCard) -> Mapping:
    """Weights between -1 and 1 as conductances, as memsim.crossbar holds them."""
    kind = DifferentialPairs if card.differential else ReferenceColumn
    cell = card.cell
    return kind(
        g_min=cell.conductance_min, g_max=cell.conductance_max, levels=cell.levels, slices=card.slices
    )


def largest_weight(card: HardwareCard) -> float:
    """What a weight of 1 is as a sum of digits [LSB]."""
    return (card.cell.levels**card.slices - 1) / (1 if card.differential else 2)


def powers(card: HardwareCard) -> list[int]:
    """What each line of a neuron counts."""
    return [card.cell.levels**k for k in range(card.slices)]


def programmed(weight: Tensor, card: HardwareCard, source: torch.Generator) -> Lines:
    """Program weights [rows, neurons] between -1 and 1, and read what they have become.

    Args:
        weight: rounded to what cells can hold; gradients pass straight through.
        card: the hardware.
        source: of the draws of cells.

    Raises:
        ConvergenceError: wires could not be solved.
    """
    if is_ideal(card):
        lines = _in_lsb(mapping_of(card).cells(weight), card)
        return Lines(straight_through(_on_grid(lines, card), lines))
    blocks = [_block(block, card, source) for block in weight.split(card.neurons, -1)]
    variances = [variance for _, variance in blocks if variance is not None]
    return Lines(torch.cat([sums for sums, _ in blocks], -1), torch.cat(variances, -1) if variances else None)


def conductances(weight: Tensor, card: HardwareCard, source: torch.Generator) -> Tensor:
    """What bit lines multiply with, [rows, bit lines] in S: cells seen through wires, references among them.

    Args:
        weight: [rows, neurons] between -1 and 1.
        card: the hardware.
        source: of the draws of cells.
    """
    blocks = weight.split(card.neurons, -1)
    return torch.cat([_cells(block, card, source)[1][: len(weight)] for block in blocks], -1)


def is_ideal(card: HardwareCard) -> bool:
    """Whether lines are the digits of the weights."""
    cell = card.cell
    changed = cell.variation or cell.stuck_rate or cell.upset_rate or cell.retained < 1
    return not (_wired(card) or changed or cell.read_noise)


def _block(weight: Tensor, card: HardwareCard, source: torch.Generator) -> tuple[Tensor, Tensor | None]:
    """Lines [rows, lines] of the arrays, one below the other, that hold weights [rows, neurons of one array]."""
    cells, seen = _cells(weight, card, source)
    sums = _in_lsb(seen, card)[: len(weight)]
    if not card.cell.read_noise:
        return sums, None
    spread = ReadNoise(card.cell.read_noise).sigma(cells).square() / _lsb_conductance(card) ** 2
    return sums, _added(spread, card)


def cells_of(weight: Tensor, card: HardwareCard, source: torch.Generator) -> Tensor:
    """Conductances [rows, bit lines] in S that hold weights [rows, neurons of one array], a reference column last."""
    cells = mapping_of(card).cells(weight)
    for transform in _transforms(card):
        cells = transform(cells, source)
    return cells


def _cells(weight: Tensor, card: HardwareCard, source: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cells [rows, bit lines] as they became [S], and as they are seen through the wires."""
    cells = cells_of(weight, card, source)
    return cells, _through_wires(cells, card) if _wired(card) else cells


def _transforms(card: HardwareCard) -> Iterator[Transform]:
    cell = card.cell
    if cell.upset_rate:
        yield Upsets(cell.upset_rate, cell.conductance_min, cell.conductance_max)
    if cell.variation:
        yield LognormalVariation(cell.variation)
    if cell.retained < 1:
        yield Fading(cell.retained, cell.conductance_mean)
    if cell.stuck_rate:
        yield StuckCells(cell.stuck_rate, cell.conductance_max)


def _through_wires(cells: Tensor, card: HardwareCard) -> Tensor:
    """What arrays of these cells multiply with; the gradient passes by the wires, which cost more than they turn it."""
    height = card.array.rows
    missing = -len(cells) % height
    # rounding of float32 is less than what training does to a cell; a chip to be measured is exact
    precision = cells.dtype if cells.requires_grad else torch.float64
    with torch.no_grad():
        arrays = pad(cells, (0, 0, 0, missing), value=card.cell.conductance_min)
        wires = Wires(**card.wires.model_dump())
        seen = effective_conductance(arrays.to(precision).unflatten(0, (-1, height)), wires)
        seen = seen.flatten(0, 1)[: len(cells)].to(cells.dtype)
    return straight_through(seen, cells)


def _in_lsb(cells: Tensor, card: HardwareCard) -> Tensor:
    """Lines [rows, lines] from bit lines [rows, bit lines] of one array."""
    own, reference = _own_and_reference(cells, card)
    return (own - reference).flatten(-2) / _lsb_conductance(card)


def _added(cells: Tensor, card: HardwareCard) -> Tensor:
    """As `_in_lsb`, of the variances of independent cells."""
    own, reference = _own_and_reference(cells, card)
    return (own + reference).flatten(-2)


def _own_and_reference(cells: Tensor, card: HardwareCard) -> tuple[Tensor, Tensor]:
    """Of each line its own bit line, [rows, neurons, slices], and what it is read against, its twin or the last one."""
    own = mapping_of(card).own(cells)
    reference = own[..., card.slices :] if card.differential else cells[..., -1:, None]
    return own[..., : card.slices], reference


def _on_grid(lines: Tensor, card: HardwareCard) -> Tensor:
    """Digits of ideal cells, free of rounding errors of conductances; halves against a half-on column."""
    half = 0.0 if card.differential else (card.cell.levels - 1) / 2
    return (lines.detach() + half).round() - half


def _lsb_conductance(card: HardwareCard) -> float:
    return card.cell.lsb / card.cell.read_voltage


def _wired(card: HardwareCard) -> bool:
    return any(card.wires.model_dump().values())
