"""Report page of waveforms or of a sweep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from memsim import plots
from memsim.report.page import Section, Table, write_report
from memsim.units import format_si


def write_data_report(data: xr.Dataset, source: Path, page: Path) -> Path:
    """Write a page with the picture of some data and a table of what is in them; returns its path.

    Args:
        data: waveforms, or the results of a sweep.
        source: file that they were read from, for the commands that the page names.
        page: file to write.

    Raises:
        InputError: the folder cannot be written to.
    """
    section = _sweep(data, source) if data.attrs.get("kind") == "sweep" else _waveforms(data, source)
    return write_report(page, str(data.attrs.get("title", source.stem)), [section])


def _waveforms(data: xr.Dataset, source: Path) -> Section:
    names = plots.telling(data)
    over = data[names[0]].dims
    figure = plots.analysis(data) if "frequency" in over else plots.waveforms(data, names)
    return Section(
        heading="Waveforms",
        text=f"{len(data.data_vars)} waveforms from {data.attrs.get('engine', 'an unnamed engine')}.",
        tables=[_ranges(data)],
        figures=[(f"{', '.join(names)} over {over[0] if over else 'nothing'}", figure)],
        command=f"memsim plot {source} {' '.join(f'--show {name!r}' for name in names)}",
    )


def _sweep(data: xr.Dataset, source: Path) -> Section:
    axes = " and ".join(f"{name} ({size})" for name, size in data.sizes.items())
    failed = plots.failed_points(data)
    return Section(
        heading="Sweep",
        text=f"{data['status'].size} points over {axes}; {failed} failed.",
        tables=[_ranges(data)],
        figures=[(f"what was measured over {axes}", plots.sweep(data))],
        command=f"memsim plot {source}",
    )


def _ranges(data: xr.Dataset) -> Table:
    """Lowest and highest of each variable, of complex ones of their magnitude."""
    rows = []
    for name, values in data.data_vars.items():
        real = abs(values.values) if values.dtype.kind == "c" else values.values
        numbers = real[np.isfinite(real)] if real.dtype.kind == "f" else np.array([])
        if numbers.size:
            ends = (_shown(end, values.attrs.get("units", "1")) for end in (numbers.min(), numbers.max()))
            rows.append((str(name), *ends))
    return ("variable", "lowest", "highest"), rows


def _shown(value: float, unit: str) -> str:
    return f"{value:.4g}" if unit == "1" else format_si(value, unit)
