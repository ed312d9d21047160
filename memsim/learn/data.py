"""Data sets as tensors: images in [0, 1], labels, split into train and test."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TEST_SHARE = 0.25
SPLIT_SEED = 0
"""The split is part of the data set, not of a run: every seed trains and tests on the same images."""


@dataclass(frozen=True)
class Dataset:
    """Images [n, pixels] scaled to [0, 1], with labels [n]."""

    name: str
    classes: int
    shape: tuple[int, int]
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor


def digits() -> Dataset:
    """The 8x8 handwritten digits that ship inside scikit-learn: 1347 images to train on, 450 to test on."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    parts = train_test_split(
        bunch.data / 16.0, bunch.target, test_size=TEST_SHARE, random_state=SPLIT_SEED, stratify=bunch.target
    )
    train_x, test_x = (torch.as_tensor(part, dtype=torch.float32) for part in parts[:2])
    train_y, test_y = (torch.as_tensor(part, dtype=torch.int64) for part in parts[2:])
    return Dataset("digits", 10, (8, 8), train_x, train_y, test_x, test_y)


DATASETS = {"digits": digits}
