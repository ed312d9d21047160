"""Files that are either written whole or not at all, and waveforms as netCDF and CSV."""

from __future__ import annotations

import csv
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import xarray as xr

from memsim.errors import InputError

__all__ = [
    "ensure_folder",
    "read_waves",
    "replacing",
    "write_bytes",
    "write_csv",
    "write_text",
    "write_waves",
]

_TEXTS = ("units", "long_name", "title", "engine", "kind")
"""Attributes that are shown."""
_LONGEST = 200


def ensure_folder(folder: str | Path) -> Path:
    """Make a folder and its parents where they are missing.

    Raises:
        InputError: the folder cannot be made.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot make the folder {folder}: {_reason(error)}; choose a folder where you may write"
        ) from error
    return folder


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; what was written there replaces it when all went well.

    A missing parent folder is made. After an error nothing is left and an old file is as it was.

    Raises:
        InputError: the path is a folder, its folder cannot be made or written to, or the disk is full.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; give the name of a file in it")
    folder = ensure_folder(path.parent)
    temporary = folder / f".{path.name}.{secrets.token_hex(4)}.tmp"
    try:
        yield temporary
        _flush_to_disk(temporary)
        temporary.replace(path)
    except OSError as error:
        raise InputError(
            f"cannot write {path.name} in the folder {folder}: {_reason(error)}; "
            "make the folder writable, free some space or choose another folder"
        ) from error
    finally:
        _remove(temporary)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file whole; raises InputError where the folder cannot be written to."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 file whole; raises InputError where the folder cannot be written to."""
    write_bytes(path, text.encode())


def write_waves(path: str | Path, waves: xr.Dataset) -> None:
    """Write waveforms as netCDF 4, which xarray, Matlab and Julia read.

    netCDF has no complex numbers: the result of an `.ac` analysis gets a last dimension `part` (re, im). Nor has it
    names with a slash, as KiCad's nets have: `v(/out)` is written as `v(%2Fout)`.
    """
    parts = [
        _split_complex(array) if array.dtype.kind == "c" else array for array in waves.data_vars.values()
    ]
    named = {str(array.name).replace("%", "%25").replace("/", "%2F"): array for array in parts}
    dataset = xr.Dataset(named, coords=waves.coords, attrs=waves.attrs)
    with replacing(path) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf")


def read_waves(path: str | Path) -> xr.Dataset:
    """Read waveforms that `write_waves` wrote, or netCDF 4 of others, up to 4 GiB unpacked, all into memory.

    Raises:
        InputError: there is no such file, it is not netCDF, holds no variables, or does not fit into memory.
    """
    from memsim.hdf5 import DAMAGED, check_hdf5

    path = Path(path)
    try:
        check_hdf5(path)
        dataset = xr.load_dataset(path, engine="h5netcdf", decode_times=False, phony_dims="access")
        if "part" in dataset.dims:
            dataset = _with_complex(dataset)
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(
            f"cannot read waveforms from {path}: {_problem(path)}; give a file written by memsim"
        ) from error
    if not dataset.data_vars:
        raise InputError(f"{path} holds no variables; give a file of waveforms or of a sweep")
    slashed = {name: str(name).replace("%2F", "/").replace("%25", "%") for name in dataset.data_vars}
    dataset = dataset.rename_vars({name: own for name, own in slashed.items() if own != name})
    for attributes in (dataset.attrs, *(variable.attrs for variable in dataset.variables.values())):
        attributes |= {name: _text(attributes[name]) for name in _TEXTS if name in attributes}
    return dataset


def _problem(path: Path) -> str:
    if path.is_dir():
        return "it is a folder"
    return "it is not a netCDF file, or a damaged one" if path.exists() else "there is no such file"


def _text(value: object) -> str:
    """An attribute in one line, whatever its type is."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _with_complex(dataset: xr.Dataset) -> xr.Dataset:
    whole = {name: _join_complex(a) if "part" in a.dims else a for name, a in dataset.data_vars.items()}
    return xr.Dataset(whole, coords=dataset.drop_vars("part").coords, attrs=dataset.attrs)


def write_csv(path: str | Path, waves: xr.Dataset) -> None:
    """Write waveforms as a table with a header of names and units, such as `time [s],v(mem) [V]`.

    Complex values take two columns. Numbers are written so that reading gives them back exactly.

    Raises:
        InputError: the variables do not share one dimension.
    """
    if len(waves.dims) > 1:
        dimensions = ", ".join(str(name) for name in waves.dims)
        raise InputError(
            f"a table has one dimension, these waveforms have {dimensions}; select one with .sel or .isel"
        )
    columns = [column for name in [*waves.coords, *waves.data_vars] for column in _columns(waves[name])]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([f"{name} [{waves[source].attrs.get('units', '1')}]" for name, source, _ in columns])
    writer.writerows(zip(*(np.atleast_1d(values).tolist() for _, _, values in columns), strict=True))
    write_text(path, table.getvalue())


def _columns(array: xr.DataArray) -> list[tuple[str, str, np.ndarray]]:
    name = str(array.name)
    if array.dtype.kind == "c":
        return [(f"re({name})", name, array.values.real), (f"im({name})", name, array.values.imag)]
    return [(name, name, array.values)]


def _split_complex(array: xr.DataArray) -> xr.DataArray:
    parts = xr.concat([array.real, array.imag], dim="part").transpose(..., "part")
    return parts.assign_coords(part=["re", "im"]).assign_attrs(array.attrs)


def _join_complex(array: xr.DataArray) -> xr.DataArray:
    whole = array.sel(part="re", drop=True) + 1j * array.sel(part="im", drop=True)
    return whole.assign_attrs(array.attrs)


def _flush_to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    # On a full or vanished disk the error that counts is the first one.
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
