"""Rules by name, rules of the user's, and what they remember."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.learn.rules.base import BPTT, Batch, Rule
from memsim.learn.rules.coding import PredictiveCoding
from memsim.learn.rules.desire import Desire
from memsim.learn.rules.equilibrium import Equilibrium
from memsim.learn.rules.exact_spikes import ExactSpikes
from memsim.learn.rules.sparse import SparseBPTT
from memsim.networks.described import Entry, described
from memsim.own_code import blamed

BACKPROPAGATION = "bptt"
RULES: dict[str, Callable[..., Rule]] = {
    BACKPROPAGATION: BPTT,
    "desire": Desire,
    "equilibrium": Equilibrium,
    "exact-spikes": ExactSpikes,
    "predictive-coding": PredictiveCoding,
    "sparse": SparseBPTT,
}
"""Rules by the names that studies use."""


def rule_of(entry: Any) -> Rule:
    """The rule that a study describes: a name, or a table with `kind` and what it takes.

    Raises:
        InputError: an unknown rule, or settings that it does not have.
    """
    return described(entry, RULES, Rule, "rule")  # type: ignore[type-abstract] # protocols will do


def _known(entry: Any) -> Any:
    """An entry that describes a rule; a table without settings is the name of its kind."""
    rule_of(entry)
    return entry["kind"] if isinstance(entry, dict) and len(entry) == 1 else entry


RuleEntry = Annotated[Entry, AfterValidator(_known)]
"""An entry of a table that describes a rule."""


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
