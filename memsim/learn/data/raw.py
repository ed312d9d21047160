"""What is read from a file: examples as they are, before anything is made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memsim.learn.data.table import Layout

Array = NDArray[Any]
Values = Array | Sequence[Any]
"""[n, ...], or n series [time, channels] of different length."""
AT_ONCE = 256
"""Examples that are worked on at once."""


@dataclass(frozen=True)
class Examples:
    """Inputs and what belongs to them.

    Attributes:
        inputs: [n, ...] numbers.
        targets: [n] texts or numbers, [n, k] numbers, or [n, time, k] numbers.
        apart: inputs of several parts by name, which still have to be put side by side; `inputs` is then the first one.
    """

    inputs: Values
    targets: Array
    apart: Mapping[str, Array] = field(default_factory=dict)

    @classmethod
    def of(cls, inputs: Values | Mapping[str, Array], targets: Array) -> Examples:
        """Of one input, or of several by name."""
        if isinstance(inputs, Mapping):
            return cls(next(iter(inputs.values())), targets, inputs)
        return cls(inputs, targets)

    def __len__(self) -> int:
        return len(self.targets)

    def part(self, chosen: Array) -> Examples:
        """Chosen examples, by their numbers."""
        inputs = self.inputs
        taken = inputs[chosen] if isinstance(inputs, np.ndarray) else [inputs[k] for k in chosen]
        return Examples(taken, self.targets[chosen])


@dataclass(frozen=True)
class Found:
    """What a format reads.

    Attributes:
        train: examples to train on, or all there are.
        test: examples to test on; None where the data have no split of their own.
        layout: of the inputs, where the format knows it.
        range: values that stand for 0 and 1, where the format knows them.
        duration: length of each input [s], where the format knows it.
        notes: what one should know.
    """

    train: Examples
    test: Examples | None = None
    layout: Layout | None = None
    range: tuple[float, float] | None = None
    duration: float | None = None
    notes: tuple[str, ...] = ()


def pieces(values: Values) -> Iterator[Array]:
    """Some examples at a time, in one array each."""
    if isinstance(values, np.ndarray):
        for start in range(0, len(values), AT_ONCE):
            yield values[start : start + AT_ONCE]
    else:
        for one in values:
            yield one[None]
