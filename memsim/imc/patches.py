"""Convolutions as vectors on word lines."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import unfold

from memsim.errors import InputError


@dataclass(frozen=True)
class Patches:
    """How a convolution cuts images into vectors: torch's numbers, of rows and columns."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]

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

    def __call__(self, images: Tensor) -> Tensor:
        """[images * positions, rows] from [images, channels, height, width]."""
        columns = unfold(images, self.kernel, self.dilation, self.padding, self.stride)
        return columns.transpose(1, 2).flatten(0, 1)
