"""Reads in the order of time, for what remembers: amplifiers with hysteresis, and references that change.

In an inference the arrays of a layer are read step after step, at each step for one position of an image after the
other, line by line, and at each position for one digit of a serial input after the other. Other samples of a batch are
other inferences: the same chip at another time, from the same start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.imc.converters import Converter


@dataclass(eq=False)
class Memory:
    """What a layer knows of the inferences that it is in.

    Attributes:
        samples: inferences side by side.
        steps: that were taken.
        last: what the converters of each tile remember, by its number.
    """

    samples: int
    steps: int = 0
    last: dict[int, Tensor] = field(default_factory=dict)

    def copy(self) -> Memory:
        """That is changed without this one."""
        return Memory(self.samples, self.steps, dict(self.last))


class InOrder(NamedTuple):
    """Vectors that lie as [digits, steps, samples, positions], read in the order of time.

    Attributes:
        memory: of the layer, which reads change.
        digits: of a serial input.
        steps: of these vectors.
    """

    memory: Memory
    digits: int
    steps: int

    def read(
        self,
        tile: int,
        converter: Converter,
        p: Tensor,
        made: Tensor,
        generator: torch.Generator | None,
    ) -> Tensor:
        """What converters of a tile make of its sums [1, vectors, lines], in that shape."""
        lying = p[0].unflatten(0, (self.digits, self.steps, self.memory.samples, -1))
        in_time = lying.permute(2, 1, 3, 0, 4)
        sequences = in_time.flatten(1, 3)
        reads, last = converter.continued(sequences, made, generator, self.memory.last.get(tile))
        # reads are added to in place
        self.memory.last[tile] = last.clone()
        return reads.reshape(in_time.shape).permute(3, 1, 0, 2, 4).reshape(p.shape)


def steps_of(leading: Sequence[int], samples: int, name: str) -> int:
    """Steps that the leading axes of inputs stand for.

    Args:
        leading: [steps * samples], [steps, samples, positions ...] or [steps * samples, positions ...].
        samples: inferences side by side.
        name: of the layer, for messages.

    Raises:
        InputError: they have no axis of so many samples, or could be read in two ways.
    """
    first, *others = leading
    time_first = bool(others) and others[0] == samples
    merged = first % samples == 0
    if time_first and merged and samples > 1:
        raise InputError(
            f"{name} gets inputs of {list(leading)} vectors, whose axis of {samples} samples could be the first or the "
            f"second; give [steps * {samples}, rows], or another number of samples"
        )
    if time_first:
        return first
    if merged:
        return first // samples
    raise InputError(
        f"{name} gets inputs of {list(leading)} vectors in an inference of {samples} samples; give "
        f"[steps * {samples}, rows] or [steps, {samples}, rows], of images [steps * {samples}, ...]"
    )
