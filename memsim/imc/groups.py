"""Convolutions in groups on tiles: each group has arrays of its own, so that no cells are spent on zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.imc.converters import Converter
from memsim.imc.counts import check_shape
from memsim.imc.layers import MappedLayer
from memsim.imc.programmed import IDEAL


class GroupedLayers(nn.Module):
    """Layers side by side, each of channels of its own.

    Args:
        groups: in the order of the channels.
    """

    def __init__(self, groups: Sequence[MappedLayer]) -> None:
        super().__init__()
        self.groups = nn.ModuleList(groups)
        patches = groups[0].patches
        self.channels = -3 if patches is None else -1 - patches.frame.axes

    def forward(self, images: Tensor) -> Tensor:
        """As the convolution of torch, of many images or of one."""
        shares = images.chunk(len(self.groups), dim=self.channels)
        found = [group(share) for group, share in zip(self.groups, shares, strict=True)]
        return torch.cat(found, dim=self.channels)

    def transposed(self, errors: Tensor, *, shape: Sequence[int], converter: Converter = IDEAL) -> Tensor:
        """See `MappedLayer.transposed`."""
        check_shape(shape)
        for what, given in (("errors have shape", errors.shape), ("shape =", shape)):
            self._check_channels(what, given)
        own = list(shape)
        own[self.channels] //= len(self.groups)
        shares = errors.chunk(len(self.groups), dim=self.channels)
        layers = cast("Sequence[MappedLayer]", self.groups)
        found = [
            group.transposed(share, shape=own, converter=converter)
            for group, share in zip(layers, shares, strict=True)
        ]
        return torch.cat(found, dim=self.channels)

    def _check_channels(self, what: str, shape: Sequence[int]) -> None:
        groups = len(self.groups)
        if len(shape) < -self.channels or shape[self.channels] % groups:
            raise InputError(
                f"{what} {list(shape)}, whose channels do not go into {groups} groups; allowed: multiples of {groups} "
                f"at axis {self.channels}"
            )
