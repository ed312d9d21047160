"""Layers that hear themselves.

Circuits whose synapse is a product with a matrix take it into their own scan over time. Else time goes step by step:
discrete neurons hear their outputs of the step before, or traces of these, circuits the lines of
`memsim.surrogate.coupling`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.networks.synapses import Synapse
from memsim.surrogate.coupling import Line


def recur(
    neuron: nn.Module, synapse: Synapse, current: Tensor, state: Any, *, tau: float | None, **timing: Any
) -> tuple[Tensor, Any]:
    """Outputs [time, batch, neurons] of neurons that also get their own, and the state at the end.

    Args:
        neuron: see `Layer`.
        synapse: from the outputs to the currents.
        current: of all other connections, [time, batch, neurons].
        state: at the start; that of rest where None.
        tau: time constant of the lines [s], or of traces of discrete neurons [steps]; their spikes where None.
        timing: for the neuron.

    Raises:
        InputError: circuits without a time constant.
    """
    if "dt" not in timing:
        return _discrete(neuron, synapse, current, state, tau)
    if tau is None:
        raise InputError("a recurrent layer of circuits has no time constant of its lines; give tau [s]")
    matrix = synapse.matrix()
    if matrix is not None:
        return neuron(current, state, coupling=(matrix, tau), **timing)
    return _circuits(neuron, synapse, current, state, tau, **timing)


def _discrete(
    neuron: nn.Module, synapse: Synapse, current: Tensor, state: Any, tau: float | None
) -> tuple[Tensor, Any]:
    outputs, trace = list[Tensor](), torch.zeros_like(current[0])
    for now in current:
        out, state = neuron((now + synapse(trace))[None], state)
        outputs.append(out[0])
        trace = out[0] if tau is None else trace_after(trace, out[0], tau)
    return torch.stack(outputs), state


def trace_after(trace: Tensor, spikes: Tensor, tau: float) -> Tensor:
    """Traces of spikes, which they approach with a time constant of `tau` steps."""
    return trace + (spikes - trace) / tau


def _circuits(
    neuron: nn.Module, synapse: Synapse, current: Tensor, state: Any, tau: float, *, dt: float, **timing: Any
) -> tuple[Tensor, Any]:
    first, _ = neuron(current[:1], state, dt=dt, **timing)
    outputs, line = [first[0]], Line.of(dt, tau)
    x = outputs[0]
    now = current[0] + synapse(x)
    for following in current[1:]:
        then = following + synapse(line.ahead(x, outputs[-1]))
        waves, state = neuron(torch.stack([now, then]), state, dt=dt, **timing)
        x = line.after(x, outputs[-1], waves[1])
        outputs.append(waves[1])
        now = then
    return torch.stack(outputs), state
