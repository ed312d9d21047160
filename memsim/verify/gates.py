"""What the gates of a network do to currents, tried out before it is verified."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from copy import deepcopy

import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.networks import MemristiveNetwork
from memsim.networks.gates import Gate, Identity
from memsim.networks.layer import Layer
from memsim.own_code import blamed

CURRENT = 1e-6
"""Largest current, either way, that gates are tried out with [A]."""
TOLERANCE = 1e-4
"""Of what a gate makes of it, over the largest."""


def digests_of(network: MemristiveNetwork) -> Iterator[str]:
    """SHA-256 of what each gate makes of a current, whatever it takes that from; nothing of layers without one.

    Raises:
        InputError: a gate whose `fold` says other than what it does.
    """
    steps = len(network.clock.times())
    for layer in network.chain:
        if type(layer.gate) is not Identity:
            current = _drawn(steps, layer.neurons, next(network.parameters()))
            made = _made(layer, current)
            _check_fold(layer, current, made)
            yield hashlib.sha256(made.cpu().contiguous().numpy().tobytes()).hexdigest()


def _drawn(steps: int, neurons: int, like: Tensor) -> Tensor:
    uniform = torch.rand(steps, 1, neurons, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return CURRENT * (2 * uniform - 1).to(like)


def _made(layer: Layer, current: Tensor) -> Tensor:
    """Of the gate as it is now, which stays so, and of what it draws, the same every time."""
    tried = deepcopy(layer).eval()
    with torch.no_grad(), torch.random.fork_rng(devices=()), blamed(f"{layer.gate_name} failed"):
        torch.manual_seed(0)
        return tried.gated(current.clone())


def _check_fold(layer: Layer, current: Tensor, made: Tensor) -> None:
    folded = _folded(layer.gate, current)
    if folded is None:
        return
    differs = (made - folded).abs().amax(dim=(1, 2))
    if float(differs.max()) > TOLERANCE * float(made.abs().max()):
        step = int(differs.argmax())
        raise InputError(
            f"{layer.gate_name} does not do what its fold says: at step {step} gain times current plus reference is "
            f"up to {float(differs[step]):.3g} A from what forward makes of currents up to {CURRENT:g} A; correct "
            "fold, or leave it out"
        )


def _folded(gate: Gate, current: Tensor) -> Tensor | None:
    """What a gate says that it makes of a current; None of one that does not fold at all steps."""
    said = []
    with torch.no_grad():
        for step, now in enumerate(current):
            try:
                gain, reference = gate.fold(step)
            except InputError:
                return None
            said.append(gain * now + reference)
    return torch.stack(said)
