from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from memsim.crossbar.laws import check, check_conductance
from memsim.errors import InputError
from memsim.variability.noise import NoiseSpectrum
from memsim.variability.quantiles import (
    Array,
    JointDistribution,
    Quantiles,
    correlated,
    finite_samples,
    normal_scores,
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
    """Low and high resistance over cycles of one cell, correlated from cycle to cycle, also over many of them.

    Args:
        levels: `low` and `high` resistance, log10 ohm, and their correlation.
        memory: spectra of the normal scores of low and high over recorded cycles, in place of time.
    """

    levels: JointDistribution
    memory: tuple[NoiseSpectrum, NoiseSpectrum]

    @classmethod
    def estimate(cls, low: ArrayLike, high: ArrayLike) -> CycleStatistics:
        """From resistances [cycles] in ohm, recorded at equal numbers of cycles."""
        columns = {
            "low": np.log10(finite_samples("low", low)),
            "high": np.log10(finite_samples("high", high)),
        }
        first, second = (NoiseSpectrum.of_deviations(normal_scores(one), 1.0) for one in columns.values())
        return cls(JointDistribution.estimate(columns), (first, second))

    def sample(self, cells: int, cycles: int, generator: np.random.Generator) -> dict[str, Array]:
        """Resistances [cells, cycles] in ohm by `low` and `high`."""
        correlation = self.levels.correlation
        power = np.array([spectrum.powers(cycles, 1.0) for spectrum in self.memory])
        within = power.sum(axis=1, keepdims=True)
        # what is slower than the cycles asked for is a constant of the cell; all together have variance one
        power, constant = power / np.maximum(within, 1.0), np.maximum(1 - within, 0.0)
        shared = np.sqrt(power).prod(axis=0).sum() + np.sqrt(constant).prod()
        together = np.clip(correlation / np.where(np.eye(2), 1.0, shared), -1.0, 1.0)
        # real and imaginary parts of the lines, and the constant
        draws = generator.standard_normal((2, cells * (2 * cycles + 3)))
        parts = correlated(together, draws).reshape(2, cells, 2 * cycles + 3)
        lines = parts[:, :, 1 : cycles + 2] + 1j * parts[:, :, cycles + 2 :]
        offset = parts[:, :, :1] * np.sqrt(constant)[:, :, None]
        return {
            name: 10.0
            ** self.levels.marginals[name](
                spectrum.waves(lines[k], 1.0) / np.sqrt(max(within[k, 0], 1.0)) + offset[k]
            )
            for k, (name, spectrum) in enumerate(zip(("low", "high"), self.memory, strict=True))
        }
