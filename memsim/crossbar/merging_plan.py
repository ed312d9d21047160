"""In which order blocks of an array are merged, and which of their inputs meet: see `merging`."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

LEAF = 4
"""Lines of a leaf either way; the last one has more where it must."""


class Part(NamedTuple):
    """Some blocks of a grid of blocks: number of the grid, and which lines and columns of it."""

    grid: int
    lines: slice
    columns: slice


class Ports(NamedTuple):
    """Inputs of a block in a merge."""

    shared: Tensor
    kept: Tensor

    def parts(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of H [..., ports, ports]: shared by shared, shared by kept, kept by kept."""
        across = h.index_select(-2, self.shared)
        own = h.index_select(-2, self.kept).index_select(-1, self.kept)
        return across.index_select(-1, self.shared), across.index_select(-1, self.kept), own


class Merge(NamedTuple):
    """One step: pairs of neighbours P and R, their inputs, and s."""

    first: Part
    second: Part
    ports_first: Ports
    ports_second: Ports
    sign: int


class Leaves(NamedTuple):
    """Leaves of one size: which lines and columns of the array they cover, and how many each of them has."""

    lines: slice
    columns: slice
    height: int
    width: int

    def cut(self, cells: Tensor) -> Tensor:
        """A view on cells [arrays, rows, columns], [arrays, leaves down, leaves along, height, width]."""
        some = cells[:, self.lines, self.columns]
        return some.unflatten(2, (-1, self.width)).unflatten(1, (-1, self.height)).transpose(2, 3)


class Plan(NamedTuple):
    """How an array is merged: its leaves, all steps, and the inputs u and d of what is left."""

    leaves: tuple[Leaves, ...]
    merges: tuple[Merge, ...]
    driven: Tensor
    sensed: Tensor


_ALL, _LAST = slice(None), slice(-1, None)


class _Blocks(NamedTuple):
    """While a plan is made: equal blocks, how many there are down and along, and their inputs by letters."""

    part: Part
    counts: tuple[int, int]
    inputs: dict[str, list[int]]


@lru_cache(maxsize=32)
def plan_of(rows: int, columns: int, device: torch.device) -> Plan:
    """Of an array of this size, kept for the next."""
    # also of a first call in inference mode
    with torch.inference_mode(mode=False):
        return _Planner(rows, columns, device).plan()


class _Planner:
    def __init__(self, rows: int, columns: int, device: torch.device) -> None:
        self.device = device
        self.leaves: list[Leaves] = []
        self.merges: list[Merge] = []
        self.grid = [[self._leaf(*down, *along) for along in _bands(columns)] for down in _bands(rows)]

    def plan(self) -> Plan:
        """Merge along and down in turn until one block is left."""
        while not self._done:
            self.grid = [self._advanced(line, 1) for line in self.grid]
            columns = [self._advanced(list(column), 0) for column in zip(*self.grid, strict=True)]
            self.grid = [list(line) for line in zip(*columns, strict=True)]
        inputs = self.grid[0][0].inputs
        return Plan(tuple(self.leaves), tuple(self.merges), *(self._index(inputs[letter]) for letter in "ud"))

    @property
    def _done(self) -> bool:
        return len(self.grid) == len(self.grid[0]) == 1 and self.grid[0][0].counts == (1, 1)

    def _leaf(self, lines: slice, height: int, columns: slice, width: int) -> _Blocks:
        self.leaves.append(Leaves(lines, columns, height, width))
        numbers = iter(range(2 * (height + width)))
        sizes = zip("ujdt", (height, height, width, width), strict=True)
        inputs = {letter: list(islice(numbers, size)) for letter, size in sizes}
        count = (lines.stop - lines.start) // height, (columns.stop - columns.start) // width
        return _Blocks(Part(len(self.leaves) - 1, _ALL, _ALL), count, inputs)

    def _advanced(self, line: list[_Blocks], axis: int) -> list[_Blocks]:
        """A band of blocks and what is left over beside it, once neighbours are one."""
        main, *rest = line
        pairs, odd = divmod(main.counts[axis], 2)
        last = main.counts[axis] + len(rest) == 2
        found = []
        if pairs:
            sides = [_picked(main, axis, slice(side, 2 * pairs, 2), pairs) for side in (0, 1)]
            found.append(self._merged(sides, axis, last=last))
        if odd:
            rest.insert(0, _picked(main, axis, _LAST, 1))
        return [*found, self._merged(rest, axis, last=last)] if len(rest) == 2 else [*found, *rest]

    def _merged(self, pair: list[_Blocks], axis: int, *, last: bool) -> _Blocks:
        """Of blocks and their neighbours to the right or below; at the last edge nothing flows in."""
        first, second = pair if axis else pair[::-1]
        shared = ("j", "u") if axis else ("t", "d")
        dropped = (second.inputs["j" if axis else "t"]) if last else []
        kept_first, kept_second = (
            sorted(n for letter, numbers in one.inputs.items() if letter != gone for n in numbers)
            for one, gone in zip((first, second), shared, strict=True)
        )
        kept_second = [n for n in kept_second if n not in set(dropped)]
        places = [
            {n: k for k, n in enumerate(kept_first)},
            {n: k for k, n in enumerate(kept_second, len(kept_first))},
        ]
        of = {letter: [places[0][n] for n in first.inputs[letter] if n in places[0]] for letter in "ujdt"}
        beyond = {
            letter: [places[1][n] for n in second.inputs[letter] if n in places[1]] for letter in "ujdt"
        }
        # from the top, and from the left
        inputs = {
            letter: (of[letter] + beyond[letter]) if axis else beyond[letter] + of[letter]
            for letter in "ujdt"
        }
        number = len(self.leaves) + len(self.merges)
        of_first, of_second = (
            Ports(self._index(one.inputs[letter]), self._index(kept))
            for one, letter, kept in zip((first, second), shared, (kept_first, kept_second), strict=True)
        )
        self.merges.append(Merge(first.part, second.part, of_first, of_second, -1 if axis else 1))
        return _Blocks(Part(number, _ALL, _ALL), first.counts, inputs)

    def _index(self, numbers: list[int]) -> Tensor:
        return torch.tensor(numbers, dtype=torch.long, device=self.device)


def _bands(length: int) -> list[tuple[slice, int]]:
    """Leaves along a line, and a larger one at its end where they do not fit: their places, and lines of each."""
    count, more = divmod(length, LEAF)
    if length < 2 * LEAF or not more:
        size = LEAF if length >= LEAF and not more else length
        return [(slice(0, length), size)]
    end = (count - 1) * LEAF
    return [(slice(0, end), LEAF), (slice(end, length), LEAF + more)]


def _picked(blocks: _Blocks, axis: int, some: slice, count: int) -> _Blocks:
    """Some of them in one direction; what is left over is a single one already."""
    part, (down, along) = blocks.part, blocks.counts
    if axis:
        columns = some if part.columns == _ALL else part.columns
        return blocks._replace(part=part._replace(columns=columns), counts=(down, count))
    lines = some if part.lines == _ALL else part.lines
    return blocks._replace(part=part._replace(lines=lines), counts=(count, along))
