"""Leaving early: steps whose normalisation has small weights say little.

Kim and Panda, arXiv:2010.01729, leave where the weights of all layers are small. Their public code does not, so the
share below which a weight is small is ours.
"""

from __future__ import annotations

import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.learn.data import Split
from memsim.learn.evaluation import AT_ONCE
from memsim.networks import Network
from memsim.networks.normalisation import BatchNormThroughTime


@torch.no_grad()
def accuracies(network: Network, split: Split) -> Tensor:
    """Share of examples that are right by the mean of the last layer over the steps so far, [steps]."""
    right = []
    for inputs, labels in split.batches(AT_ONCE):
        outputs = network.waveforms(inputs)[-1]
        right.append((outputs.cumsum(0).argmax(-1) == labels).double())
    return torch.cat(right, 1).mean(1)


def weights_of_steps(network: Network) -> Tensor:
    """Mean size of the weights of the normalisation of each layer at each step, [layers, steps].

    Raises:
        InputError: a network without batch normalisation through time.
    """
    norms = [layer.norm for layer in network.chain if isinstance(layer.norm, BatchNormThroughTime)]
    if not norms:
        raise InputError(
            'the network has no batch normalisation through time; give layers norm = "batch-through-time"'
        )
    return torch.stack([norm.weight.detach().view(norm.steps, -1).abs().mean(1) for norm in norms])


def last_step(network: Network, share: float) -> int:
    """How many steps there are until the weights of all layers stay below so large a share of their largest.

    Args:
        network: with batch normalisation through time.
        share: above 0, below 1.

    Raises:
        InputError: a share out of range, or a network without such normalisation.
    """
    if not 0 < share < 1:
        raise InputError(f"share = {share!r} is out of range; allowed: above 0, below 1")
    weights = weights_of_steps(network)
    large = (weights >= share * weights.amax(1, keepdim=True)).any(0)
    return int(large.nonzero().max()) + 1
