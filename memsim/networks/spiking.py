"""Networks of discrete-time neurons for in-memory computing: plain synapses, each layer followed by leaky neurons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.networks.discrete_neurons import DiscreteNeuron, LeakyIntegrateAndFire
from memsim.networks.geometry import Convolution, as_image
from memsim.networks.layer import Layer
from memsim.networks.network import Network, Outputs, Times
from memsim.networks.synapses import Ideal


class SpikingNetwork(Network):
    """Dense and convolutional layers between discrete-time spiking neurons.

    Inputs are spikes [time, batch, inputs]; the scores are the membranes of the last layer, averaged over time.

    Args:
        shape: of one input: (features,), (height, width) or (channels, height, width).
        outputs: neurons of the last layer, which does not fire.
        hidden: layers before it: numbers of neurons, or convolutions.
        recurrent: whether the last hidden layer, a dense one, also gets its own spikes of the step before.
        generator: source of the initial weights.

    Raises:
        InputError: layers that do not fit.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        hidden: Sequence[int | Convolution],
        *,
        recurrent: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        self.shape = shape
        synapses = []
        for layout in (*hidden, outputs):
            synapses.append(_synapse(shape, layout))
            shape = synapses[-1].shape
        again = _recurrence(hidden) if recurrent else None
        for synapse in [*synapses, *([again] if again else [])]:
            _start(cast("nn.Linear | nn.Conv2d", synapse.module), generator)
        layers = [
            Layer(
                synapse,
                LeakyIntegrateAndFire(spiking=number < len(hidden)),
                recurrent=again if number == len(hidden) - 1 else None,
            )
            for number, synapse in enumerate(synapses)
        ]
        super().__init__(layers, drive=_given, readout=_mean)

    @property
    def synapses(self) -> list[nn.Module]:
        """From each layer to the next: nn.Linear or nn.Conv2d, or what they are mapped to."""
        return [cast("Ideal", layer.synapse).module for layer in self.chain]

    @property
    def neurons(self) -> list[DiscreteNeuron]:
        """Layer by layer."""
        return [cast("DiscreteNeuron", layer.neuron) for layer in self.chain]

    @property
    def recurrent(self) -> nn.Module | None:
        """From the spikes of the last hidden layer to its currents."""
        return next((cast("Ideal", layer.recurrent).module for layer in self.chain if layer.recurrent), None)


@dataclass(frozen=True)
class _Given:
    """Spikes, as they are."""

    spikes: Tensor

    def over(self, _: Times) -> Outputs:
        return Outputs(self.spikes.flatten(2))


def _given(spikes: Tensor, _: torch.Generator | None) -> _Given:
    return _Given(spikes)


def _mean(membranes: Tensor) -> Tensor:
    return membranes.mean(0)


def _synapse(shape: tuple[int, ...], layout: int | Convolution) -> Ideal:
    if isinstance(layout, int):
        return Ideal(shape, nn.Linear(math.prod(shape), layout))
    conv = nn.Conv2d(as_image(shape)[0], layout.channels, layout.kernel, layout.stride, layout.padding)
    return Ideal(shape, conv, layout)


def _recurrence(hidden: Sequence[int | Convolution]) -> Ideal:
    if not hidden or not isinstance(hidden[-1], int):
        raise InputError("a recurrent network needs a dense hidden layer; put a number of neurons last")
    return Ideal((hidden[-1],), nn.Linear(hidden[-1], hidden[-1]))


def _start(module: nn.Linear | nn.Conv2d, generator: torch.Generator | None) -> None:
    """Weights of a variance that keeps sparse spikes going from layer to layer; zero biases."""
    fan_in = module.weight[0].numel()
    with torch.no_grad():
        module.weight.normal_(0, math.sqrt(FIRST_POWER / fan_in), generator=generator)
        nn.init.zeros_(module.bias) if module.bias is not None else None


FIRST_POWER = 6.0
"""Variance of a neuron's input at the start, over the share of inputs that spike."""
