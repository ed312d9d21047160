"""Random distortions of training images, in batches: shift, rotation, scale and elastic deformation.

Each image is sampled at displaced points, p' = A p + d + e(p): A rotates and scales about the centre, d shifts, and
e is a smooth random field, cubic between the knots of a coarse grid (the elastic deformation of P. Simard et al.,
ICDAR 2003, without its Gaussian filter).

Series [batch, time, channels] can also be shifted in time, made larger or smaller as a whole, lose whole channels, and
get noise; they stay in [0, 1]. Channels with a word line for each sign lose both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from memsim.errors import InputError

KNOTS = 5
OF_IMAGES = ("shift", "rotation", "scale", "elastic")
MIRRORS = ("flip_across", "flip_down")
OF_SERIES = ("time_shift", "amplitude", "channel_dropout", "noise")
BELOW_ONE = ("scale", "amplitude", "channel_dropout")
LIMITS = (
    dict.fromkeys((*OF_IMAGES, *OF_SERIES), math.inf) | {"rotation": 180.0} | dict.fromkeys(BELOW_ONE, 1.0)
)


@dataclass(frozen=True)
class Augmentation:
    """How far images are distorted; zero leaves a distortion out.

    Attributes:
        shift: largest shift along each axis, in whole pixels.
        rotation: largest angle either way [degrees].
        scale: largest relative change of size, 0.1 for 0.9 to 1.1.
        elastic: standard deviation of the elastic displacement at its knots [pixels].
        flip_across, flip_down: whether half of the images are mirrored, left to right and top to bottom.
        time_shift: largest shift of a series either way, in whole time bins.
        amplitude: largest relative change of a series' size.
        channel_dropout: share of channels of a series that are silent.
        noise: standard deviation of what is added to each value of a series.
    """

    shift: int = 0
    rotation: float = 0.0
    scale: float = 0.0
    elastic: float = 0.0
    flip_across: bool = False
    flip_down: bool = False
    time_shift: int = 0
    amplitude: float = 0.0
    channel_dropout: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name, limit in LIMITS.items():
            value = getattr(self, name)
            if not (0 <= value <= limit and value < math.inf) or (name in BELOW_ONE and value == 1):
                raise InputError(f"augmentation {name} = {value!r} is out of range; allowed: 0 to {limit:g}")

    def __call__(
        self, images: Tensor, shape: tuple[int, int], generator: torch.Generator, *, rails: int = 1
    ) -> Tensor:
        """Distorted copies; what moves in from outside is black.

        Args:
            images: [batch, ...] in [0, 1]; all planes of an image, such as polarities and time bins, move together.
            shape: height and width of a plane, the last dimensions once flattened.
            generator: one for the run, so that a run can be repeated.
            rails: word lines of each channel of a series, those of one sign before those of the other.

        Returns:
            As `images`.

        Raises:
            InputError: a distortion of series, and inputs that are none.
        """
        if self._given(OF_IMAGES):
            images = self._resampled(images, shape, generator)
        if self._given(MIRRORS):
            images = self._mirrored(images, shape, generator)
        if self._given(OF_SERIES):
            images = self._disturbed(images, generator, rails)
        return images

    def _given(self, names: tuple[str, ...]) -> bool:
        return any(getattr(self, name) for name in names)

    def _resampled(self, images: Tensor, shape: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Images whose points have moved."""
        height, width = shape
        planes = images.reshape(len(images), -1, height, width)
        grid = affine_grid(self._affine(planes, generator), list(planes.shape), align_corners=False)
        if self.elastic:
            grid = grid + self._field(planes, generator)
        return grid_sample(planes, grid, mode="bilinear", align_corners=False).view_as(images)

    def _mirrored(self, images: Tensor, shape: tuple[int, int], generator: torch.Generator) -> Tensor:
        planes = images.reshape(len(images), -1, *shape)
        for given, axis in ((self.flip_across, 3), (self.flip_down, 2)):
            if given:
                chosen = _uniform(generator, images, len(images), 1, 1, 1) < 0.5
                planes = torch.where(chosen, planes.flip(axis), planes)
        return planes.reshape(images.shape)

    def _disturbed(self, series: Tensor, generator: torch.Generator, rails: int) -> Tensor:
        """Series with other timing, size, channels and noise."""
        if series.ndim != 3:
            raise InputError(
                f"augmentation {', '.join(name for name in OF_SERIES if getattr(self, name))} is for series over time, "
                "and these inputs are static; leave it out"
            )
        batch, times, lines = series.shape
        if self.time_shift:
            draw = _uniform(generator, series, batch, 1, 1)
            shift = ((2 * self.time_shift + 1) * draw).floor() - self.time_shift
            source = torch.arange(times, device=series.device)[None, :, None] - shift.long()
            inside = (source >= 0) & (source < times)
            series = series.gather(1, source.clamp(0, times - 1).expand_as(series)) * inside
        if self.amplitude:
            series = series * (1 + self.amplitude * (2 * _uniform(generator, series, batch, 1, 1) - 1))
        if self.noise:
            drawn = torch.randn(
                series.shape, generator=generator, dtype=series.dtype, device=generator.device
            )
            series = series + self.noise * drawn.to(series.device)
        if self.channel_dropout:
            kept = _uniform(generator, series, batch, 1, lines // rails) >= self.channel_dropout
            series = series * kept.repeat(1, 1, rails)
        return series.clamp(0, 1)

    def _affine(self, planes: Tensor, generator: torch.Generator) -> Tensor:
        """[batch, 2, 3] from output to input, in coordinates of -1 to 1 across the image."""
        batch, _, height, width = planes.shape
        draw = 2 * torch.rand(4, batch, generator=generator, dtype=planes.dtype, device=generator.device) - 1
        across, down, turn, size = draw.to(planes.device)
        across, down = (torch.round((self.shift + 0.5) * part) for part in (across, down))
        angle = turn * math.radians(self.rotation)
        zoom = 1 / (1 + self.scale * size)
        cosine, sine = zoom * angle.cos(), zoom * angle.sin()
        rows = [
            cosine,
            -sine * height / width,
            across * (2 / width),
            sine * width / height,
            cosine,
            down * (2 / height),
        ]
        return torch.stack(rows, dim=1).view(batch, 2, 3)

    def _field(self, planes: Tensor, generator: torch.Generator) -> Tensor:
        """Elastic displacement [batch, height, width, 2]."""
        batch, _, height, width = planes.shape
        knots = torch.randn(
            batch, 2, KNOTS, KNOTS, generator=generator, dtype=planes.dtype, device=generator.device
        )
        field = interpolate(knots.to(planes.device), size=(height, width), mode="bicubic", align_corners=True)
        per_pixel = torch.tensor([2 / width, 2 / height], dtype=planes.dtype, device=planes.device)
        return self.elastic * field.permute(0, 2, 3, 1) * per_pixel


def _uniform(generator: torch.Generator, like: Tensor, *shape: int) -> Tensor:
    """Draws from 0 to 1 beside `like`."""
    return torch.rand(shape, generator=generator, dtype=like.dtype, device=generator.device).to(like.device)
