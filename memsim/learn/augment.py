"""Random distortions of training images, in batches: shift, rotation, scale and elastic deformation.

Each image is sampled at displaced points, p' = A p + d + e(p): A rotates and scales about the centre, d shifts, and
e is a smooth random field, cubic between the knots of a coarse grid (the elastic deformation of P. Simard et al.,
ICDAR 2003, without its Gaussian filter).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from memsim.errors import InputError

KNOTS = 5


@dataclass(frozen=True)
class Augmentation:
    """How far images are distorted; zero leaves a distortion out.

    Attributes:
        shift: largest shift along each axis, in whole pixels.
        rotation: largest angle either way [degrees].
        scale: largest relative change of size, 0.1 for 0.9 to 1.1.
        elastic: standard deviation of the elastic displacement at its knots [pixels].
    """

    shift: int = 0
    rotation: float = 0.0
    scale: float = 0.0
    elastic: float = 0.0

    def __post_init__(self) -> None:
        limits = {"shift": math.inf, "rotation": 180.0, "scale": 1.0, "elastic": math.inf}
        for name, limit in limits.items():
            value = getattr(self, name)
            if not (0 <= value <= limit and value < math.inf) or (name == "scale" and value == limit):
                raise InputError(f"augmentation {name} = {value!r} is out of range; allowed: 0 to {limit:g}")

    def __call__(self, images: Tensor, shape: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Distorted copies; what moves in from outside is black.

        Args:
            images: [batch, ...] in [0, 1]; all planes of an image, such as polarities and time bins, move together.
            shape: height and width of a plane, the last dimensions once flattened.
            generator: one for the run, so that a run can be repeated.

        Returns:
            As `images`.
        """
        height, width = shape
        planes = images.reshape(len(images), -1, height, width)
        grid = affine_grid(self._affine(planes, generator), list(planes.shape), align_corners=False)
        if self.elastic:
            grid = grid + self._field(planes, generator)
        return grid_sample(planes, grid, mode="bilinear", align_corners=False).view_as(images)

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
