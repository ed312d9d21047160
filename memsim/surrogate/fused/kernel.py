"""What runs a step program over all samples of a run: the interface of the kernels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from memsim.surrogate.fused.program import StepProgram

Constant = Tensor | float
"""One value for each lane, or a number for all."""


@dataclass(frozen=True)
class Gradients:
    """What a backward pass starts from and adds to.

    Attributes:
        kept: by each unknown at all samples but the last, [samples, lanes]; None where zero.
        last: by each unknown at the last sample, [lanes].
        inputs: by each input, [samples, lanes]: the last sample is added to, the others are filled in; empty where
            not wanted.
        constants: by constants, by their number, [lanes], added to.
    """

    kept: Sequence[Tensor | None]
    last: Sequence[Tensor]
    inputs: Sequence[Tensor]
    constants: Mapping[int, Tensor]


class Kernel(ABC):
    """A compiled step program. A lane is one sample of the flattened batch."""

    name: ClassVar[str]

    def __init__(self, program: StepProgram) -> None:
        self.program = program

    @abstractmethod
    def forward(
        self, y: Sequence[Tensor], u: Sequence[Tensor], constants: Sequence[Constant]
    ) -> list[Tensor]:
        """Unknowns, each [samples, lanes], from their start [lanes] and the inputs [samples, lanes]."""

    @abstractmethod
    def backward(
        self, y: Sequence[Tensor], u: Sequence[Tensor], constants: Sequence[Constant], gradients: Gradients
    ) -> list[Tensor]:
        """Discrete adjoint of `forward` along the unknowns `y` [samples, lanes] that it gave.

        Returns:
            Gradients by the unknowns at the start, each [lanes].
        """
