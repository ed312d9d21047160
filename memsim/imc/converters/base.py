"""What every converter is, and the numbers that its parts are drawn with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from memsim.errors import InputError


class Converter(ABC):
    """A kind of converter."""

    @property
    @abstractmethod
    def random(self) -> bool:
        """Whether reads draw random numbers."""

    @abstractmethod
    def made(self, tiles: int, lines: int, generator: torch.Generator | None) -> Tensor:
        """What each line is read by, [tiles, 1, lines, ...]; drawn once for each converter."""

    @abstractmethod
    def __call__(self, p: Tensor, made: Tensor, generator: torch.Generator | None) -> Tensor:
        """Reads [tiles, reads, lines] in LSB, or decisions, of partial sums of that shape in LSB."""


@dataclass(frozen=True)
class IdealConverter(Converter):
    """Reads sums exactly."""

    @property
    def random(self) -> bool:
        return False

    def made(self, tiles: int, lines: int, generator: torch.Generator | None) -> Tensor:
        return torch.zeros(1, 1, 1)

    def __call__(self, p: Tensor, made: Tensor, generator: torch.Generator | None) -> Tensor:
        return p


def drawn(spread: float, tiles: int, lines: int, columns: int, generator: torch.Generator | None) -> Tensor:
    """One normal number for each converter, [tiles, 1, lines]; zeros that are broadcast without spread."""
    if not spread:
        return torch.zeros(1, 1, 1)
    converters = -(-lines // columns)
    numbers = spread * torch.randn(tiles, 1, converters, generator=noise_source(generator))
    return numbers.repeat_interleave(columns, -1)[..., :lines]


def noise_source(generator: torch.Generator | None) -> torch.Generator:
    """The generator of converters that are random.

    Raises:
        InputError: there is none.
    """
    if generator is None:
        raise InputError("generator = None, but these converters are random; give a torch.Generator")
    return generator
