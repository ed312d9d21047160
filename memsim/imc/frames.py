"""What convolutions put around and between the pixels of images, where zeros around them are not all."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import pad

from memsim.errors import InputError


@dataclass(frozen=True)
class Frame:
    """Images as a plain convolution of two axes takes them.

    Attributes:
        axes: of space; images of one axis become one line of pixels.
        apart: from one pixel to the next, of rows and columns; zeros lie between.
        around: pixels on the left, right, above and below, as of torch's `pad`; those below zero are cut off.
        mode: what is around, as of torch's `pad`.
    """

    axes: int = 2
    apart: tuple[int, int] = (1, 1)
    around: tuple[int, int, int, int] = (0, 0, 0, 0)
    mode: str = "constant"

    def images(self, inputs: Tensor, name: str) -> Tensor:
        """[n, channels, height, width] from inputs of a layer, one or many.

        Raises:
            InputError: other axes than those of the layer of that name.
        """
        images = self._spread(self._images(inputs, "inputs", name))
        return pad(images, self.around, self.mode) if any(self.around) else images

    def outputs(self, images: Tensor, inputs: Tensor) -> Tensor:
        """What a layer gives for such inputs, from images [n, neurons, height, width]."""
        many = images if self.axes == 2 else images[:, :, 0]
        return many if self._many(inputs) else many[0]

    def of_outputs(self, outputs: Tensor, name: str) -> Tensor:
        """Images [n, neurons, height, width] from what a layer gives, one or many.

        Raises:
            InputError: other axes than those of the layer of that name.
        """
        return self._images(outputs, "errors", name)

    def sides(self, inputs: Tensor) -> tuple[int, int]:
        """Height and width of inputs, in pixels."""
        return 1 if self.axes == 1 else inputs.shape[-2], inputs.shape[-1]

    def _images(self, given: Tensor, what: str, name: str) -> Tensor:
        """Many images of two axes, from one or many of those that the layer has."""
        if given.ndim not in {self.axes + 1, self.axes + 2}:
            raise InputError(
                f"{name} gets {what} of shape {list(given.shape)}; allowed: [channels, {self._sides}], or many of them"
            )
        many = given if self._many(given) else given[None]
        return many if self.axes == 2 else many[:, :, None]

    @property
    def _sides(self) -> str:
        return "height, width" if self.axes == 2 else "length"

    def _many(self, inputs: Tensor) -> bool:
        return inputs.ndim > self.axes + 1

    def _spread(self, images: Tensor) -> Tensor:
        if self.apart == (1, 1):
            return images
        (down, along), (height, width) = self.apart, images.shape[-2:]
        spread = images.new_zeros(*images.shape[:2], down * (height - 1) + 1, along * (width - 1) + 1)
        spread[..., ::down, ::along] = images
        return spread


PLAIN = Frame()
"""Images as they are."""
