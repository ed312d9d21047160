"""Where the data of a study are, and whether they are still the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from memsim.errors import InputError
from memsim.learn.data.folders import DATA_VARIABLE

_CHUNK = 2**20


@dataclass(frozen=True)
class Known:
    """Data that a run was trained on.

    Attributes:
        path: where they were.
        sha256: of the file, or of names and contents of a folder's files.
    """

    path: str
    sha256: str


def find_data(name: str, folders: Iterable[Path | None], known: Known | None = None) -> Path:
    """The file or folder that a path means.

    Args:
        name: the path; from each of the folders where it is relative, and by its last part.
        folders: to look in, in this order; None stands for none.
        known: what it was the last time: the place that still holds the same comes before all others.

    Raises:
        InputError: it is nowhere.
    """
    path, places = Path(name).expanduser(), [folder for folder in folders if folder is not None]
    candidates = [Path(known.path)] if known else []
    candidates += [path] if path.is_absolute() else [folder / path for folder in places]
    candidates += [folder / path.name for folder in places]
    try:
        found = [one for one in dict.fromkeys(candidates) if one.exists()]
    except (OSError, ValueError):  # too long, or with a null byte
        found = []
    if not found:
        looked = ", ".join(dict.fromkeys(str(one.parent) for one in candidates))
        raise InputError(
            f"data {name!r} were not found in {looked}; give their path, or their folder with --data-dir or "
            f"{DATA_VARIABLE}"
        )
    same = (one for one in found if known and digest_of(one) == known.sha256)
    return next(same, found[0]).absolute()


def digest_of(path: Path) -> str:
    """SHA-256 of a file; of a folder, of the names and contents of all its files."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            if path.is_dir():
                digest.update(f"{file.relative_to(path).as_posix()}\0".encode())
            _add(digest, file)
    return digest.hexdigest()


def _add(digest: hashlib._Hash, file: Path) -> None:
    try:
        with file.open("rb") as content:
            while chunk := content.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}; make it readable") from None
