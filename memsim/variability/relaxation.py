"""Relaxation of programmed conductances, as measured: g(t) = g + change of a measured cell programmed like it.

That cell is drawn from the ones nearest in conductance, with its whole history, so that skew, tails and correlation
over time are the measured ones. Between two measured times each cell goes from one value to the other at a moment of
its own, evenly spread in log t: values in between would spread less than measured ones, as reads are noisy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from memsim.crossbar.laws import check, check_conductance
from memsim.errors import InputError
from memsim.variability.quantiles import Array, finite_samples

SHARE = 1 / 128
"""Share of the array that is near a cell."""
FEWEST_NEAR = 32
"""Cells that are near one in a small array: its distribution has no more values than that."""


@dataclass(frozen=True)
class Relaxation:
    """Change of conductance after programming.

    Args:
        conductance: [cells] in S, as programmed, rising.
        times: [times] in s, rising.
        change: [times, cells] in S.
    """

    conductance: Array
    times: Array
    change: Array

    @classmethod
    def estimate(cls, programmed: ArrayLike, later: Mapping[float, ArrayLike]) -> Relaxation:
        """From an array of cells.

        Args:
            programmed: [cells] in S, right after programming.
            later: [cells] in S by time in s.

        Raises:
            InputError: fewer than 8 cells, arrays of different length, or no times above 0.
        """
        start = finite_samples("programmed", programmed)
        times = sorted(later)
        if not times or times[0] <= 0:
            raise InputError(f"later is given at {times} s; give at least one time, all above 0")
        after = [finite_samples(f"conductances at {time:g} s", later[time]) for time in times]
        if any(len(values) != len(start) for values in after):
            raise InputError("conductances at later times must be of the same cells, in the same order")
        order = np.argsort(start, kind="stable")
        return cls(start[order], np.array(times), (np.array(after) - start)[:, order])

    def at(self, time: float) -> RelaxedCells:
        """The transform of conductances `time` seconds after programming.

        Within `PerArray` of one seed, the cells at several times are the same ones.

        Raises:
            InputError: a time outside the measured ones.
        """
        check("time", time, low=float(self.times[0]), high=float(self.times[-1]))
        position = float(np.interp(np.log(time), np.log(self.times), np.arange(len(self.times))))
        ends = [int(position), int(np.ceil(position))]
        return RelaxedCells(
            torch.from_numpy(self.conductance), torch.from_numpy(self.change[ends]), position % 1
        )

    def sample(self, conductance: ArrayLike, generator: np.random.Generator) -> Array:
        """Conductances [times, cells] in S of cells programmed to `conductance` [cells], correlated over time."""
        g = np.asarray(conductance, dtype=float).ravel()
        draw = torch.from_numpy(generator.random(len(g)))
        like = _like(torch.from_numpy(g), torch.from_numpy(self.conductance), draw).numpy()
        return np.maximum(g + self.change[:, like], 0.0)


@dataclass(frozen=True)
class RelaxedCells:
    """A transform of conductances like those of `memsim.crossbar.nonidealities`; its derivative is one.

    Args:
        conductance: [cells] in S, as programmed, rising.
        change: [2, cells] in S, at the measured times before and after.
        later: share of cells that have come to the second.
    """

    conductance: Tensor
    change: Tensor
    later: float

    def __call__(self, g: Tensor, generator: torch.Generator) -> Tensor:
        check_conductance(g)
        draw, moment = torch.rand(2, *g.shape, generator=generator, dtype=torch.float64, device=g.device)
        like = _like(g.detach(), self.conductance.to(g), draw)
        first, second = self.change.to(g)[:, like]
        return (g + torch.where(moment < self.later, second, first)).clamp(min=0)


def _like(g: Tensor, cells: Tensor, draw: Tensor) -> Tensor:
    """Numbers of measured cells (rising conductances) near each of `g`, by draws from 0 to 1."""
    near = min(len(cells), max(FEWEST_NEAR, round(SHARE * len(cells))))
    # conductances that were measured often fill a stretch of the array, whose middle counts
    ends = [torch.searchsorted(cells, g.contiguous(), right=right) for right in (False, True)]
    first = ((ends[0] + ends[1]) // 2 - near // 2).clamp(0, len(cells) - near)
    return first + (draw * near).long()
