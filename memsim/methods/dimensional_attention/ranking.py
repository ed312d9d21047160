"""How attention over time ranks frames of signal and of noise, which nobody tells it apart."""

from __future__ import annotations

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.networks import Network
from memsim.networks.attention import DimensionalAttention


@torch.no_grad()
def shares_of_frames(network: Network, inputs: Tensor) -> Tensor:
    """What each gate with attention over time multiplies each step by, [gates, time, batch].

    Args:
        network: as it is, in training or evaluation.
        inputs: as the network takes them.

    Raises:
        InputError: a network without such gates.
    """
    found: list[Tensor] = []

    def note(gate: nn.Module, given: tuple[Tensor, ...]) -> None:
        assert isinstance(gate, DimensionalAttention)  # noqa: S101 - hung on such gates alone
        found.append(gate.of_time(given[0]))

    gates = [layer.gate for layer in network.chain if isinstance(layer.gate, DimensionalAttention)]
    hooks = [gate.register_forward_pre_hook(note) for gate in gates if gate.time is not None]
    if not hooks:
        raise InputError("the network has no attention over time; give a layer gate = 'dimensional'")
    try:
        network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(found)


def ranking(shares: Tensor, signal: Tensor) -> float:
    """Chance that a frame of signal has a larger share than one of noise, equal ones counted half.

    Args:
        shares: [time, batch].
        signal: [batch, time], which frames are signal.
    """
    return float(roc_auc_score(signal.flatten().numpy(), shares.T.flatten().numpy()))
