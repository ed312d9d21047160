"""Learning rules: what fills the gradients of a network, from a batch of inputs and what is wanted of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from memsim.errors import InputError
from memsim.networks.described import described
from memsim.own_code import blamed


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


class BPTT:
    """Backpropagation through time: the gradient of the loss through all steps."""

    def grads(self, batch: Batch) -> Tensor:
        loss = batch.loss(batch.scores(), batch.wanted)
        batch.backward(loss)
        return loss.detach()


BACKPROPAGATION = "bptt"
RULES: dict[str, Callable[..., Rule]] = {BACKPROPAGATION: BPTT}
"""Rules by the names that studies use."""


def rule_of(entry: Any) -> Rule:
    """The rule that a study describes: a name, or a table with `kind` and what it takes.

    Raises:
        InputError: an unknown rule, or settings that it does not have.
    """
    return described(entry, RULES, Rule, "rule")  # type: ignore[type-abstract] # protocols will do


def loss_from(rule: Rule, batch: Batch) -> Tensor:
    """Let a rule fill the gradients of a batch, and give its loss.

    Raises:
        InputError: a rule of the user's that fails, or returns anything but a loss.
    """
    if type(rule) in RULES.values():
        return rule.grads(batch)
    with blamed(f"rule {name_of(rule)!r} failed"):
        loss = rule.grads(batch)
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        found = f"a tensor {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"{loss!r:.60}"
        raise InputError(
            f"rule {name_of(rule)!r} returns {found}; grads must return the loss of the batch, a tensor with one number"
        )
    return loss.detach()


def name_of(rule: Rule) -> str:
    """What messages call it."""
    return type(rule).__name__


def state_of(rule: object) -> Mapping[str, Tensor]:
    """What a rule remembers, by name; nothing where it has no `state_dict`.

    Raises:
        InputError: anything but tensors by name.
    """
    if not hasattr(rule, "state_dict"):
        return {}
    name = type(rule).__name__
    with blamed(f"rule {name!r} failed"):
        state = rule.state_dict()
    entries = state if isinstance(state, Mapping) else {"state_dict": state}
    for key, value in entries.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise InputError(
                f"rule {name!r} remembers {key!r} = {value!r:.60}, which a checkpoint cannot hold; let state_dict give "
                "tensors by name, without tables in tables, and let load_state_dict take them"
            )
    return entries


def check_state(rule: object, network: nn.Module) -> None:
    """Refuse a rule that a checkpoint could not hold, or not give back.

    Raises:
        InputError: it remembers anything but tensors by name, or the network itself, or takes nothing back.
    """
    if hasattr(rule, "state_dict") and not hasattr(rule, "load_state_dict"):
        raise InputError(
            f"rule {type(rule).__name__!r} has state_dict without load_state_dict, so it could not go on; give both"
        )
    weights = {_place(value): name for name, value in network.state_dict().items() if value.numel()}
    for key, value in state_of(rule).items():
        if value.numel() and _place(value) in weights:
            raise InputError(
                f"rule {type(rule).__name__!r} remembers {key!r}, which is {weights[_place(value)]!r} of the network; "
                "a module that holds the network saves it with its own state: use batch.network instead"
            )


def _place(value: Tensor) -> int:
    return value.untyped_storage().data_ptr()
