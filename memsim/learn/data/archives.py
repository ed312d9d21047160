from __future__ import annotations

import lzma
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from memsim.errors import InputError

MAX_BYTES = 2**30
"""Largest archive, unpacked, that is read."""


def read_archive(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """The named arrays of an `.npz` file; pickled objects are never read.

    Raises:
        InputError: the file is damaged, too large when unpacked, or lacks an array.
    """
    try:
        with zipfile.ZipFile(path) as content:
            size = sum(entry.file_size for entry in content.infolist())
        if size > MAX_BYTES:
            raise InputError(f"{path} unpacks to {size} bytes; allowed: up to {MAX_BYTES}")
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in names if name not in arrays]
            if missing:
                raise InputError(f"{path} has no array {', '.join(missing)}; needed: {', '.join(names)}")
            return {name: arrays[name] for name in names}
    except InputError:
        raise
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{path} cannot be read: {error}; fetch the file again") from None


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
