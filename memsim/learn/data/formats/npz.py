from __future__ import annotations

import re
from pathlib import Path

from memsim.errors import InputError
from memsim.learn.data.archives import read_arrays
from memsim.learn.data.formats.base import Format
from memsim.learn.data.raw import Array, Examples, Found
from memsim.learn.data.table import DataTable

SPLIT, WHOLE = ("x_train", "y_train", "x_test", "y_test"), ("x", "y")


class NpzFile(Format):
    """Arrays in one file."""

    what = "an .npz file with x_train, y_train, x_test and y_test, or with x and y (x_NAME_train, x_NAME for parts)"

    def holds(self, path: Path) -> bool:
        return path.suffix == ".npz"

    def read(self, path: Path, table: DataTable, slots: int) -> Found:
        return examples_of(read_arrays(path), path)


def examples_of(arrays: dict[str, Array], path: Path) -> Found:
    """Examples by the usual names of arrays.

    Raises:
        InputError: names are missing, or inputs and labels differ in number.
    """
    names = SPLIT if set(SPLIT) & set(arrays) else WHOLE
    given = {x: {x: x} if x in arrays else _parts(arrays, x) for x in names[::2]}
    missing = [name for name in names if not given.get(name, name in arrays)]
    if missing:
        raise InputError(
            f"{path} has no {', '.join(missing)}; it has {', '.join(sorted(arrays)) or 'nothing'}; "
            f"allowed: {', '.join(SPLIT)}, or {' and '.join(WHOLE)}"
        )
    pairs = [(names[k], names[k + 1]) for k in range(0, len(names), 2)]
    for x, y in pairs:
        other = arrays[y]
        for name in given[x].values():
            one = arrays[name]
            if not one.ndim or not other.ndim or len(one) != len(other):
                raise InputError(
                    f"{path}: {name} has shape {one.shape} and {y} has shape {other.shape}; "
                    "both must begin with the number of examples"
                )
    parts = [
        Examples.of(
            arrays[x] if x in arrays else {part: arrays[name] for part, name in given[x].items()}, arrays[y]
        )
        for x, y in pairs
    ]
    return Found(parts[0], parts[1] if len(parts) > 1 else None)


def _parts(arrays: dict[str, Array], name: str) -> dict[str, str]:
    """Names of the arrays of several inputs in the place of one: x_NAME_train for x_train, x_NAME for x."""
    x, _, part = name.partition("_")
    pattern = re.compile(rf"{x}_([A-Za-z][\w-]*){f'_{part}' if part else ''}")
    found = {key: pattern.fullmatch(key) for key in arrays}
    return {match[1]: key for key, match in found.items() if match}
