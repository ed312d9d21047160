"""Data for networks of one's own: numbers as they are, with the axes that layers of torch take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.learn.data import is_own, load_dataset
from memsim.learn.data.dataset import Dataset, Split
from memsim.learn.data.folders import data_folder
from memsim.learn.data.formats import read_data
from memsim.learn.data.inputs import BYTE, check_values, in_layout, layout_of
from memsim.learn.data.own import common_kind, divided
from memsim.learn.data.places import find_data
from memsim.learn.data.raw import Array, Examples
from memsim.learn.data.table import MOST_SLOTS, DataTable
from memsim.learn.data.targets import prepare_targets


@dataclass(frozen=True)
class Samples:
    """Inputs [n, features], [n, channels, height, width] or [n, time, ...], and their targets.

    Attributes:
        name: of the data.
        train: samples that networks are fitted to a chip with.
        test: samples to judge by.
    """

    name: str
    train: Split
    test: Split


def samples_of(data: str, folder: Path | None = None) -> Samples:
    """Samples of a data set by its name, or of data of one's own by their path.

    Those of memsim have inputs from 0 to 1. Of one's own, numbers are those of the file, and bytes of images become 0
    to 1, as torchvision's ToTensor makes them. Classes are counted in sorted order, numbers to predict are as they are.

    Args:
        data: name, or path of a file or folder in a format of memsim.learn.data.formats.
        folder: where data sets are kept; the environment variable MEMSIM_DATA where left out.

    Raises:
        InputError: unknown data, or such that cannot be samples.
    """
    if is_own(data):
        return _own(find_data(data, (Path(), data_folder(folder))))
    found = load_dataset(data, folder)
    return Samples(found.name, *(_shown(found, split) for split in (found.train, found.test)))


def _shown(data: Dataset, split: Split) -> Split:
    """Images with an axis of channels; numbers to predict in their units."""
    shape = data.shape if len(data.shape) != 2 else (1, *data.shape)
    labels = data.in_units(split.labels).to(split.labels.dtype) if data.regression else split.labels
    return Split(split.stored.unflatten(-1, shape), labels, split.full_scale)


def _own(path: Path) -> Samples:
    table = DataTable(name=str(path))
    found = read_data(path, table, MOST_SLOTS)
    if found.train.apart:
        raise InputError(f"data {str(path)!r} have several inputs; allowed for a network of your own: one")
    kind = common_kind(found, None)
    layout, _ = layout_of(found, table)
    train, test, _ = divided(found, table, kind)
    targets = prepare_targets(train.targets, test.targets, kind, None) if kind == "classes" else None
    wanted = (
        (targets.train, targets.test)
        if targets is not None
        else (_numbers(train.targets), _numbers(test.targets))
    )
    splits = []
    for part, own in zip((train, test), wanted, strict=True):
        inputs = in_layout(_even(part, str(path)), layout)
        assert isinstance(inputs, np.ndarray)  # noqa: S101 - one of an array is one
        image = inputs.dtype == np.uint8 and layout == "images"
        stored = torch.from_numpy(inputs if image else inputs.astype(np.float32))
        splits.append(Split(stored, own, BYTE if image else 1.0))
    return Samples(path.stem, *splits)


def _even(part: Examples, path: str) -> Array:
    """Inputs in one array."""
    check_values("of the data", part.inputs)
    if isinstance(part.inputs, np.ndarray):
        return part.inputs
    if len({one.shape for one in part.inputs}) > 1:
        raise InputError(f"data {path!r} have inputs of different lengths; give all one length")
    return np.stack(list(part.inputs))


def _numbers(targets: Array) -> Tensor:
    """[n, k] from [n] or [n, k]."""
    numbers = torch.from_numpy(targets.astype(np.float32))
    return numbers if numbers.ndim > 1 else numbers[:, None]
