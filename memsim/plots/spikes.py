from __future__ import annotations

from collections.abc import Sequence

import xarray as xr
from matplotlib.figure import Figure

from memsim.errors import InputError
from memsim.plots.over_time import raster
from memsim.plots.style import curve
from memsim.sweep.measures import crossings


def spike_raster(waves: xr.Dataset, names: Sequence[str], level: float) -> Figure:
    """Spikes of several membranes: the times at which each rises through a level.

    Args:
        waves: waveforms of one run.
        names: membrane potentials, one row each, the first at the bottom.
        level: that a spike crosses, in the unit of the potentials.

    Raises:
        InputError: no name is given, or a variable is missing or is not one waveform over time.
    """
    if not names:
        raise InputError("no membrane to draw spikes of; name at least one")
    times = waves["time"].values
    return raster(
        {name: crossings(times, curve(waves, name).values, level) for name in names}, float(times[-1])
    )
