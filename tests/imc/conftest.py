from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import nn

from memsim.imc import mapped_layers
from memsim.imc.plain import settle_weights


def _as_held(layer: nn.Module, mapped: nn.Module) -> nn.Module:
    held, groups = deepcopy(layer), list(mapped_layers(mapped).values())
    settle_weights([held])
    weight = torch.cat([group.integers() * group.scale[:, None] for group in groups]).detach()
    bias = [(group.bias / group.scale / group.coding.unit).round() * group.scale for group in groups]
    if getattr(layer, "transposed", False):
        # of each group [neurons, channels, ...] turned round, where torch has [channels, neurons, ...]
        shape = (layer.groups, -1, layer.in_channels // layer.groups, *layer.kernel_size)
        weight = weight.view(shape).transpose(1, 2).flatten(0, 1).flip(*range(2, layer.weight.ndim))
    held.weight = nn.Parameter(weight.reshape(layer.weight.shape))
    held.bias = nn.Parameter(torch.cat(bias).detach() * groups[0].coding.unit)
    return held


@pytest.fixture(scope="session")
def as_held() -> Callable[[nn.Module, nn.Module], nn.Module]:
    """A layer of torch with the weights and biases that arrays hold."""
    return _as_held
