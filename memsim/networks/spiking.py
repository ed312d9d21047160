"""Spiking networks for in-memory computing: layers of synapses, each followed by leaky neurons, over time steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.networks.discrete_neurons import LeakyIntegrateAndFire
from memsim.networks.geometry import Convolution, as_image, output_sides


class SpikingNetwork(nn.Module):
    """Dense and convolutional layers between discrete-time spiking neurons.

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
        super().__init__()
        self.shape = shape
        self.synapses, self.neurons = nn.ModuleList(), nn.ModuleList()
        for number, layer in enumerate((*hidden, outputs)):
            synapses, shape = _synapses(shape, layer)
            self.synapses.append(synapses)
            self.neurons.append(LeakyIntegrateAndFire(spiking=number < len(hidden)))
        self.recurrent: nn.Module | None = None
        if recurrent:
            if not hidden or not isinstance(hidden[-1], int):
                raise InputError(
                    "a recurrent network needs a dense hidden layer; put a number of neurons last"
                )
            self.recurrent = nn.Linear(hidden[-1], hidden[-1])
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                _start(module, generator)

    def forward(self, inputs: Tensor) -> Tensor:
        """Membranes of the last layer, averaged over time, [batch, outputs].

        Args:
            inputs: spikes [time, batch, inputs].
        """
        spikes = inputs
        for number, (synapses, neurons) in enumerate(zip(self.synapses, self.neurons, strict=True)):
            current = _apply(synapses, spikes, self.shape)
            if self.recurrent is not None and number == len(self.synapses) - 2:
                spikes = self._recurrent(neurons, current)
            else:
                spikes, _ = neurons(current)
        return spikes.mean(0)

    def _recurrent(self, neurons: nn.Module, current: Tensor) -> Tensor:
        """Spikes of a layer that also gets its own."""
        assert self.recurrent is not None  # noqa: S101 - only called where it is there
        out, membrane = [torch.zeros_like(current[:1].flatten(2))], None
        for step in current:
            spikes, membrane = neurons((step.flatten(1) + self.recurrent(out[-1][0]))[None], membrane)
            out.append(spikes)
        return torch.cat(out[1:])


def _apply(synapses: nn.Module, spikes: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Currents [time, batch, ...] for spikes of all time steps at once."""
    steps, batch = spikes.shape[:2]
    if _is_dense(synapses):
        return synapses(spikes.flatten(2).flatten(0, 1)).unflatten(0, (steps, batch))
    images = spikes if spikes.ndim == 5 else spikes.reshape(steps, batch, *as_image(shape))
    return synapses(images.flatten(0, 1)).unflatten(0, (steps, batch))


def _is_dense(synapses: nn.Module) -> bool:
    """Linear layers, and what they are mapped to."""
    return not isinstance(synapses, nn.Conv2d) and getattr(synapses, "patches", None) is None


def _synapses(shape: tuple[int, ...], layer: int | Convolution) -> tuple[nn.Module, tuple[int, ...]]:
    if isinstance(layer, int):
        return nn.Linear(math.prod(shape), layer), (layer,)
    image = as_image(shape)
    sides = output_sides(image, layer)
    conv = nn.Conv2d(image[0], layer.channels, layer.kernel, layer.stride, layer.padding)
    return conv, (layer.channels, *sides)


def _start(module: nn.Linear | nn.Conv2d, generator: torch.Generator | None) -> None:
    """Weights of a variance that keeps sparse spikes going from layer to layer; zero biases."""
    fan_in = module.weight[0].numel()
    with torch.no_grad():
        module.weight.normal_(0, math.sqrt(FIRST_POWER / fan_in), generator=generator)
        nn.init.zeros_(module.bias) if module.bias is not None else None


FIRST_POWER = 6.0
"""Variance of a neuron's input at the start, over the share of inputs that spike."""
