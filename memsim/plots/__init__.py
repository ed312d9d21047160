"""Figures of devices, neurons, crossbars and training: fit for print, legible in grey and to the colour-blind."""

from memsim.plots.amplifiers import amplifier
from memsim.plots.arrays import conductance_map, confusion
from memsim.plots.costs import cost_bars, layer_bars, tornado
from memsim.plots.crossbars import conductance_histogram, ir_drop_map
from memsim.plots.fits import FittedLoop, fitted_loops
from memsim.plots.floorplan import floorplan
from memsim.plots.flow import Motion, flow_colours, motion
from memsim.plots.frequency import analysis, bode, spectrum
from memsim.plots.kinetics import FittedRamp, FittedTimes, fitted_ramps, fitted_times
from memsim.plots.loops import hysteresis
from memsim.plots.over_time import neuron, overlay, raster, telling, waveforms
from memsim.plots.paths import conductance_paths
from memsim.plots.phase import phase_portrait
from memsim.plots.quantiles import QuantilePair, quantile_quantile
from memsim.plots.robustness import Robustness, robustness
from memsim.plots.spikes import spike_raster
from memsim.plots.style import png, save
from memsim.plots.sweeps import failed_points, sweep
from memsim.plots.training import training_curves

__all__ = [
    "FittedLoop",
    "FittedRamp",
    "FittedTimes",
    "Motion",
    "QuantilePair",
    "Robustness",
    "amplifier",
    "analysis",
    "bode",
    "conductance_histogram",
    "conductance_map",
    "conductance_paths",
    "confusion",
    "cost_bars",
    "failed_points",
    "fitted_loops",
    "fitted_ramps",
    "fitted_times",
    "floorplan",
    "flow_colours",
    "hysteresis",
    "ir_drop_map",
    "layer_bars",
    "motion",
    "neuron",
    "overlay",
    "phase_portrait",
    "png",
    "quantile_quantile",
    "raster",
    "robustness",
    "save",
    "spectrum",
    "spike_raster",
    "sweep",
    "telling",
    "tornado",
    "training_curves",
    "waveforms",
]
