"""Sweeps: grids, samples, corners and device variability over ngspice or torch, on any Dask cluster."""

from memsim.sweep.run import Progress, run_sweep
from memsim.sweep.study import SweepStudy, load_sweep, make_sweep

__all__ = ["Progress", "SweepStudy", "load_sweep", "make_sweep", "run_sweep"]
