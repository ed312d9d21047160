"""What fills the gradients of a network: the rule of a study."""

from memsim.learn.rules.base import BPTT, Batch, Checked, Rule, RunAnew
from memsim.learn.rules.coding import PredictiveCoding
from memsim.learn.rules.desire import Desire
from memsim.learn.rules.equilibrium import Equilibrium
from memsim.learn.rules.exact_spikes import ExactSpikes
from memsim.learn.rules.known import (
    BACKPROPAGATION,
    RULES,
    RuleEntry,
    check_state,
    loss_from,
    name_of,
    rule_of,
    state_of,
)
from memsim.learn.rules.sparse import SparseBPTT

__all__ = [
    "BACKPROPAGATION",
    "BPTT",
    "RULES",
    "Batch",
    "Checked",
    "Desire",
    "Equilibrium",
    "ExactSpikes",
    "PredictiveCoding",
    "Rule",
    "RuleEntry",
    "RunAnew",
    "SparseBPTT",
    "check_state",
    "loss_from",
    "name_of",
    "rule_of",
    "state_of",
]
