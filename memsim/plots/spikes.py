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
    chosen = {name: curve(waves, name) for name in names}
    still = [name for name, values in chosen.items() if values.dims != ("time",)]
    if still:
        raise InputError(f"{still[0]!r} is no waveform over time, which spikes are; name a membrane")
    times = waves["time"].values
    spikes = {name: crossings(times, values.values, level) for name, values in chosen.items()}
    return raster(spikes, float(times[-1]))
