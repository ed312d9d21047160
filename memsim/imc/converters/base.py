"""What every converter is, and the numbers that its parts are drawn with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

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
    def reads(self, p: Tensor, made: Tensor, generator: torch.Generator | None) -> Tensor:
        """Reads [tiles, reads, lines] in LSB, or decisions, of partial sums of that shape in LSB; a new tensor."""

    @abstractmethod
    def pulled_back(self, gradient: Tensor, p: Tensor, made: Tensor) -> Tensor:
        """Gradient with respect to partial sums `p` from that with respect to their reads."""

    def continued(
        self, p: Tensor, made: Tensor, generator: torch.Generator | None, last: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Of a sequential converter: reads, and what parts remember after them, from what they did before.

        Args:
            p: sums [samples, reads, lines] in LSB, reads in the order of time.
            made: parts of the converters, [1, 1, lines].
            generator: of the noise.
            last: what parts remember; None before the first read.
        """
        raise NotImplementedError

    @property
    def has_slope(self) -> bool:
        """Whether reads have a gradient."""
        return True

    @property
    def decides(self) -> bool:
        """Whether reads are decisions of at most 1 either way."""
        return False

    @property
    def sequential(self) -> bool:
        """Whether a read depends on the ones before."""
        return False

    def __call__(self, p: Tensor, made: Tensor, generator: torch.Generator | None) -> Tensor:
        """Reads with their gradient."""
        if not (p.requires_grad and self.has_slope):
            return self.reads(p.detach(), made, generator)
        read: Tensor = _Read.apply(self, p, made, generator)
        return read


class _Read(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, converter: Converter, p: Tensor, made: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        ctx.converter = converter
        ctx.save_for_backward(p, made)
        return converter.reads(p, made, generator)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None, None]:
        return None, ctx.converter.pulled_back(gradient, *ctx.saved_tensors), None, None


@dataclass(frozen=True)
class IdealConverter(Converter):
    """Reads sums exactly."""

    @property
    def random(self) -> bool:
        return False

    def made(self, tiles: int, lines: int, generator: torch.Generator | None) -> Tensor:
        return drawn(0.0, tiles, lines, 1, generator)

    def reads(self, p: Tensor, made: Tensor, generator: torch.Generator | None) -> Tensor:
        return p.clone()

    def pulled_back(self, gradient: Tensor, p: Tensor, made: Tensor) -> Tensor:
        return gradient


def drawn(spread: float, tiles: int, lines: int, columns: int, generator: torch.Generator | None) -> Tensor:
    """One normal number for each converter, [tiles, 1, lines]; zeros that are broadcast without spread."""
    if not spread:
        return torch.zeros(1, 1, 1, device=None if generator is None else generator.device)
    source = noise_source(generator)
    numbers = spread * torch.randn(tiles, 1, -(-lines // columns), generator=source, device=source.device)
    return numbers.repeat_interleave(columns, -1)[..., :lines]


def normal(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Normal numbers for each of a tensor, drawn where the generator is, in the order of the tensor in memory."""
    if not like.is_contiguous() and like.mT.is_contiguous():
        return normal(like.mT, generator).mT
    source = noise_source(generator)
    return torch.randn(like.shape, generator=source, dtype=like.dtype, device=source.device).to(like.device)


def noise_source(generator: torch.Generator | None) -> torch.Generator:
    """The generator of converters that are random.

    Raises:
        InputError: there is none.
    """
    if generator is None:
        raise InputError("generator = None, but these converters are random; give a torch.Generator")
    return generator
