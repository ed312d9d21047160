"""Data sets with splits of their own, as compact tensors.

| name | inputs | files |
|---|---|---|
| digits | 8x8 images | inside scikit-learn |
| mnist, fashion-mnist | 28x28 images | IDX, plain or .gz; or OpenML |
| yin-yang | 4 numbers | none, computed |
| nmnist | events of a 34x34 camera, binned in time | folders Train/ and Test/ |
| fsdd | spoken digits, 40 bands over time | folder recordings/ |
| tonic:NAME | events, binned in time | the package tonic fetches them |
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from memsim.errors import InputError
from memsim.learn.data.dataset import Dataset, Split
from memsim.learn.data.folders import DATA_VARIABLE, data_folder
from memsim.learn.data.images import digits, fashion_mnist, mnist
from memsim.learn.data.nmnist import nmnist
from memsim.learn.data.speech import spoken_digits
from memsim.learn.data.tonic import from_tonic
from memsim.learn.data.yin_yang import yin_yang

__all__ = [
    "DATASETS",
    "DATA_VARIABLE",
    "STATIC",
    "TIME_BINS",
    "TIME_DOMAIN",
    "TONIC",
    "Dataset",
    "Split",
    "load_dataset",
]

STATIC: dict[str, Callable[[Path | None], Dataset]] = {
    "digits": lambda _: digits(),
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "yin-yang": lambda _: yin_yang(),
}
TIME_DOMAIN: dict[str, Callable[[Path | None, int], Dataset]] = {"nmnist": nmnist, "fsdd": spoken_digits}
DATASETS = (*STATIC, *TIME_DOMAIN)
TONIC = "tonic:"
TIME_BINS = 32


def load_dataset(name: str, folder: Path | None = None, *, bins: int = TIME_BINS) -> Dataset:
    """A data set by its name.

    Args:
        name: one of DATASETS, or `tonic:` and the name of a data set of tonic.
        folder: where data sets are kept; the environment variable MEMSIM_DATA where left out.
        bins: time bins of a time-domain input.

    Raises:
        InputError: unknown name, or files that are missing or damaged.
    """
    if bins < 1:
        raise InputError(f"bins = {bins} is out of range; allowed: >= 1")
    if name in STATIC:
        return STATIC[name](data_folder(folder))
    if name in TIME_DOMAIN:
        return TIME_DOMAIN[name](data_folder(folder), bins)
    if name.startswith(TONIC):
        return from_tonic(name.removeprefix(TONIC), data_folder(folder), bins)
    raise InputError(f"data set {name!r} is unknown; known: {', '.join(DATASETS)} and {TONIC}NAME")
