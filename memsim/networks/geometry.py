"""Shapes of layers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from torch import Tensor

from memsim.errors import InputError
from memsim.tables import Count, Table, Whole

Size = Annotated[int, Field(ge=1, le=4096, strict=True)]


class Convolution(Table):
    """A convolutional layer: one crossbar, or one for each group, that every patch of the input is applied to.

    Attributes:
        channels: neurons at each position.
        kernel: side of a patch [pixels].
        stride: between patches [pixels].
        padding: rim of zeros around the input [pixels], narrower than the kernel.
        groups: into which channels are cut, in order; those of a group come from those of the same group alone.
    """

    channels: Size
    kernel: Size
    stride: Count = 1
    padding: Whole = 0
    groups: Count = 1

    @model_validator(mode="after")
    def _kernel_reaches_the_input(self) -> Convolution:
        check_padding(self.kernel, self.padding)
        return self


def one_group(
    shape: tuple[int, int, int], convolution: Convolution, rails: int = 1
) -> tuple[tuple[int, int, int], Convolution]:
    """What one group gets, (lines, height, width), and the convolution that it is.

    Args:
        shape: of the input, (lines, height, width).
        convolution: of all groups.
        rails: lines of each channel, which stay in one group.

    Raises:
        InputError: groups that do not divide the channels.
    """
    groups, channels = convolution.groups, (shape[0] // rails, convolution.channels)
    if any(number % groups for number in channels):
        raise InputError(
            f"groups = {groups} does not divide {channels[0]} channels that come in and {channels[1]} that go out; "
            "allowed: what divides both"
        )
    own = convolution.model_copy(update={"channels": channels[1] // groups, "groups": 1})
    return (shape[0] // groups, *shape[1:]), own


def by_group(x: Tensor, groups: int, rails: int) -> Tensor:
    """Lines [..., lines], rail by rail, in the order of groups that hold all rails of their channels."""
    if groups == 1 or rails == 1:
        return x
    return x.unflatten(-1, (rails, groups, -1)).transpose(-3, -2).flatten(-3)


def pooled_shape(shape: tuple[int, ...], side: int) -> tuple[int, int, int]:
    """(channels, height, width) of an image whose windows of `side` x `side` pixels become one.

    Raises:
        InputError: no image, or one that windows do not fill.
    """
    channels, *sides = as_image(shape)
    if any(length % side for length in sides):
        raise InputError(
            f"pool = {side} does not divide the {sides[0]} x {sides[1]} pixels that come in; allowed: what divides "
            "both, so change pool, kernel, stride or padding"
        )
    return channels, sides[0] // side, sides[1] // side


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
        f"a convolution needs an image, as pool does, and before it comes shape {shape}; put it before the dense layers"
    )
