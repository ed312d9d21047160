"""Relaxation of programmed conductances, as measured: g(t) = g + table(g, t, n) with n normal.

The table holds quantiles of the change for groups of cells by their conductance, at each measured time; between groups
it is linear in g, between times linear in log t. The normal variables of one cell at several times are correlated as
measured.
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
from memsim.variability.quantiles import KNOTS, Array, Quantiles, correlated_normal, finite_samples


@dataclass(frozen=True)
class Relaxation:
    """Change of conductance after programming.

    Args:
        conductance: [groups] in S, median of each group, rising.
        times: [times] in s, rising.
        change: [times, groups, 33] in S, at the knots.
        correlation: [times, times] of the normal scores of one cell.
    """

    conductance: Array
    times: Array
    change: Array
    correlation: Array

    @classmethod
    def estimate(
        cls, programmed: ArrayLike, later: Mapping[float, ArrayLike], groups: int = 16
    ) -> Relaxation:
        """From an array of cells.

        Args:
            programmed: [cells] in S, right after programming.
            later: [cells] in S by time in s.
            groups: number of groups of cells by their programmed conductance.

        Raises:
            InputError: fewer than 8 cells in a group, or arrays of different length.
        """
        start = finite_samples("programmed", programmed)
        times = sorted(later)
        after = {time: finite_samples(f"conductances at {time:g} s", later[time]) for time in times}
        if any(len(values) != len(start) for values in after.values()):
            raise InputError("conductances at later times must be of the same cells, in the same order")
        if len(start) < 8 * groups:
            raise InputError(
                f"{len(start)} cells do not make {groups} groups; give fewer groups, or more cells"
            )
        members = np.array_split(np.argsort(start, kind="stable"), groups)
        change = np.array(
            [[Quantiles.estimate((after[t] - start)[m]).values for m in members] for t in times]
        )
        scores = np.empty((len(times), len(start)))
        for k, time in enumerate(times):
            for group, member in enumerate(members):
                scores[k, member] = Quantiles(change[k, group]).normal((after[time] - start)[member])
        correlation = np.atleast_2d(np.corrcoef(scores))
        centres = np.array([np.median(start[member]) for member in members])
        return cls(centres, np.array(times), change, correlation)

    def at(self, time: float) -> RelaxedCells:
        """The transform of conductances `time` seconds after programming.

        Raises:
            InputError: a time outside the measured ones.
        """
        check("time", time, low=float(self.times[0]), high=float(self.times[-1]))
        position = np.interp(np.log10(time), np.log10(self.times), np.arange(len(self.times)))
        first = min(int(position), len(self.times) - 2) if len(self.times) > 1 else 0
        share = position - first
        table = (1 - share) * self.change[first] + share * self.change[min(first + 1, len(self.times) - 1)]
        return RelaxedCells(torch.from_numpy(self.conductance), torch.from_numpy(table))

    def sample(self, conductance: ArrayLike, generator: np.random.Generator) -> Array:
        """Conductances [times, cells] in S of cells programmed to `conductance` [cells], correlated over time."""
        g = np.asarray(conductance, dtype=float).ravel()
        normal = correlated_normal(self.correlation, len(g), generator)
        centres = torch.from_numpy(self.conductance)
        rows = [
            RelaxedCells(centres, torch.from_numpy(self.change[k])).change(
                torch.from_numpy(g), torch.from_numpy(n)
            )
            for k, n in enumerate(normal)
        ]
        return np.maximum(g + torch.stack(rows).numpy(), 0.0)


@dataclass(frozen=True)
class RelaxedCells:
    """A transform of conductances like those of `memsim.crossbar.nonidealities`; its derivative is one.

    Args:
        conductance: [groups] in S.
        table: [groups, 33] in S, change at the knots.
    """

    conductance: Tensor
    table: Tensor

    def change(self, g: Tensor, normal: Tensor) -> Tensor:
        """Change [S] of cells `g` [S] for standard normal draws of the same shape."""
        centres, table = self.conductance.to(g), self.table.to(g)
        group, across = _position(g.detach(), centres)
        knot = ((normal - KNOTS[0]) / (KNOTS[1] - KNOTS[0])).clamp(0, len(KNOTS) - 1)
        low = knot.floor().clamp(max=len(KNOTS) - 2).long()
        along = knot - low

        def at(row: Tensor) -> Tensor:
            return table[row, low] * (1 - along) + table[row, low + 1] * along

        return at(group) * (1 - across) + at((group + 1).clamp(max=len(centres) - 1)) * across

    def __call__(self, g: Tensor, generator: torch.Generator) -> Tensor:
        check_conductance(g)
        normal = torch.randn(g.shape, generator=generator, dtype=g.dtype, device=g.device)
        return (g + self.change(g, normal)).clamp(min=0)


def _position(g: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Group at or below each conductance, and the share of the way to the next; the end groups beyond them."""
    if len(centres) == 1:
        return torch.zeros_like(g, dtype=torch.long), torch.zeros_like(g)
    group = (torch.searchsorted(centres, g.contiguous(), right=True) - 1).clamp(0, len(centres) - 2)
    low, high = centres[group], centres[group + 1]
    return group, ((g - low) / (high - low)).clamp(0, 1)
