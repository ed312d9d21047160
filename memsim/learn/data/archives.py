from __future__ import annotations

import lzma
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from memsim.errors import InputError

DAMAGED: tuple[type[Exception], ...] = (
    OSError, EOFError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, NotImplementedError,
    OverflowError, MemoryError, SyntaxError, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip
"""What reading archives raises on damaged ones."""
MAX_BYTES = 2**30
"""Largest archive, unpacked, that is read."""
INSTEAD = (
    "save series of unequal length as CLASS/NAME.npy, each in a file of its own, texts such as labels of pandas with "
    ".astype(str), and numbers with .astype(float)"
)
"""Of arrays of Python objects."""
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_arrays(path: Path, names: tuple[str, ...] | None = None) -> dict[str, NDArray[Any]]:
    """Arrays in an `.npz` file, by name; pickled objects are never read.

    Args:
        path: the file.
        names: of the arrays that are needed; all where left out.

    Raises:
        InputError: the file is damaged, too large when unpacked, lacks an array, or has one of Python objects.
    """
    try:
        with zipfile.ZipFile(path) as content:
            size = sum(entry.file_size for entry in content.infolist())
            if size > MAX_BYTES:
                raise InputError(f"{path} unpacks to {size} bytes; allowed: up to {MAX_BYTES}")
            for name in content.namelist() if names is None else ():
                with content.open(name) as array:
                    refuse_objects(array, f"{path}: {name.removesuffix('.npy')}")
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in names or () if name not in arrays]
            if names is not None and missing:
                raise InputError(f"{path} has no array {', '.join(missing)}; needed: {', '.join(names)}")
            return {name: arrays[name] for name in names or arrays.files}
    except InputError:
        raise
    except DAMAGED:
        raise InputError(
            f"{path} cannot be read: it is damaged or no archive of arrays; fetch it again"
        ) from None


def refuse_objects(file: IO[bytes], name: str) -> None:
    """Raise InputError where an array in an open file, of that name in messages, is one of Python objects."""
    header = _HEADERS.get(np.lib.format.read_magic(file))
    if header is None:
        return
    shape, _, kind = header(file)
    if kind.hasobject:
        raise InputError(
            f"{name} holds Python objects, {shape} of them, which could run code and are not read: {INSTEAD}"
        )


def read_archive(path: Path, rows: tuple[str, ...], numbers: tuple[str, ...]) -> dict[str, Any]:
    """Whole numbers in an `.npz` file, by name; pickled objects are never read.

    Args:
        path: the file.
        rows: names of arrays of one dimension.
        numbers: names of single numbers.

    Raises:
        InputError: the file is damaged, too large when unpacked, or lacks an array of that kind.
    """
    found = read_arrays(path, (*rows, *numbers))
    for name, values in found.items():
        if getattr(values, "ndim", None) != (name in rows) or values.dtype.kind not in "biu":
            raise InputError(
                f"{path}: {name} is not {'a row of whole numbers' if name in rows else 'one whole number'}; "
                "fetch the file again"
            )
    return found


def check_offsets(path: Path, offsets: Any, total: int) -> None:
    """Raise InputError unless `offsets` cut `total` values into pieces that are not empty."""
    if (
        offsets.ndim != 1
        or len(offsets) < 2
        or offsets[0] != 0
        or offsets[-1] != total
        or (np.diff(offsets) <= 0).any()
    ):
        raise InputError(
            f"{path}: offsets do not cut its {total} values into recordings; "
            f"allowed: increasing, from 0 to {total}. Fetch the file again"
        )
