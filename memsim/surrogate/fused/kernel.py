"""What runs a step program over all samples of a run: the interface of the kernels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor

from memsim.surrogate.frames import Frame
from memsim.surrogate.fused.program import StepProgram

Constant = Tensor | float
"""One value for each lane, or a number for all."""


class Drive(NamedTuple):
    """What is given of a run.

    Attributes:
        u: inputs, each [samples, lanes].
        h: sizes of the steps [s], one less than samples.
        constants: values of the program's constants.
    """

    u: Sequence[Tensor]
    h: Sequence[float]
    constants: Sequence[Constant]

    def frame(self, k: int, y: Sequence[Tensor]) -> Frame:
        """Step k from unknowns `y`."""
        return Frame(y, [s[k] for s in self.u], [s[k + 1] for s in self.u], self.h[k])

    def part(self, first: int, last: int) -> Drive:
        """Steps `first` to `last`, which is not among them."""
        return Drive([signal[first : last + 1] for signal in self.u], self.h[first:last], self.constants)


class Course(NamedTuple):
    """What became of it.

    Attributes:
        y: unknowns, each [samples, lanes].
        levels: into 2**level equal parts each step was divided, [samples - 1, lanes]; `frames.UNRESOLVED` where that
            was not enough.
    """

    y: Sequence[Tensor]
    levels: Tensor


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
    def forward(self, y: Sequence[Tensor], drive: Drive) -> Course:
        """The run from unknowns [lanes] each."""

    def advance(self, course: Course, k: int, drive: Drive) -> None:
        """Fill in step k of a course that is known up to there; `drive` is that step's."""
        done = self.forward([column[k] for column in course.y], drive)
        for column, part in zip(course.y, done.y, strict=True):
            column[k + 1] = part[1]
        course.levels[k] = done.levels[0]

    @abstractmethod
    def backward(self, course: Course, drive: Drive, gradients: Gradients) -> list[Tensor]:
        """Discrete adjoint of `forward` along the course that it gave.

        Returns:
            Gradients by the unknowns at the start, each [lanes].
        """
