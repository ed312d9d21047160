from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from memsim.errors import InputError

DATA_VARIABLE = "MEMSIM_DATA"


def data_folder(folder: Path | None) -> Path | None:
    """The folder with data sets: the one given, else that of the environment variable MEMSIM_DATA, else None.

    Raises:
        InputError: the folder does not exist.
    """
    chosen = folder or (Path(os.environ[DATA_VARIABLE]) if os.environ.get(DATA_VARIABLE) else None)
    if chosen is not None and not chosen.is_dir():
        raise InputError(
            f"data folder {str(chosen)!r} is not a folder; give one with --data-dir or {DATA_VARIABLE}"
        )
    return chosen


def find(folder: Path | None, places: Iterable[str], names: Iterable[str]) -> Path | None:
    """The first of `places`/`names` that exists, also looked for directly inside the folder."""
    if folder is None:
        return None
    names = tuple(names)
    candidates = (folder / place / name for place in (*places, ".") for name in names)
    return next((path for path in candidates if path.exists()), None)
