"""The loop over time that snnTorch leaves to its users."""

from __future__ import annotations

import snntorch
import torch
from torch import Tensor


def run_leaky(neuron: snntorch.Leaky, currents: Tensor) -> tuple[Tensor, Tensor]:
    """Spikes and membranes, each [time, ...], of neurons at rest at the start.

    Args:
        neuron: made once and used again: snnTorch keeps every neuron it ever made, with its last state.
        currents: [time, ...].
    """
    membrane = torch.zeros_like(currents[0])
    spikes, membranes = [], []
    for now in currents:
        spike, membrane = neuron(now, membrane)
        spikes.append(spike)
        membranes.append(membrane)
    return torch.stack(spikes), torch.stack(membranes)
