"""Files of waveforms that a command reads, by the end of their name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


def read_any(path: Path) -> xr.Dataset:
    """Waveforms of a netCDF file, a table that memsim wrote, or the last analysis of a raw file.

    Raises:
        InputError: there is no such file, or it is none of these.
        BadResultError: a raw file that is damaged.
    """
    from memsim.files import read_csv_waves, read_waves

    suffix = path.suffix.lower()
    if suffix == ".raw":
        from memsim.spice import read_raw

        return read_raw(path)
    return read_csv_waves(path) if suffix == ".csv" else read_waves(path)
