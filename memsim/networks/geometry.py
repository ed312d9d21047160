"""Shapes of layers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from memsim.errors import InputError
from memsim.tables import Count, Table, Whole

Size = Annotated[int, Field(ge=1, le=4096, strict=True)]


class Convolution(Table):
    """A convolutional layer: one crossbar that every patch of the input is applied to.

    Attributes:
        channels: neurons at each position.
        kernel: side of a patch [pixels].
        stride: between patches [pixels].
        padding: rim of zeros around the input [pixels], narrower than the kernel.
    """

    channels: Size
    kernel: Size
    stride: Count = 1
    padding: Whole = 0

    @model_validator(mode="after")
    def _kernel_reaches_the_input(self) -> Convolution:
        check_padding(self.kernel, self.padding)
        return self


def check_padding(kernel: int, padding: int) -> None:
    """Raise ValueError where outermost patches see zeros alone."""
    if padding >= kernel:
        raise ValueError(
            f"padding = {padding} reaches beyond a kernel of {kernel}, whose outermost patches see zeros alone; "
            f"allowed: at most {kernel - 1}"
        )


def output_sides(shape: tuple[int, int, int], convolution: Convolution) -> tuple[int, int]:
    """Height and width of a convolution's output.

    Raises:
        InputError: the kernel is larger than the padded input.
    """
    _, *sides = shape
    spans = [side + 2 * convolution.padding - convolution.kernel for side in sides]
    if min(spans) < 0:
        raise InputError(
            f"kernel = {convolution.kernel} is larger than the input of {sides[0]} x {sides[1]} pixels with a padding "
            f"of {convolution.padding}; allowed: at most {min(sides) + 2 * convolution.padding}"
        )
    height, width = (span // convolution.stride + 1 for span in spans)
    return height, width


def as_image(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(channels, height, width) of an input or layer of this shape.

    Raises:
        InputError: a shape that is no image.
    """
    if len(shape) == 2:
        return (1, *shape)
    if len(shape) == 3:
        return shape
    raise InputError(
        f"a convolution needs an image, and the layer before it has shape {shape}; put it before the dense layers"
    )
