"""What training adds to the loss for what hidden neurons do.

Adding one is a line in PENALTIES: a class whose objects are called with what a layer did, and give a number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import NamedTuple, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.networks import Network
from memsim.networks.described import described
from memsim.networks.discrete import hoyer_penalty
from memsim.networks.discrete_neurons import DiscreteNeuron
from memsim.own_code import blamed


class Activity(NamedTuple):
    """Of the neurons of one hidden layer in a batch.

    Attributes:
        neuron: they themselves.
        current: what they got, [steps, batch, ...].
        outputs: what they gave, [steps, batch, ...].
    """

    neuron: DiscreteNeuron
    current: Tensor
    outputs: Tensor


@runtime_checkable
class Penalty(Protocol):
    """A part of the loss."""

    def __call__(self, activity: Activity) -> Tensor:
        """A number with a gradient, which the loss grows by for one layer."""


class Spikes:
    """Of the mean number of spikes that the layer fires for an example.

    Args:
        weight: in the loss, for a spike.
    """

    def __init__(self, weight: float = 1e-3) -> None:
        self.weight = _positive(weight)

    def __call__(self, activity: Activity) -> Tensor:
        return self.weight * activity.outputs.sum() / activity.outputs.shape[1]


class HoyerSquare:
    """weight (sum |c|)^2 / sum c^2 over the membranes of a batch, cut to 0 to 1: least where few are full.

    Datta et al., Hoyer regularizer is all you need for ultra low-latency spiking neural networks, arXiv:2212.10170, for
    networks of one step, whose membranes are what neurons get.

    Args:
        weight: in the loss.
    """

    def __init__(self, weight: float = 1e-8) -> None:
        self.weight = _positive(weight)

    def __call__(self, activity: Activity) -> Tensor:
        if len(activity.current) != 1 or activity.neuron.compartments:
            raise InputError(
                f"penalty 'hoyer' is of membranes after one step, and this network takes {len(activity.current)} or "
                "has neurons with compartments; give steps = 1 and neurons without, or another penalty"
            )
        return self.weight * hoyer_penalty(activity.neuron.gain.value() * activity.current[0])


PENALTIES: dict[str, Callable[..., Penalty]] = {"spikes": Spikes, "hoyer": HoyerSquare}
"""By the names that studies use."""


def penalties_of(entries: Sequence[object]) -> list[Penalty]:
    """What entries of a rule describe.

    Raises:
        InputError: no list, none in it, unknown names, or settings that they do not have.
    """
    if isinstance(entries, str | Mapping):
        raise InputError(
            f"rule.penalties = {entries!r} is no list; give penalties in brackets, [{entries!r}]"
        )
    if not entries:
        raise InputError("rule.penalties = [] changes nothing; name a penalty, or leave it out")
    return [described(entry, PENALTIES, Penalty, "rule.penalties") for entry in entries]  # type: ignore[type-abstract]


class Watch:
    """What hidden neurons do while a network runs."""

    def __init__(self) -> None:
        self._seen: dict[DiscreteNeuron, list[tuple[Tensor, Tensor]]] = defaultdict(list)

    def see(self, neuron: nn.Module, given: tuple[Tensor, ...], found: tuple[Tensor, object]) -> None:
        """A hook on calls of neurons."""
        self._seen[cast("DiscreteNeuron", neuron)].append((given[0], found[0]))

    @property
    def layers(self) -> list[Activity]:
        """Layer by layer, over all calls."""
        return [
            Activity(neuron, *(torch.cat(parts) for parts in zip(*calls, strict=True)))
            for neuron, calls in self._seen.items()
        ]

    def penalty(self, penalties: Sequence[Penalty]) -> Tensor:
        """Of all layers.

        Raises:
            InputError: a penalty of the user's that fails, or gives anything but a number.
        """
        layers = self.layers
        return torch.stack([_number(one, layer) for one in penalties for layer in layers]).sum()


@contextmanager
def watching(network: nn.Module) -> Iterator[Watch]:
    """See what the hidden neurons of a network do meanwhile.

    Raises:
        InputError: neurons that are circuits, or none that are hidden.
    """
    hidden = [layer.neuron for layer in cast("Network", network).chain[:-1]]
    if not hidden or not all(isinstance(neuron, DiscreteNeuron) for neuron in hidden):
        raise InputError(
            "penalties are of hidden discrete neurons, and this network "
            f"{'has other ones' if hidden else 'has none'}; leave rule.penalties out"
        )
    watch = Watch()
    hooks = [neuron.register_forward_hook(watch.see) for neuron in hidden]
    try:
        yield watch
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def check_penalties(penalties: Sequence[Penalty], network: nn.Module, inputs: Tensor) -> None:
    """See, before training, that a network has what penalties of memsim are of.

    Args:
        penalties: of its rule.
        network: that is to be trained.
        inputs: two examples for it, of which a copy makes statistics where it has some.

    Raises:
        InputError: neurons that are circuits, none that are hidden, or a penalty that they do not have.
    """
    shipped = [one for one in penalties if type(one) in PENALTIES.values()]
    tried = deepcopy(network).train()
    with watching(tried) as watch:
        tried(inputs)
    for penalty in shipped:
        watch.penalty([penalty])


def _number(penalty: Penalty, activity: Activity) -> Tensor:
    if type(penalty) in PENALTIES.values():
        return penalty(activity)
    name = type(penalty).__name__
    with blamed(f"penalty {name!r} failed"):
        found = penalty(activity)
    if not isinstance(found, Tensor) or found.numel() != 1:
        raise InputError(f"penalty {name!r} returns {found!r:.60}; it must return a tensor with one number")
    return found.squeeze()


def _positive(weight: float) -> float:
    if not 0 < weight < float("inf"):
        raise InputError(f"weight = {weight!r} of a penalty is out of range; allowed: above 0")
    return weight
