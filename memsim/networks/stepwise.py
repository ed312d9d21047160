"""Normalisation of single steps as what a chip has: a gain of each step, and a reference that leaks as membranes do.

    u[t] = lambda u[t-1] + g (a[t] i[t] + b[t]),   o = 1 where u > theta,          u <- u - theta o
    m[t] = lambda m[t-1] + g a[t] i[t],            o = 1 where m > theta + R[t],   m <- m - theta o

fire alike with R[t] = lambda R[t-1] - g b[t], since m = u + R throughout. No R does so for a reset to a value, after
which m would depend on when the neuron fired last. The reference is that of what decides on the membrane, behind the
sums of all tiles: decisions of single tiles are not moved by it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.networks.discrete import Scheduled
from memsim.networks.discrete.compartments import INPUT
from memsim.networks.discrete_neurons import DiscreteNeuron
from memsim.networks.gates import Gains, Gate, OfSteps


class Folded(NamedTuple):
    """What a normalisation and a gate are in front of neurons: a gate, and the threshold of these neurons."""

    gains: Gains
    threshold: Scheduled


def of_steps(norm: nn.Module, gate: Gate, neuron: nn.Module) -> Folded | None:
    """Gains and references that a normalisation of single steps and a gate are; None where there are none.

    Args:
        norm: of the currents; folded where it is `OfSteps`.
        gate: behind it, which must fold, too.
        neuron: discrete, with a reset that subtracts.
    """
    if not (isinstance(norm, OfSteps) and isinstance(neuron, DiscreteNeuron) and _is_linear(neuron)):
        return None
    try:
        gains, references = zip(*(_both(norm, gate, step) for step in range(norm.steps)), strict=True)
    except InputError:
        return None
    with torch.no_grad():
        schedule = torch.stack(_leaked(neuron, references))
        return Folded(Gains(torch.stack(gains)), Scheduled(nn.Parameter(schedule), neuron.threshold))


def _is_linear(neuron: DiscreteNeuron) -> bool:
    """Whether membranes are moved by what is added to currents, and by nothing that depends on the membrane."""
    numbers = (neuron.leak, neuron.gain, neuron.threshold)
    fed = any(one.driven_by == INPUT for one in neuron.compartments)
    subtracts = neuron.reset.kind == "subtract" and neuron.spike.centre is None
    return neuron.spiking and subtracts and not fed and not any(number.of_membranes for number in numbers)


def _both(norm: OfSteps, gate: Gate, step: int) -> tuple[Tensor, Tensor]:
    """Gain and reference of a step through both."""
    (gain, reference), (further, added) = norm.fold(step), gate.fold(step)
    return torch.as_tensor(further * gain), torch.as_tensor(further * reference + added)


def _leaked(neuron: DiscreteNeuron, references: tuple[Tensor, ...]) -> list[Tensor]:
    """What references of steps have added up to at each step."""
    found: list[Tensor] = []
    for step, reference in enumerate(references):
        images = neuron.shape is not None and len(neuron.shape) > 1
        own = -neuron.gain.value(step) * (
            reference.unflatten(-1, neuron.shape or ()) if images else reference
        )
        found.append(neuron.leak.value(step) * found[-1] + own if found else torch.as_tensor(own))
    return found
