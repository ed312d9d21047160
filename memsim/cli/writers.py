"""Files of waveforms that a command writes, by the end of their name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from memsim.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

Write = Callable[[str, "Mapping[str, xr.Dataset]"], list[Path]]


def waves_writer(name: str) -> Write:
    """What writes analyses into files of this name, and says which; `-` is CSV on standard output.

    Raises:
        InputError: no format has this ending.
    """
    if name == "-":
        return _to_standard_output
    formats: dict[str, Write] = {".nc": _netcdf, ".h5": _netcdf, ".csv": _csv, ".raw": _raw}
    suffix = Path(name).suffix.lower()
    if suffix not in formats:
        raise InputError(f"cannot write waveforms as {Path(name).name!r}; use {', '.join(formats)}")
    return formats[suffix]


def file_of(path: Path, analysis: str, count: int) -> Path:
    """The file of one of several analyses: `waves-ac.csv`."""
    return path if count == 1 else path.with_stem(f"{path.stem}-{analysis}")


def _netcdf(name: str, analyses: Mapping[str, xr.Dataset]) -> list[Path]:
    from memsim.files import write_waves

    return _each(name, analyses, write_waves)


def _csv(name: str, analyses: Mapping[str, xr.Dataset]) -> list[Path]:
    from memsim.files import write_csv

    return _each(name, analyses, write_csv)


def _raw(name: str, analyses: Mapping[str, xr.Dataset]) -> list[Path]:
    from memsim.spice import write_raw

    write_raw(name, analyses)
    return [Path(name)]


def _each(
    name: str, analyses: Mapping[str, xr.Dataset], write: Callable[[Path, xr.Dataset], None]
) -> list[Path]:
    files = [file_of(Path(name), analysis, len(analyses)) for analysis in analyses]
    for file, data in zip(files, analyses.values(), strict=True):
        write(file, data)
    return files


def _to_standard_output(_: str, analyses: Mapping[str, xr.Dataset]) -> list[Path]:
    from memsim.files import csv_text

    if len(analyses) > 1:
        kinds = ", ".join(analyses)
        raise InputError(
            f"the deck has several analyses ({kinds}), and standard output is one table; write a file"
        )
    sys.stdout.write(csv_text(*analyses.values()))
    return []
