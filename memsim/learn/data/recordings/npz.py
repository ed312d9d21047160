from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from memsim.learn.data.archives import read_arrays
from memsim.learn.data.raw import Array
from memsim.learn.data.recordings.base import EventFile
from memsim.learn.data.recordings.columns import Columns, chosen, named


class NpzEvents(EventFile):
    """Arrays t, x, y and p, or structured arrays with these fields."""

    suffixes = (".npz",)

    def read(self, path: Path, place: str | None) -> Columns:
        arrays = read_arrays(path)
        places: dict[str, Mapping[str, Array]] = {}
        if own := named(arrays):
            places[""] = {key: arrays[name] for key, name in own.items()}
        for name, array in arrays.items():
            if fields := named(array.dtype.names or ()):
                places[name] = {key: array[field] for key, field in fields.items()}
        return Columns(chosen(places, place)[1])
