"""Data sets with their own fixed splits, as compact tensors."""

from __future__ import annotations

from pathlib import Path

from memsim.errors import InputError
from memsim.learn.data.dataset import Dataset, Split
from memsim.learn.data.folders import DATA_VARIABLE, data_folder
from memsim.learn.data.images import FAMILIES, digits, mnist_family

__all__ = ["DATASETS", "DATA_VARIABLE", "Dataset", "Split", "load_dataset"]

DATASETS = ("digits", *FAMILIES)


def load_dataset(name: str, folder: Path | None = None) -> Dataset:
    """A data set by its name.

    Args:
        name: one of DATASETS.
        folder: where data sets are kept; the environment variable MEMSIM_DATA where left out.

    Raises:
        InputError: unknown name, or files that are missing or damaged.
    """
    if name not in DATASETS:
        raise InputError(f"data set {name!r} is unknown; known: {', '.join(DATASETS)}")
    if name == "digits":
        return digits()
    return mnist_family(name, data_folder(folder))
