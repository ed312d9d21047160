"""What every data set looks like: examples kept small in memory, given out as float32 in [0, 1]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from memsim.errors import InputError


@dataclass(frozen=True)
class Split:
    """Examples and their labels.

    Attributes:
        stored: [n, features] for static inputs, [n, time, features] for time-domain inputs; uint8 or float32.
        labels: [n], int64.
        full_scale: the stored value that stands for 1.
    """

    stored: Tensor
    labels: Tensor
    full_scale: float = 1.0

    def __len__(self) -> int:
        return len(self.labels)

    def inputs(self, chosen: Tensor | slice = slice(None)) -> Tensor:
        """The chosen inputs, float32 in [0, 1]."""
        return self.stored[chosen].to(torch.float32) / self.full_scale

    def batch(self, chosen: Tensor | slice) -> tuple[Tensor, Tensor]:
        """The chosen inputs, float32 in [0, 1], and their labels."""
        return self.inputs(chosen), self.labels[chosen]

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All examples in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self.batch(slice(start, start + size))


@dataclass(frozen=True)
class Dataset:
    """A data set with the split that belongs to it: every run trains and tests on the same examples.

    Attributes:
        name: as `load_dataset` knows it.
        classes: number of classes; labels are 0 to classes - 1.
        shape: shape of one input, or of one time bin of it, such as (28, 28) or (2, 34, 34); its product is the
            number of features.
        train: examples to train on.
        test: examples to test on.
        duration: real length of a time-domain input [s]; None for static inputs.
    """

    name: str
    classes: int
    shape: tuple[int, ...]
    train: Split
    test: Split
    duration: float | None = None

    def __post_init__(self) -> None:
        for part, split in (("train", self.train), ("test", self.test)):
            _check_labels(f"{self.name} ({part})", split, self.classes)

    @property
    def time_domain(self) -> bool:
        """Whether an input is a course over time [time, features] instead of one pattern [features]."""
        return self.duration is not None

    @property
    def features(self) -> int:
        """Number of word lines that an input needs."""
        return self.train.stored.shape[-1]

    @property
    def plane(self) -> tuple[int, int]:
        """Height and width of what can be shifted: an image, or a course over time of channels side by side."""
        if len(self.shape) > 1:
            return self.shape[-2], self.shape[-1]
        return self.train.stored[0].numel() // self.features, self.features


def _check_labels(source: str, split: Split, classes: int) -> None:
    if not len(split):
        raise InputError(f"{source} has no examples; give at least one")
    if len(split.stored) != len(split.labels):
        raise InputError(
            f"{source} has {len(split.stored)} inputs and {len(split.labels)} labels; the files must belong together"
        )
    wrong = torch.nonzero((split.labels < 0) | (split.labels >= classes))
    if len(wrong):
        where = int(wrong[0])
        raise InputError(
            f"{source}: label {where} is {int(split.labels[where])}; allowed: 0 to {classes - 1}. "
            "The label file is damaged or of another data set"
        )
