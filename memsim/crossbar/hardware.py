"""What a crossbar is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from memsim.crossbar.cell_laws import CONDUCTANCE, Cell, quantity
from memsim.crossbar.mapping import DifferentialPairs, Mapping, ReferenceColumn
from memsim.crossbar.nonidealities import Levels, ReadNoise, Transform
from memsim.crossbar.wires import Wires
from memsim.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What lies between weights and currents; without arguments nothing that is not ideal.

    Attributes:
        signs: `pairs` of cells, or cells beside a `reference` column; see `memsim.crossbar.mapping`.
        levels: that a cell can hold; any conductance where None.
        slices: cells that share the digits of a weight.
        nonidealities: what happens to conductances between target and read, in this order.
        read_noise: of each read.
        cell: static law of the cells, whose conductance is that at small voltages; ohmic where None.
        wires: of each array; ideal where None.
        tile: most word lines and most bit lines of one array, where a matrix is split over many whose currents are
            added; each has wires and a reference column of its own.

    Raises:
        InputError: a value out of range, or one that changes nothing.
    """

    signs: Literal["pairs", "reference"] = "pairs"
    levels: int | None = None
    slices: int = 1
    nonidealities: tuple[Transform, ...] = ()
    read_noise: ReadNoise | None = None
    cell: Cell | None = None
    wires: Wires | None = None
    tile: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.signs not in {"pairs", "reference"}:
            raise InputError(f"signs = {self.signs!r} is unknown; use pairs or reference")
        if self.levels is not None and any(isinstance(one, Levels) for one in self.nonidealities):
            raise InputError(
                f"levels = {self.levels!r} and the transform Levels round twice; leave one of them out"
            )
        if self.cell is not None and quantity(self.cell) != CONDUCTANCE:
            raise InputError(
                f"cell = {self.cell!r} has no conductance g to hold a weight; give a law such as SinhCell(v_0=0.25)"
            )
        if self.tile is not None and self.wires is None:
            raise InputError(
                f"tile = {self.tile!r} changes nothing while wires are ideal; give wires, or leave it out"
            )
        if self.tile is not None and min(self.tile) < 1:
            raise InputError(
                f"tile = {self.tile!r} is out of range; allowed: at least 1 word line and 1 bit line"
            )

    def mapping(self, g_min: float, g_max: float) -> Mapping:
        """How weights are held by cells from `g_min` to `g_max` [S]."""
        kind = DifferentialPairs if self.signs == "pairs" else ReferenceColumn
        return kind(g_min=g_min, g_max=g_max, levels=self.levels, slices=self.slices)

    def check(self, g_min: float, g_max: float, generator: torch.Generator | None) -> None:
        """Raise InputError unless a crossbar of such cells, with this source of noise, can be made of it."""
        mapping = self.mapping(g_min, g_max)
        if self.tile is not None:
            self.tile_of_weights(mapping)
        if self.random and generator is None:
            raise InputError("generator = None, but this hardware is random; give a torch.Generator")

    def tile_of_weights(self, mapping: Mapping) -> tuple[int, int]:
        """Word lines and neurons of the largest array.

        Raises:
            InputError: a tile too narrow for one neuron.
        """
        height, width = self.tile or (1, 0)
        columns = mapping.columns(width)
        if columns < 1:
            raise InputError(
                f"tile = {self.tile!r} has {width} bit lines; a neuron needs {mapping.lines + mapping.references}"
            )
        return height, columns

    @property
    def random(self) -> bool:
        """Whether programming or reading draws random numbers."""
        return bool(self.nonidealities) or self.read_noise is not None

    @property
    def ideal(self) -> bool:
        """Whether currents are those of the weights, whatever cells hold them."""
        return self.levels is None and not self.random and self.cell is None and not self.wired

    @property
    def wire_tensors(self) -> tuple[Tensor, ...]:
        """Resistances that are tensors, and may be learned or changed."""
        return tuple(value for value in vars(self.wires or Wires()).values() if isinstance(value, Tensor))

    @property
    def wired(self) -> bool:
        """Whether the wires have any resistance."""
        wires = self.wires or Wires()
        values = (wires.word_line, wires.bit_line, wires.driver, wires.sense)
        return any(bool((value != 0).any()) if isinstance(value, Tensor) else value != 0 for value in values)
