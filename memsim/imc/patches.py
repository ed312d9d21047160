"""How inputs of layers are cut into vectors on word lines, piece by piece, and gradients put together again."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Protocol

from torch import Tensor
from torch.nn.functional import pad

from memsim.errors import InputError
from memsim.imc.frames import PLAIN, Frame


@dataclass(frozen=True)
class Piece:
    """Some of the vectors of a layer.

    Attributes:
        images: which of the images, or of the vectors of a fully connected layer.
        lines: which lines of each output image.
        vectors: which of all vectors.
    """

    images: slice
    lines: slice
    vectors: slice


class Vectors(ABC):
    """Inputs of a layer as vectors, in the order of its outputs; what was taken is gone when the next piece is."""

    @abstractmethod
    def pieces(self, most: int) -> Iterator[Piece]:
        """Whole lines of outputs, or whole images, of at most so many vectors; a single line may have more."""

    @abstractmethod
    def taken(self, piece: Piece) -> Tensor:
        """Vectors of a piece side by side, [rows, vectors]."""

    @abstractmethod
    def outputs(self, neurons: int) -> tuple[int, ...]:
        """Shape of the outputs."""

    @abstractmethod
    def of_outputs(self, outputs: Tensor, piece: Piece) -> Tensor:
        """A view on the outputs of a piece, [neurons, images, lines, columns] or [neurons, vectors]."""

    @abstractmethod
    def zeros(self) -> Vectors:
        """Inputs of that shape to add to."""

    @abstractmethod
    def add(self, piece: Piece, vectors: Tensor) -> None:
        """Add what vectors of a piece got to the inputs that they were taken from."""

    @property
    @abstractmethod
    def inputs(self) -> Tensor:
        """As they were given."""


class Cut(Protocol):
    """How a layer cuts its inputs."""

    def batch(self, inputs: Tensor, name: str) -> Tensor:
        """Inputs [n, ...] from those of a layer of torch, one or many.

        Raises:
            InputError: other axes than those of the layer of that name.
        """

    def rows(self, batch: Tensor) -> int:
        """Numbers in a vector."""

    def leading(self, inputs: Tensor, batch: Tensor) -> Sequence[int]:
        """Axes of the inputs of a layer that stand for steps and samples."""

    def __call__(self, batch: Tensor) -> Tensor:
        """All vectors [vectors, rows]."""

    def vectors(self, inputs: Tensor) -> Vectors:
        """Of all inputs [n, ...]."""

    def shaped(self, outputs: Tensor, inputs: Tensor) -> Tensor:
        """Outputs [n, ...] with the axes that a layer of torch gives for such inputs."""

    def errors(self, errors: Tensor, name: str) -> Tensor:
        """Errors of outputs [n, ...] from those with the axes that a layer of torch gives.

        Raises:
            InputError: other axes than those of the layer of that name.
        """

    def shape(self, errors: Tensor, rows: int, shape: Sequence[int] | None, name: str) -> Sequence[int]:
        """Of the inputs of a layer of so many rows that gives such outputs, where `shape` is what is known of it.

        Raises:
            InputError: it is not known, or another.
        """


@dataclass(frozen=True)
class Rows(Cut):
    """Inputs that are vectors already, of a fully connected layer."""

    def batch(self, inputs: Tensor, name: str) -> Tensor:
        return self._vectors(inputs, "inputs", name)

    def rows(self, batch: Tensor) -> int:
        return batch.shape[1]

    def leading(self, inputs: Tensor, batch: Tensor) -> Sequence[int]:
        return inputs.shape[:-1]

    def __call__(self, batch: Tensor) -> Tensor:
        return batch

    def vectors(self, inputs: Tensor) -> Vectors:
        return _RowVectors(inputs)

    def shaped(self, outputs: Tensor, inputs: Tensor) -> Tensor:
        return outputs.reshape(*inputs.shape[:-1], outputs.shape[-1]) if inputs.ndim != 2 else outputs

    def errors(self, errors: Tensor, name: str) -> Tensor:
        return self._vectors(errors, "errors", name)

    def shape(self, errors: Tensor, rows: int, shape: Sequence[int] | None, name: str) -> Sequence[int]:
        found = (*errors.shape[:-1], rows)
        if shape is not None and tuple(shape) != found:
            raise InputError(
                f"shape = {list(shape)} is not that of {name}'s inputs, {list(found)}; leave it out"
            )
        return found

    def _vectors(self, given: Tensor, what: str, name: str) -> Tensor:
        if not given.ndim:
            raise InputError(f"{name} gets {what} of shape []; allowed: a vector, or many of them")
        return given[None] if given.ndim == 1 else given.flatten(0, -2)


@dataclass(frozen=True)
class Patches(Cut):
    """How a convolution cuts images into vectors: torch's numbers, of rows and columns.

    Attributes:
        kernel, stride, padding, dilation: as of nn.Conv2d.
        frame: what inputs become before.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    frame: Frame = PLAIN

    def sides(self, height: int, width: int) -> tuple[int, int]:
        """Of the output.

        Raises:
            InputError: the kernel is larger than the padded image.
        """
        spans = [
            side + 2 * p - d * (k - 1) - 1
            for side, k, p, d in zip((height, width), self.kernel, self.padding, self.dilation, strict=True)
        ]
        if min(spans) < 0:
            raise InputError(
                f"an image of {height} x {width} pixels is smaller than the kernel of {self.kernel}; give a larger one"
            )
        down, along = (span // s + 1 for span, s in zip(spans, self.stride, strict=True))
        return down, along

    def batch(self, inputs: Tensor, name: str) -> Tensor:
        return self.frame.images(inputs, name)

    def rows(self, batch: Tensor) -> int:
        return batch.shape[1] * math.prod(self.kernel)

    def leading(self, inputs: Tensor, batch: Tensor) -> Sequence[int]:
        return batch.shape[:1]

    def shaped(self, outputs: Tensor, inputs: Tensor) -> Tensor:
        return self.frame.outputs(outputs, inputs)

    def errors(self, errors: Tensor, name: str) -> Tensor:
        return self.frame.of_outputs(errors, name)

    def shape(self, errors: Tensor, rows: int, shape: Sequence[int] | None, name: str) -> Sequence[int]:
        if shape is None:
            raise InputError(
                f"{name} is a convolution, whose outputs do not tell how large its inputs are; give shape of the inputs"
            )
        return shape

    def __call__(self, batch: Tensor) -> Tensor:
        vectors = self.vectors(batch)
        (whole,) = vectors.pieces(math.prod(vectors.outputs(1)))
        return vectors.taken(whole).mT

    def vectors(self, inputs: Tensor) -> Vectors:
        down, along = self.padding
        return _PatchVectors(self, pad(inputs, (along, along, down, down)) if down or along else inputs)


class _RowVectors(Vectors):
    def __init__(self, rows: Tensor) -> None:
        self.rows = rows

    def pieces(self, most: int) -> Iterator[Piece]:
        for start in range(0, len(self.rows), most):
            some = slice(start, min(start + most, len(self.rows)))
            yield Piece(some, slice(0, 1), some)

    def taken(self, piece: Piece) -> Tensor:
        return self.rows[piece.vectors].mT

    def outputs(self, neurons: int) -> tuple[int, ...]:
        return len(self.rows), neurons

    def of_outputs(self, outputs: Tensor, piece: Piece) -> Tensor:
        return outputs[piece.vectors].mT

    def zeros(self) -> Vectors:
        return _RowVectors(self.rows.new_zeros(self.rows.shape))

    def add(self, piece: Piece, vectors: Tensor) -> None:
        self.rows[piece.vectors].add_(vectors.mT)

    @property
    def inputs(self) -> Tensor:
        return self.rows


class _PatchVectors(Vectors):
    """Of images with zeros around them."""

    def __init__(self, patches: Patches, framed: Tensor) -> None:
        self.patches, self.framed = patches, framed
        self._room: Tensor | None = None

    def pieces(self, most: int) -> Iterator[Piece]:
        count, (height, width) = len(self.framed), self._sides
        images, lines = max(1, most // (height * width)), max(1, min(height, most // width))
        for first, top in product(range(0, count, images), range(0, height, lines)):
            last, bottom = min(first + images, count), min(top + lines, height)
            begin = (first * height + top) * width
            vectors = slice(begin, begin + (last - first) * (bottom - top) * width)
            yield Piece(slice(first, last), slice(top, bottom), vectors)

    def taken(self, piece: Piece) -> Tensor:
        seen = self._seen(piece)
        # memory is kept, as new pages take time
        if self._room is None or self._room.numel() < seen.numel():
            self._room = seen.new_empty(seen.numel())
        room = self._room[: seen.numel()].view(seen.shape)
        return room.copy_(seen).flatten(3).flatten(0, 2)

    def outputs(self, neurons: int) -> tuple[int, ...]:
        return len(self.framed), neurons, *self._sides

    def of_outputs(self, outputs: Tensor, piece: Piece) -> Tensor:
        return outputs[piece.images, :, piece.lines].transpose(0, 1)

    def zeros(self) -> Vectors:
        return _PatchVectors(self.patches, self.framed.new_zeros(self.framed.shape))

    def add(self, piece: Piece, vectors: Tensor) -> None:
        seen = self._seen(piece)
        parts = vectors.view(seen.shape)
        # taps one after the other, as they see the same pixels
        for row, column in product(*map(range, self.patches.kernel)):
            seen[:, row, column].add_(parts[:, row, column])

    @property
    def inputs(self) -> Tensor:
        down, along = self.patches.padding
        height, width = self.framed.shape[-2:]
        return self.framed[..., down : height - down, along : width - along]

    @cached_property
    def _sides(self) -> tuple[int, int]:
        """Of the output; padding is in the images already."""
        return replace(self.patches, padding=(0, 0)).sides(*self.framed.shape[-2:])

    def _seen(self, piece: Piece) -> Tensor:
        """What taps of the kernel see, [channels, kernel lines, kernel columns, images, lines, columns]."""
        (down, along), (far_down, far_along) = self.patches.stride, self.patches.dilation
        image, channel, line, column = self.framed.stride()
        images, lines = piece.images.stop - piece.images.start, piece.lines.stop - piece.lines.start
        return self.framed.as_strided(
            (self.framed.shape[1], *self.patches.kernel, images, lines, self._sides[1]),
            (channel, far_down * line, far_along * column, image, down * line, along * column),
            self.framed.storage_offset() + piece.images.start * image + piece.lines.start * down * line,
        )
