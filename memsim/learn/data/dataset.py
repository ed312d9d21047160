"""What every data set looks like: examples kept small in memory, given out as float32 in [0, 1]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from memsim.errors import InputError


@dataclass(frozen=True)
class Split:
    """Examples and their labels.

    Attributes:
        stored: [n, features] for static inputs, [n, time, features] for time-domain inputs; uint8 or float32.
        labels: [n] classes, int64; or numbers to predict, [n, k] or [n, slots, k], float32.
        full_scale: the stored value that stands for 1.
        signal: [n, time] which time bins show something, of data where others are noise; None where that is not known.
    """

    stored: Tensor
    labels: Tensor
    full_scale: float = 1.0
    signal: Tensor | None = None

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
        classes: number of classes, labels are 0 to classes - 1; or of numbers to predict, all of them for each input.
        shape: shape of one input, or of one time bin of it, such as (28, 28) or (2, 34, 34); its product is the
            number of features.
        train: examples to train on.
        test: examples to test on.
        duration: real length of a time-domain input [s]; None for static inputs, and where it is not known.
        names: of the classes in order, where they have some.
        rails: word lines of each channel: 2 where the sign has a line of its own, all positive ones first.
        mean, unit: [k] of numbers to predict, float64: labels are (number - mean) / unit.
        notes: what was made of data of the user's own.
        origin: path of data of the user's own.
        digest: SHA-256 of data of the user's own.
        parts: channels of each of several inputs that lie side by side, in order; none where the input is one.
        velocities: whether labels are those of what an event camera sees, of one place or of each pixel: all along
            columns before all along rows.
        in_order: whether neighbouring examples are neighbours in time, so that what is held out must be one piece.
    """

    name: str
    classes: int
    shape: tuple[int, ...]
    train: Split
    test: Split
    duration: float | None = None
    names: tuple[str, ...] = ()
    rails: int = 1
    mean: Tensor | None = None
    unit: Tensor | None = None
    notes: tuple[str, ...] = ()
    origin: str | None = None
    digest: str | None = None
    parts: dict[str, int] = field(default_factory=dict)
    velocities: bool = False
    in_order: bool = False

    def __post_init__(self) -> None:
        for part, split in (("train", self.train), ("test", self.test)):
            _check_labels(f"{self.name} ({part})", split, self.classes)

    @property
    def time_domain(self) -> bool:
        """Whether an input is a course over time [time, features] instead of one pattern [features]."""
        return self.train.stored.ndim == 3

    @property
    def slots(self) -> int | None:
        """Time bins of an input; None for static inputs."""
        return self.train.stored.shape[1] if self.time_domain else None

    @property
    def regression(self) -> bool:
        """Whether labels are numbers to predict, and not classes."""
        return self.train.labels.is_floating_point()

    def in_units(self, outputs: Tensor) -> Tensor:
        """What a network says, in the units of the numbers to predict, float64 as these are."""
        return outputs if self.mean is None or self.unit is None else outputs * self.unit + self.mean

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
    if split.labels.is_floating_point():
        return
    wrong = torch.nonzero((split.labels < 0) | (split.labels >= classes))
    if len(wrong):
        where = int(wrong[0])
        raise InputError(
            f"{source}: label {where} is {int(split.labels[where])}; allowed: 0 to {classes - 1}. "
            "The label file is damaged or of another data set"
        )
