"""Folders in which the name of a folder is the class of the files in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from memsim.errors import InputError
from memsim.learn.data.raw import Array, Examples, Values

PARTS = ("train", "test")
Example = TypeVar("Example")


def has_classes(folder: Path, suffixes: Collection[str]) -> bool:
    """Whether a folder has classes of files with one of these suffixes."""
    return folder.is_dir() and any(_files(folder, suffixes))


def read_classes(
    folder: Path,
    suffixes: Collection[str],
    read: Callable[[Path], Example],
    join: Callable[[Sequence[tuple[Path, Example]]], Values],
) -> tuple[Examples, Examples | None]:
    """Examples of a folder CLASS/FILE, or train/CLASS/FILE and test/CLASS/FILE.

    Args:
        folder: to read.
        suffixes: of the files; others are left alone.
        read: one example.
        join: examples of a part, with their paths, as inputs.

    Raises:
        InputError: one of train and test is missing or empty.
    """
    split = any((folder / part).is_dir() for part in PARTS)
    found = []
    for place in [folder / part for part in PARTS] if split else [folder]:
        files = _of_classes(place, suffixes)
        if not files:
            raise InputError(
                f"{place} has no files CLASS/NAME that end in {' or '.join(sorted(suffixes))}; add some"
            )
        inputs = join([(path, read(path)) for path in files])
        found.append(Examples(inputs, np.array([path.parent.name for path in files])))
    return found[0], found[1] if split else None


def same_shape(examples: Sequence[tuple[Path, Array]]) -> Array:
    """Examples as one array; raises InputError where their shapes differ."""
    (first, one), *others = examples
    for path, other in others:
        if other.shape != one.shape:
            raise InputError(
                f"{path} has shape {other.shape}, and {first.name} has {one.shape}; give all the same shape"
            )
    return np.stack([array for _, array in examples])


def _files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    places = [folder / part for part in PARTS if (folder / part).is_dir()] or [folder]
    return [path for place in places for path in _of_classes(place, suffixes)]


def _of_classes(folder: Path, suffixes: Collection[str]) -> list[Path]:
    return sorted(path for path in folder.glob("*/*") if path.suffix.lower() in suffixes)
