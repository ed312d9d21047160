"""Synapses between two layers of neurons: dense, or one crossbar that every patch of an image is applied to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.functional import unfold

from memsim.crossbar import Crossbar
from memsim.errors import InputError
from memsim.networks.tables import Convolution

Read = Callable[[Crossbar, Tensor], Tensor]
"""What is asked of a crossbar, [..., columns], for voltages [..., rows] in V."""


def currents(crossbar: Crossbar, voltage: Tensor) -> Tensor:
    """Neuron currents of a crossbar [A]."""
    return crossbar(voltage)


class SynapseLayer(ABC, nn.Module):
    """From the voltages of one layer to the currents into the next.

    Attributes:
        crossbar: the cells.
        shape: of the neurons behind it: (neurons,) or (channels, height, width).
    """

    crossbar: Crossbar
    shape: tuple[int, ...]

    @abstractmethod
    def forward(self, voltage: Tensor, read: Read = currents) -> Tensor:
        """Currents [..., neurons] in A, or what else `read` gives, for voltages [..., inputs] in V."""


class Dense(SynapseLayer):
    """Every input meets every neuron.

    Args:
        crossbar: word lines are the inputs, columns the neurons.
    """

    def __init__(self, crossbar: Crossbar) -> None:
        super().__init__()
        self.crossbar = crossbar
        self.shape = (crossbar.weight.shape[1],)

    def forward(self, voltage: Tensor, read: Read = currents) -> Tensor:
        return read(self.crossbar, voltage)


class Convolutional(SynapseLayer):
    """Patches of an image applied to one crossbar, each with neurons of its own.

    Args:
        shape: of the input: (channels, height, width).
        convolution: kernel, stride, padding.
        crossbar: its word lines are the pixels of a patch, channel by channel and row by row.
    """

    def __init__(self, shape: tuple[int, int, int], convolution: Convolution, crossbar: Crossbar) -> None:
        super().__init__()
        self.crossbar, self.convolution, self.input_shape = crossbar, convolution, shape
        sides = output_sides(shape, convolution)
        self.shape = (convolution.channels, *sides)

    def forward(self, voltage: Tensor, read: Read = currents) -> Tensor:
        c = self.convolution
        images = voltage.reshape(-1, *self.input_shape)
        patches = unfold(images, c.kernel, padding=c.padding, stride=c.stride).transpose(1, 2)
        return read(self.crossbar, patches).transpose(1, 2).reshape(*voltage.shape[:-1], -1)


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
