"""Convolutions of torch as weights and the patches of images that they are multiplied with.

A transposed convolution with stride s, padding p, dilation d and kernel k is a plain one of stride 1, with its kernel
turned round, on an image whose pixels are s apart, with d (k - 1) - p zeros around (Dumoulin and Visin, A guide to
convolution arithmetic for deep learning, arXiv:1603.07285, chapter 4).
"""

from __future__ import annotations

from typing import NamedTuple, cast

from torch import Tensor, nn

from memsim.imc.frames import Frame
from memsim.imc.patches import Patches

Convolution = nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d | nn.ConvTranspose2d
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)
"""That go to arrays."""
_MODES = {"zeros": "constant"}


class Group(NamedTuple):
    """Of a convolution: a convolution of its own.

    Attributes:
        weight: [neurons, channels, kernel height, kernel width].
        bias: [neurons], or None.
        patches: that it is multiplied with.
    """

    weight: Tensor
    bias: Tensor | None
    patches: Patches


def groups_of(conv: Convolution) -> list[Group]:
    """One for each group, in the order of channels."""
    patches = _patches_of_transposed(conv) if conv.transposed else _patches(conv)
    weights = [_as_plain(part, conv) for part in conv.weight.chunk(conv.groups)]
    biases = [None] * conv.groups if conv.bias is None else conv.bias.chunk(conv.groups)
    return [Group(weight, bias, patches) for weight, bias in zip(weights, biases, strict=True)]


def _as_plain(weight: Tensor, conv: Convolution) -> Tensor:
    if conv.transposed:
        weight = weight.transpose(0, 1).flip(*range(2, weight.ndim))
    return weight if weight.ndim == 4 else weight[:, :, None]


def _patches(conv: Convolution) -> Patches:
    kernel, dilation = _pair(conv.kernel_size), _pair(conv.dilation)
    if isinstance(conv.padding, str):
        spans = [d * (k - 1) * (conv.padding == "same") for d, k in zip(dilation, kernel, strict=True)]
        sides = [(span // 2, span - span // 2) for span in spans]
    else:
        sides = [(side, side) for side in _pair(conv.padding, 0)]
    (above, below), (left, right) = sides
    stride, axes = _pair(conv.stride), len(conv.kernel_size)
    if conv.padding_mode == "zeros" and above == below and left == right:
        return Patches(kernel, stride, (above, left), dilation, Frame(axes))
    mode = _MODES.get(conv.padding_mode, conv.padding_mode)
    return Patches(
        kernel, stride, (0, 0), dilation, Frame(axes, around=(left, right, above, below), mode=mode)
    )


def _patches_of_transposed(conv: Convolution) -> Patches:
    kernel, dilation = _pair(conv.kernel_size), _pair(conv.dilation)
    padding, more = _pair(cast("tuple[int, ...]", conv.padding), 0), _pair(conv.output_padding, 0)
    above, left = (d * (k - 1) - p for d, k, p in zip(dilation, kernel, padding, strict=True))
    around = (left, left + more[1], above, above + more[0])
    frame = Frame(len(conv.kernel_size), apart=_pair(conv.stride), around=around)
    return Patches(kernel, (1, 1), (0, 0), dilation, frame)


def _pair(numbers: tuple[int, ...], across: int = 1) -> tuple[int, int]:
    """Of rows and columns; images of one axis are one row, with that number across."""
    row, column = (across, *numbers)[-2:]
    return row, column
