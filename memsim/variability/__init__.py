"""Distributions estimated from measured arrays, and samples of them for crossbars and circuits."""

from memsim.variability.cells import CycleStatistics, StuckDistribution
from memsim.variability.devices import load_spread, sampled_devices, spread_of_devices, spread_of_fit
from memsim.variability.noise import NoiseSpectrum, reread_noise
from memsim.variability.quantiles import JointDistribution, Quantiles, halves, quantile_errors, quantile_scale
from memsim.variability.relaxation import Relaxation, RelaxedCells
from memsim.variability.switching import Pulse, PulsedCells, SwitchingStatistics

__all__ = [
    "CycleStatistics",
    "JointDistribution",
    "NoiseSpectrum",
    "Pulse",
    "PulsedCells",
    "Quantiles",
    "Relaxation",
    "RelaxedCells",
    "StuckDistribution",
    "SwitchingStatistics",
    "halves",
    "load_spread",
    "quantile_errors",
    "quantile_scale",
    "reread_noise",
    "sampled_devices",
    "spread_of_devices",
    "spread_of_fit",
]
