"""Learning rules: what fills the gradients of a network, from a batch of inputs and what is wanted of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from memsim.learn.penalties import check_penalties, penalties_of, watching
from memsim.networks.network import Network
from memsim.networks.spiking import SpikingNetwork


@dataclass(frozen=True)
class Batch:
    """What a rule has to work with.

    Attributes:
        network: whose parameters get gradients, which are zero before.
        inputs: [batch, ...], distorted as the study says.
        wanted: classes [batch], or numbers [batch, k] or [batch, slots, k].
        scores: runs the network on the inputs as it trains, with dropout and in the study's precision.
        loss: of scores and what is wanted.
        backward: adds the gradients of a loss, on all processors.
    """

    network: nn.Module
    inputs: Tensor
    wanted: Tensor
    scores: Callable[[], Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]
    backward: Callable[[Tensor], None]


@runtime_checkable
class Rule(Protocol):
    """A learning rule. Adding one is a class with this method.

    One that remembers something from batch to batch has `state_dict` and `load_state_dict`, too, as torch's modules do:
    the tensors that they give by name are part of a checkpoint.
    """

    def grads(self, batch: Batch) -> Tensor:
        """Fill the gradients of the network's parameters, and return the loss of the batch."""


class Checked(ABC):
    """A rule that says before training what it does not take."""

    @abstractmethod
    def check(self, network: nn.Module, inputs: Tensor) -> None:
        """See, with two examples, that this rule takes a network, which stays as it is.

        Raises:
            InputError: what it lacks.
        """

    @abstractmethod
    def grads(self, batch: Batch) -> Tensor:
        """As of any `Rule`."""


class BPTT(Checked):
    """Backpropagation through time: the gradient of the loss through all steps.

    Args:
        penalties: what the loss grows by for what hidden neurons do: names of memsim.learn.penalties, `FILE.py:NAME`,
            or tables with `kind` and settings.

    Raises:
        InputError: unknown penalties, or settings out of range.
    """

    def __init__(self, penalties: Sequence[object] | None = None) -> None:
        self.penalties = [] if penalties is None else penalties_of(penalties)

    def check(self, network: nn.Module, inputs: Tensor) -> None:
        if self.penalties:
            check_penalties(self.penalties, network, inputs)

    def grads(self, batch: Batch) -> Tensor:
        with watching(batch.network) if self.penalties else nullcontext() as watch:
            loss = batch.loss(batch.scores(), batch.wanted)
        if watch is not None:
            loss = loss + watch.penalty(self.penalties)
        batch.backward(loss)
        return loss.detach()


@contextmanager
def running(network: Network, forward: Callable[..., Tensor]) -> Iterator[None]:
    """Let a network run in another way, for whatever wraps it, too."""
    network.forward = forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        del network.forward


class RunAnew(Checked):
    """A rule that runs networks in a way of its own: the loss stays, and its gradient is the one that is wanted."""

    @abstractmethod
    def prepared(self, network: nn.Module) -> SpikingNetwork:
        """A network that this rule takes, ready for a batch.

        Raises:
            InputError: what it lacks.
        """

    @abstractmethod
    def scores(
        self,
        network: SpikingNetwork,
        inputs: Tensor,
        *,
        masks: Sequence[Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Scores [batch, classes], with the gradients of the rule.

        Args:
            network: as `prepared` gives it.
            inputs: as for the network.
            masks: factors [batch, neurons] on the outputs of hidden layers, which not every rule knows.
            generator: source of the events of a drive that draws some.
        """

    def check(self, network: nn.Module, _: Tensor) -> None:
        self.prepared(deepcopy(network))

    def grads(self, batch: Batch) -> Tensor:
        network = self.prepared(batch.network)
        with running(network, partial(self.scores, network)):
            return BPTT().grads(batch)
