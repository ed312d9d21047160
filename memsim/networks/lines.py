"""What word lines follow where it is not simply the lines before them: a part of the input, averages, or copies.

For windows, equal resistors from the buffers of the outputs in one meet at the driver of a word line, which draws no
current: the driver follows the mean of their potentials. For copies, one buffer leads to the drivers of several lines.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import avg_pool2d

from memsim.errors import InputError
from memsim.networks.geometry import as_image, pooled_shape


@dataclass(frozen=True)
class Pool:
    """Averages over square windows that lie side by side.

    Args:
        given: shape of what comes in: (height, width) or (channels, height, width).
        side: of a window [pixels].

    Raises:
        InputError: no image, or one that windows do not fill.
    """

    given: tuple[int, ...]
    side: int

    def __post_init__(self) -> None:
        pooled_shape(self.given, self.side)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of what goes on."""
        return pooled_shape(self.given, self.side)

    def __call__(self, x: Tensor) -> Tensor:
        """[..., windows] of [..., pixels], channel by channel and row by row."""
        images = x.reshape(-1, *as_image(self.given))
        return avg_pool2d(images, self.side).reshape(*x.shape[:-1], -1)


@dataclass(frozen=True)
class Upsample:
    """Each pixel as a square of as many word lines that follow it.

    Args:
        given: shape of what comes in: (height, width) or (channels, height, width).
        side: of a square [pixels].

    Raises:
        InputError: no image.
    """

    given: tuple[int, ...]
    side: int

    def __post_init__(self) -> None:
        as_image(self.given)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of what goes on."""
        channels, height, width = as_image(self.given)
        return channels, self.side * height, self.side * width

    def __call__(self, x: Tensor) -> Tensor:
        """[..., pixels of the larger image] of [..., pixels], channel by channel and row by row."""
        images = x.unflatten(-1, as_image(self.given))
        rows = images.repeat_interleave(self.side, dim=-2)
        return rows.repeat_interleave(self.side, dim=-1).flatten(-3)


Resampling = Pool | Upsample


def resampling_of(given: tuple[int, ...], pool: int | None, upsample: int | None) -> Resampling | None:
    """What becomes of an image before word lines follow it.

    Args:
        given: its shape.
        pool: side of windows.
        upsample: side of squares, where there are no windows.

    Raises:
        InputError: no image, or one that windows do not fill.
    """
    if pool is not None:
        return Pool(given, pool)
    return None if upsample is None else Upsample(given, upsample)


@dataclass(frozen=True)
class Part:
    """Some channels of the input, in order; of signed inputs on both rails.

    Args:
        given: shape of the input: (features,), (height, width) or (channels, height, width); the channels of an image
            with several are those, else every number is a channel.
        rails: word lines of each channel; all those of the first rail come first.
        first, last: of the channels, counted from 0; the last one does not belong to it.
    """

    given: tuple[int, ...]
    rails: int
    first: int
    last: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what goes on."""
        lines = self.rails * (self.last - self.first)
        return (lines, *self.given[1:]) if len(self.given) == 3 else (lines,)

    def __call__(self, x: Tensor) -> Tensor:
        """[..., lines of the part] of [..., lines]."""
        places = math.prod(self.given[1:]) if len(self.given) == 3 else 1
        channels = x.unflatten(-1, (self.rails, -1, places))
        return channels[..., self.first : self.last, :].flatten(-3)


def parts_of(shape: tuple[int, ...], widths: Mapping[str, int], rails: int = 1) -> dict[str, Part]:
    """Named parts of an input, side by side.

    Args:
        shape: of the input, rails included.
        widths: channels of each part, in order; none where the input is one.
        rails: word lines of each channel.

    Raises:
        InputError: parts that do not add up to the input.
    """
    width = (shape[0] if len(shape) == 3 else math.prod(shape)) // rails
    if widths and sum(widths.values()) != width:
        said = " + ".join(f"{name} = {number}" for name, number in widths.items())
        raise InputError(
            f"inputs {said} make {sum(widths.values())} channels, and the data have {width}; they must be as many"
        )
    parts, first = {}, 0
    for name, number in widths.items():
        parts[name] = Part(shape, rails, first, first + number)
        first += number
    return parts
