from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from memsim.errors import InputError
from memsim.learn.data.archives import DAMAGED, refuse_objects
from memsim.learn.data.formats.base import Format
from memsim.learn.data.formats.classes import has_classes, read_classes, same_shape
from memsim.learn.data.formats.npz import SPLIT, WHOLE, examples_of
from memsim.learn.data.raw import Array, Found, Values
from memsim.learn.data.table import DataTable

SUFFIXES = (".npy",)


class ArrayFolder(Format):
    """Arrays in files of their own."""

    what = "a folder of .npy files x_train, y_train, x_test and y_test, or x and y, or CLASS/NAME.npy"

    def holds(self, path: Path) -> bool:
        return bool(_named(path)) or has_classes(path, SUFFIXES)

    def read(self, path: Path, table: DataTable, slots: int) -> Found:
        if named := _named(path):
            return examples_of({file.stem: read_array(file) for file in named}, path)
        return Found(*read_classes(path, SUFFIXES, read_array, _joined))


def read_array(path: Path) -> Array:
    """The array of an .npy file; pickled objects are never read."""
    try:
        with path.open("rb") as file:
            refuse_objects(file, str(path))
        return np.load(path, allow_pickle=False)
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(
            f"{path} cannot be read as an array of numbers or texts: {str(error).splitlines()[0]}"
        ) from None


def _named(folder: Path) -> list[Path]:
    whole = {folder / f"{name}.npy" for name in (*SPLIT, *WHOLE)}
    return sorted({path for path in whole if path.exists()} | set(folder.glob("x_*.npy")))


def _joined(examples: Sequence[tuple[Path, Array]]) -> Values:
    """Series may differ in length; everything else has one shape."""
    arrays = [array for _, array in examples]
    if len({len(array) for array in arrays if array.ndim}) > 1:
        behind = {array.shape[1:] for array in arrays}
        if len(behind) == 1 and arrays[0].ndim in {1, 2}:
            return arrays
    return same_shape(examples)
