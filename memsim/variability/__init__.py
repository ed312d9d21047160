"""Distributions estimated from measured arrays, and samples of them for crossbars and circuits."""

from memsim.variability.cells import CycleStatistics, StuckDistribution
from memsim.variability.noise import NoiseSpectrum
from memsim.variability.quantiles import JointDistribution, Quantiles, halves, quantile_errors
from memsim.variability.relaxation import Relaxation, RelaxedCells
from memsim.variability.switching import Pulse, SwitchingStatistics

__all__ = [
    "CycleStatistics",
    "JointDistribution",
    "NoiseSpectrum",
    "Pulse",
    "Quantiles",
    "Relaxation",
    "RelaxedCells",
    "StuckDistribution",
    "SwitchingStatistics",
    "halves",
    "quantile_errors",
]
