"""Waveforms as binary raw files, which ngspice, LTspice's readers and gaw load."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xarray as xr

from memsim.errors import InputError
from memsim.files import write_bytes
from memsim.spice.rawfile import UNITS

_TYPES = {unit: kind for kind, unit in UNITS.items()}
_AXES = {"sweep": "v-sweep"}


def write_raw(path: str | Path, analyses: Mapping[str, xr.Dataset]) -> None:
    """Write analyses one behind the other, as ngspice does.

    Args:
        path: of the file.
        analyses: waveforms over one dimension each, or numbers; by kind, as `run_deck` gives them.

    Raises:
        InputError: waveforms over several dimensions, or a folder that cannot be written to.
    """
    write_bytes(path, b"".join(_plot(kind, waves) for kind, waves in analyses.items()))


def _plot(kind: str, waves: xr.Dataset) -> bytes:
    if len(waves.dims) > 1:
        over = ", ".join(map(str, waves.dims))
        raise InputError(f"a raw file has one dimension, these waveforms have {over}; select one with .sel")
    axis = next(iter(waves.dims), None)
    points = 1 if axis is None else waves.sizes[axis]
    arrays = [waves[axis]] if axis in waves.coords else []
    arrays += [waves[name] for name in waves.data_vars]
    is_complex = any(array.dtype.kind == "c" for array in arrays)
    columns = [np.broadcast_to(array.values, (points,)) for array in arrays]
    data = np.stack(columns, axis=1).astype("<c16" if is_complex else "<f8")
    lines = [
        f"Title: {' '.join(str(waves.attrs.get('title', '')).split())}",
        f"Date: {datetime.now(UTC):%a %b %d %H:%M:%S  %Y}",
        f"Plotname: {waves.attrs.get('analysis', kind)}",
        f"Flags: {'complex' if is_complex else 'real'}",
        f"No. Variables: {len(arrays)}",
        f"No. Points: {points}",
        "Variables:",
        *(f"\t{number}\t{_name(array)}\t{_type(array, axis)}" for number, array in enumerate(arrays)),
        "Binary:\n",
    ]
    return "\n".join(lines).encode() + data.tobytes()


def _name(array: xr.DataArray) -> str:
    return _AXES.get(str(array.name), str(array.name))


def _type(array: xr.DataArray, axis: object) -> str:
    kind = _TYPES.get(array.attrs.get("units", "1"), "notype")
    return kind if array.dims or axis is None else f"{kind} dims=1"
