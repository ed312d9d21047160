"""What word lines follow where it is not simply the lines before them: the average of windows of an image.

In a circuit equal resistors from the buffers of a window meet at the driver of a word line, which draws no current:
the driver follows the mean of their potentials.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import avg_pool2d

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
