"""Files that are either written whole or not at all, and waveforms as netCDF and CSV."""

from __future__ import annotations

import csv
import io
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from memsim.errors import InputError
from memsim.text import read_text

__all__ = [
    "csv_text",
    "ensure_folder",
    "read_csv_waves",
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

    Complex values take two columns. Numbers beside waveforms stand above the header as `# name [unit] = value`.
    Numbers are written so that reading gives them back exactly.

    Raises:
        InputError: the variables do not share one dimension.
    """
    write_text(path, csv_text(waves))


def csv_text(waves: xr.Dataset) -> str:
    """Waveforms as the text of a table; see `write_csv`."""
    if len(waves.dims) > 1:
        dimensions = ", ".join(str(name) for name in waves.dims)
        raise InputError(
            f"a table has one dimension, these waveforms have {dimensions}; select one with .sel or .isel"
        )
    columns = [column for name in [*waves.coords, *waves.data_vars] for column in _columns(waves[name])]
    numbers = [one for one in columns if waves.dims and not one[2].ndim]
    columns = [one for one in columns if one[2].ndim or not waves.dims]
    table = io.StringIO()
    for name, source, value in numbers:
        table.write(f"# {_titled(waves, name, source)} = {value.tolist()!r}\n")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([_titled(waves, name, source) for name, source, _ in columns])
    writer.writerows(zip(*(np.atleast_1d(values).tolist() for _, _, values in columns), strict=True))
    return table.getvalue()


def _titled(waves: xr.Dataset, name: str, source: str) -> str:
    return f"{name} [{waves[source].attrs.get('units', '1')}]"


_TITLE = re.compile(r"(?P<name>.*\S) \[(?P<unit>[^\[\]]*)\]")
_NUMBER = re.compile(r"# (?P<title>.*\]) = (?P<value>\S+)")
_PARTS = re.compile(r"(re|im)\((.*)\)")
AXES = ("time", "frequency", "sweep")


def read_csv_waves(path: str | Path) -> xr.Dataset:
    """Read waveforms that `write_csv` wrote; tables of others are for `memsim fit`.

    Raises:
        InputError: there is no such file, or it is not such a table.
    """
    path = Path(path)
    lines = read_text(path, f"table {str(path)!r}", "a table that memsim wrote").splitlines()
    numbers = [found for found in map(_NUMBER.fullmatch, lines) if found is not None]
    rows = list(csv.reader(line for line in lines if not line.startswith("#")))
    titles = [_TITLE.fullmatch(cell) for cell in rows[0]] if rows else []
    named = [(found["name"], found["unit"]) for found in titles if found is not None]
    if not named or len(named) < len(titles):
        raise InputError(
            f"{path} is not a table of waveforms that memsim wrote, whose header is such as `time [s],v(mem) [V]`; "
            "memsim fit reads measurements of others"
        )
    try:
        data = np.array([[float(cell) for cell in row] for row in rows[1:]]).reshape(-1, len(named))
    except ValueError as error:
        raise InputError(f"{path}: {error}; the table is damaged") from None
    axis = named[0][0] if named[0][0] in AXES else None
    found = {name: (values, unit) for (name, unit), values in zip(named, data.T, strict=True)}
    return _as_dataset(_joined(found), axis, numbers)


def _joined(found: dict[str, tuple[Any, str]]) -> dict[str, tuple[Any, str]]:
    """Columns with the two of each complex waveform as one."""
    whole: dict[str, tuple[Any, str]] = {}
    for name, (values, unit) in found.items():
        part = _PARTS.fullmatch(name)
        if part is None or f"re({part[2]})" not in found or f"im({part[2]})" not in found:
            whole[name] = (values, unit)
        elif part[1] == "re":
            whole[part[2]] = (values + 1j * found[f"im({part[2]})"][0], unit)
    return whole


def _as_dataset(
    columns: dict[str, tuple[Any, str]], axis: str | None, numbers: list[re.Match[str]]
) -> xr.Dataset:
    single = axis is None and all(len(values) == 1 for values, _ in columns.values())
    dims: tuple[str, ...] = () if single else (axis or "point",)
    arrays: dict[str, Any] = {
        name: (dims, values[0] if single else values, {"units": unit})
        for name, (values, unit) in columns.items()
    }
    for number in numbers:
        title = _TITLE.fullmatch(number["title"])
        if title is not None:
            arrays[title["name"]] = ((), float(number["value"]), {"units": title["unit"]})
    dataset = xr.Dataset(arrays)
    return dataset if axis is None else dataset.set_coords(axis)


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
