"""Still images: digits from scikit-learn, MNIST and Fashion-MNIST from IDX files or OpenML."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.learn.data.dataset import Dataset, Split
from memsim.learn.data.folders import DATA_VARIABLE, find
from memsim.learn.data.idx import read_idx

TEST_SHARE = 0.25
SPLIT_SEED = 0
SIDE = 28
WHITE = 255.0


@dataclass(frozen=True)
class _Family:
    """Where a data set in MNIST's format is found.

    Attributes:
        name: as `load_dataset` knows it.
        places: usual folders of its IDX files.
        openml: its name at OpenML, where the 60 000 training images come first.
        first_labels: those of the first test images; relatives of MNIST share their file names.
    """

    name: str
    places: tuple[str, ...]
    openml: str
    first_labels: tuple[int, ...]


FAMILIES = {
    family.name: family
    for family in (
        _Family("mnist", ("mnist", "MNIST/raw"), "mnist_784", (7, 2, 1, 0, 4, 1, 4, 9, 5, 9)),
        _Family(
            "fashion-mnist",
            ("fashion-mnist", "fashion_mnist", "FashionMNIST/raw"),
            "Fashion-MNIST",
            (9, 2, 1, 1, 6, 1, 4, 6, 5, 7),
        ),
    )
}
OPENML_TRAINING_IMAGES = 60_000


def digits() -> Dataset:
    """The 8x8 handwritten digits that ship inside scikit-learn: 1347 images to train on, 450 to test on."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    parts = train_test_split(
        bunch.data, bunch.target, test_size=TEST_SHARE, random_state=SPLIT_SEED, stratify=bunch.target
    )
    train_x, test_x = (torch.as_tensor(part, dtype=torch.uint8) for part in parts[:2])
    train_y, test_y = (torch.as_tensor(part, dtype=torch.int64) for part in parts[2:])
    return Dataset("digits", 10, (8, 8), Split(train_x, train_y, 16.0), Split(test_x, test_y, 16.0))


def mnist(folder: Path | None) -> Dataset:
    """MNIST (Y. LeCun et al., Proc. IEEE 86(11), 1998): 60 000 and 10 000 images of digits, 28x28.

    IDX files in the data folder come first; else scikit-learn fetches the set from OpenML and keeps it in its cache.

    Raises:
        InputError: damaged files; or none, and no network.
    """
    return _load(FAMILIES["mnist"], folder)


def fashion_mnist(folder: Path | None) -> Dataset:
    """Fashion-MNIST (H. Xiao et al., arXiv:1708.07747): 60 000 and 10 000 images of clothes, found as MNIST is."""
    return _load(FAMILIES["fashion-mnist"], folder)


def _load(family: _Family, folder: Path | None) -> Dataset:
    train, test = _from_files(family, folder) or _from_openml(family)
    return Dataset(family.name, 10, (SIDE, SIDE), train, test)


def _from_files(family: _Family, folder: Path | None) -> tuple[Split, Split] | None:
    kinds = ("train-images", "train-labels", "t10k-images", "t10k-labels")
    paths = {kind: _find_idx(family, folder, kind) for kind in kinds}
    found = {kind: path for kind, path in paths.items() if path is not None}
    if not found:
        return None
    if len(found) < len(kinds):
        missing = ", ".join(sorted(set(kinds) - set(found)))
        raise InputError(f"{family.name} in {folder} is incomplete: no file for {missing}; add it")
    test_labels = read_idx(found["t10k-labels"], 1)
    _check_family(family, found["t10k-labels"], test_labels)
    return (
        Split(_images(found["train-images"]), read_idx(found["train-labels"], 1).long(), WHITE),
        Split(_images(found["t10k-images"]), test_labels.long(), WHITE),
    )


def _find_idx(family: _Family, folder: Path | None, kind: str) -> Path | None:
    dimensions = 3 if kind.endswith("images") else 1
    names = [f"{kind}{dot}idx{dimensions}-ubyte{gz}" for dot in "-." for gz in ("", ".gz")]
    return find(folder, family.places, names)


def _images(path: Path) -> Tensor:
    images = read_idx(path, 3)
    if images.shape[1:] != (SIDE, SIDE):
        raise InputError(
            f"{path} holds images of {images.shape[1]} x {images.shape[2]} pixels; allowed: {SIDE} x {SIDE}"
        )
    return images.flatten(1)


def _check_family(family: _Family, path: Path, test_labels: Tensor) -> None:
    """Refuse the files of a relative."""
    first = tuple(test_labels[:10].tolist())
    other = next((other.name for other in FAMILIES.values() if other.first_labels == first), family.name)
    if other != family.name:
        raise InputError(f"{path} belongs to {other}, not to {family.name}; put it into a folder {other}/")


def _from_openml(family: _Family) -> tuple[Split, Split]:
    from sklearn.datasets import fetch_openml

    try:
        with warnings.catch_warnings():  # a failed attempt is warned of before it is raised
            warnings.simplefilter("ignore")
            bunch: Any = fetch_openml(family.openml, version=1, as_frame=False, n_retries=1)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{family.name} was not found: put its four IDX files (train-images-idx3-ubyte.gz and so on) into "
            f"{family.places[0]}/ of a folder given with --data-dir or {DATA_VARIABLE}, or connect to the network so "
            f"that it can be fetched from OpenML ({error})"
        ) from None
    pixels = torch.from_numpy(np.asarray(bunch.data, dtype=np.uint8))
    labels = torch.from_numpy(np.asarray(bunch.target, dtype=np.int64))
    first = slice(OPENML_TRAINING_IMAGES)
    rest = slice(OPENML_TRAINING_IMAGES, None)
    return Split(pixels[first], labels[first], WHITE), Split(pixels[rest], labels[rest], WHITE)
