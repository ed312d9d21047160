"""HDF5 files of others (netCDF, NIR) looked over before they are read: their size in memory, and where they point."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py

from memsim.errors import InputError
from memsim.memory import check_memory, format_bytes

MOST_BYTES = 4 * 2**30
"""Largest content, unpacked, that is read: a small file can declare any amount of what it was filled with."""
DAMAGED: tuple[type[Exception], ...] = (
    OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, IndexError, AssertionError,
    NotImplementedError, OverflowError, MemoryError, RecursionError,
)  # fmt: skip
"""What h5py and those who read through it raise on files that are damaged or made to break them."""
_STRING = 16  # bytes in the file that refer to one string of any length
_TEXT_AT_ONCE = 2**24


def check_hdf5(path: Path) -> None:
    """Refuse a file that does not fit into memory, or leads in circles or out of itself.

    Raises:
        InputError: what is wrong with it. Any of DAMAGED: it is not HDF5, or damaged.
    """
    with h5py.File(path, "r") as file:
        datasets = list(_datasets(path, file))
        declared = sum(one.size * max(one.dtype.itemsize, _STRING) for one in datasets if one.size)
        _check_size(path, declared)
        texts = [one for one in datasets if one.size and h5py.check_string_dtype(one.dtype)]
        length = sum(_text_length(path, one) for one in texts)
        check_memory(str(path), 2 * (declared + length), "read a part of it with xarray")


def _datasets(path: Path, group: h5py.Group) -> Iterator[h5py.Dataset]:
    waiting, seen = [group], {h5py.h5o.get_info(group.id).addr}
    while waiting:
        place = waiting.pop()
        for name in place:
            if not isinstance(place.get(name, getlink=True), h5py.HardLink):
                raise InputError(
                    f"{path}: {name!r} is a link to another place; give a file that holds its data"
                )
            one = place[name]
            if isinstance(one, h5py.Group):
                address = h5py.h5o.get_info(one.id).addr
                if address in seen:
                    raise InputError(
                        f"{path}: its group {name!r} leads back into itself; it is no netCDF file"
                    )
                seen.add(address)
                waiting.append(one)
            elif isinstance(one, h5py.Dataset):
                if one.is_virtual or one.external:
                    raise InputError(
                        f"{path}: the data of {name!r} lie in another file; give one that holds them"
                    )
                yield one


def _check_size(path: Path, count: float) -> None:
    if count > MOST_BYTES:
        raise InputError(
            f"{path} holds {format_bytes(count)} of data, unpacked; allowed: up to {format_bytes(MOST_BYTES)}. "
            "Read a part of it with xarray"
        )


def _text_length(path: Path, texts: h5py.Dataset) -> int:
    """Bytes of all strings, read a few at a time: many may refer to the same long one."""
    flat = texts[()] if not texts.shape else None
    if flat is not None:
        return len(flat)
    rows = max(1, _TEXT_AT_ONCE // max(path.stat().st_size * max(texts.size // len(texts), 1), 1))
    length = 0
    for start in range(0, len(texts), rows):
        length += sum(len(text) for text in texts[start : start + rows].ravel())
        _check_size(path, length)
    return length
