"""How much of a gradient reaches each layer of a network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from memsim.networks import Network


def gradient_norms(network: Network, inputs: Tensor, loss: Callable[[Tensor], Tensor]) -> Tensor:
    """Norm of the gradient of a loss by what goes into the neurons of each layer, over all steps and inputs, [layers].

    Args:
        network: as it is, in training or evaluation; its own gradients stay what they are.
        inputs: as the network takes them.
        loss: of its scores, one number.
    """
    currents: list[Tensor] = []

    def note(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        currents.append(given[0])

    hooks = [layer.neuron.register_forward_pre_hook(note) for layer in network.chain]
    try:
        found = torch.autograd.grad(loss(network(inputs)), currents)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack([one.norm() for one in found])
