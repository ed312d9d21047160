"""The spike of discrete neurons, as a surrogate function of other programs, which see m - theta alone."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from memsim.errors import InputError
from memsim.networks.discrete import Fixed, Spike
from memsim.networks.discrete.coefficients import numbers
from memsim.networks.discrete_neurons import DiscreteNeuron


class Surrogate(nn.Module):
    """Spikes of m - theta, with the slope that neurons have."""

    def __init__(self, spike: Spike) -> None:
        super().__init__()
        self.spike = spike

    @classmethod
    def of(cls, neuron: DiscreteNeuron) -> Surrogate:
        """That of neurons; with relative ones, (h / theta) shape((m - theta) / (w theta)) is their slope in m."""
        spike = neuron.spike
        if not spike.relative:
            return cls(spike)
        theta = numbers(neuron.threshold.value()).item()
        support = None if spike.support is None else spike.support * theta
        scaled = replace(
            spike, height=spike.height / theta, width=spike.width * theta, support=support, relative=False
        )
        return cls(scaled)

    def forward(self, above: Tensor) -> Tensor:
        """Spikes where m - theta is above 0."""
        return self.spike(above, 0.0, 1.0)


def check_simple(neuron: DiscreteNeuron, name: str, *, resets: tuple[str, ...], inclusive: bool) -> None:
    """Refuse what plain neurons of other programs do not have.

    Raises:
        InputError: the part.
    """
    spike, reset = neuron.spike, neuron.reset
    changes = neuron.leak.changes or neuron.threshold.changes or neuron.gain.changes
    if not neuron.spiking or changes or len(neuron.compartments):
        raise InputError(f"{name} fires, has no compartments, and its numbers do not change with the step")
    if reset.kind not in resets or reset.amount is not None:
        raise InputError(f"{name} has no such reset; allowed: {', '.join(resets)}, and the amount left out")
    if spike.centre is not None or spike.inclusive != inclusive:
        wanted = "at the threshold itself, too" if inclusive else "above the threshold alone"
        raise InputError(
            f"{name} fires {wanted}, with its slope there; give Spike(inclusive={inclusive}, centre=None)"
        )
    if spike.relative and numbers(neuron.threshold.value()).numel() > 1:
        raise InputError(f"{name} has one slope for all neurons; give Spike(relative=False)")


def has_no_gain(neuron: DiscreteNeuron) -> bool:
    """Whether inputs count as they are."""
    return isinstance(neuron.gain, Fixed) and bool((numbers(neuron.gain.number) == 1).all())
