"""Layers that hear themselves.

Circuits whose synapse is a product with a matrix take it into their own scan over time. Else time goes step by step:
discrete neurons hear their outputs of the step before, circuits what the straight line through their last two outputs
gives, as `memsim.surrogate.coupling` has it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from memsim.networks.synapses import Synapse
from memsim.surrogate.coupling import ahead


def recur(
    neuron: nn.Module, synapse: Synapse, current: Tensor, state: Any, **timing: Any
) -> tuple[Tensor, Any]:
    """Outputs [time, batch, neurons] of neurons that also get their own, and the state at the end.

    Args:
        neuron: see `Layer`.
        synapse: from the outputs to the currents.
        current: of all other connections, [time, batch, neurons].
        state: at the start; that of rest where None.
        timing: for the neuron.
    """
    if "dt" not in timing:
        return _discrete(neuron, synapse, current, state)
    matrix = synapse.matrix()
    if matrix is not None:
        return neuron(current, state, coupling=matrix, **timing)
    return _circuits(neuron, synapse, current, state, **timing)


def _discrete(neuron: nn.Module, synapse: Synapse, current: Tensor, state: Any) -> tuple[Tensor, Any]:
    outputs = [torch.zeros_like(current[0])]
    for now in current:
        out, state = neuron((now + synapse(outputs[-1]))[None], state)
        outputs.append(out[0])
    return torch.stack(outputs[1:]), state


def _circuits(
    neuron: nn.Module, synapse: Synapse, current: Tensor, state: Any, *, dt: float, **timing: Any
) -> tuple[Tensor, Any]:
    first, _ = neuron(current[:1], state, dt=dt, **timing)
    outputs, sizes = [first[0]], [dt] * len(current)
    now = current[0] + synapse(outputs[0])
    for k in range(len(current) - 1):
        then = current[k + 1] + synapse(ahead(outputs, sizes, k))
        waves, state = neuron(torch.stack([now, then]), state, dt=dt, **timing)
        outputs.append(waves[1])
        now = then
    return torch.stack(outputs), state
