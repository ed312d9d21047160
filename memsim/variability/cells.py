from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from memsim.crossbar.laws import check, check_conductance
from memsim.errors import InputError
from memsim.variability.quantiles import (
    Array,
    JointDistribution,
    Quantiles,
    correlated_normal,
    finite_samples,
)


@dataclass(frozen=True)
class StuckDistribution:
    """Cells that cannot be programmed: a transform of conductances.

    Args:
        rate: share of such cells, above 0.
        conductance: where they stay [S].
    """

    rate: float
    conductance: Quantiles

    def __post_init__(self) -> None:
        check("rate", self.rate, above=0.0, high=1.0)

    @classmethod
    def estimate(cls, resistance: ArrayLike, cells: int) -> StuckDistribution:
        """From the resistances [ohm] of the stuck cells among `cells`."""
        stuck = finite_samples("resistance", resistance)
        if not len(stuck) <= cells:
            raise InputError(
                f"cells = {cells!r} is less than the {len(stuck)} stuck ones; give the size of the array"
            )
        return cls(len(stuck) / cells, Quantiles.estimate(1 / stuck))

    def __call__(self, g: Tensor, generator: torch.Generator) -> Tensor:
        check_conductance(g)
        stuck = torch.rand(g.shape, generator=generator, device=g.device, dtype=torch.float32) < self.rate
        normal = torch.randn(g.shape, generator=generator, device=g.device, dtype=torch.float64)
        held = torch.from_numpy(self.conductance(normal.cpu().numpy())).to(g)
        return torch.where(stuck, held, g)


@dataclass(frozen=True)
class CycleStatistics:
    """Low and high resistance over cycles of one cell, correlated from cycle to cycle.

    Args:
        levels: `low` and `high` resistance, log10 ohm, and their correlation.
        memory: correlation of normal scores from one recorded cycle to the next, of low and high.
    """

    levels: JointDistribution
    memory: Array

    @classmethod
    def estimate(cls, low: ArrayLike, high: ArrayLike) -> CycleStatistics:
        """From resistances [cycles] in ohm, recorded at equal numbers of cycles."""
        columns = {
            "low": np.log10(finite_samples("low", low)),
            "high": np.log10(finite_samples("high", high)),
        }
        levels = JointDistribution.estimate(columns)
        scores = [levels.marginals[name].normal(column) for name, column in columns.items()]
        memory = np.array([np.corrcoef(score[1:], score[:-1])[0, 1] for score in scores])
        return cls(levels, np.clip(np.nan_to_num(memory), 0.0, 0.999))

    def sample(self, cells: int, cycles: int, generator: np.random.Generator) -> dict[str, Array]:
        """Resistances [cells, cycles] in ohm by `low` and `high`."""
        memory = self.memory[:, None]
        # innovations correlated such that the scores of one cycle are correlated as measured
        scale = np.sqrt(1 - self.memory**2)
        shared = (1 - np.outer(self.memory, self.memory)) / np.outer(scale, scale)
        innovation = np.clip(self.levels.correlation * shared, -1.0, 1.0)
        normal = np.empty((2, cells, cycles))
        normal[:, :, 0] = correlated_normal(self.levels.correlation, cells, generator)
        for n in range(1, cycles):
            fresh = correlated_normal(innovation, cells, generator)
            normal[:, :, n] = memory * normal[:, :, n - 1] + scale[:, None] * fresh
        names = ("low", "high")
        return {name: 10.0 ** self.levels.marginals[name](normal[k]) for k, name in enumerate(names)}
