"""Optimisers and learning rates."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase

from torch.optim import SGD, Adam, AdamW, Optimizer

from memsim.errors import InputError
from memsim.learn.stages import Stage
from memsim.learn.study import TrainingTable
from memsim.networks import Network

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"adam": Adam, "adamw": AdamW, "sgd": SGD}
TRIM, TRIM_RATE = "trim", 10.0
"""Learning rate of column references, which are counted in cells, over that of weights, which are fractions."""


def make_optimizer(network: Network, training: TrainingTable, stage: Stage) -> Optimizer:
    """That of a stage at its largest rates; weight decay pulls at synapses, not at neurons or normalisation."""
    decay = training.weight_decay if stage.weight_decay is None else stage.weight_decay
    rate = stage.learning_rate
    trained = {name: value for name, value in network.named_parameters() if value.requires_grad}
    weights = [value for name, value in trained.items() if name.endswith("weight") and ".norm." not in name]
    trims = [value for name, value in trained.items() if name.rpartition(".")[2] == TRIM]
    known = {id(value) for value in (*weights, *trims)}
    others = [value for value in trained.values() if id(value) not in known]
    groups = [
        {"params": weights, "weight_decay": decay, "first": rate},
        {"params": others, "weight_decay": 0.0, "first": rate},
        {"params": trims, "weight_decay": 0.0, "first": TRIM_RATE * rate},
    ]
    return OPTIMIZERS[stage.optimizer or training.optimizer](
        [group for group in groups if group["params"]], lr=rate
    )


@contextmanager
def training_only(network: Network, names: Sequence[str]) -> Iterator[None]:
    """Parameters of other names stay as they are meanwhile, without gradients; all are trained where none is named.

    Args:
        network: that is trained.
        names: of parameters, with `*` for any characters.

    Raises:
        InputError: a name that no parameter has, or names of all of them.
    """
    learned = {name: value for name, value in network.named_parameters() if value.requires_grad}
    for pattern in names:
        if not fnmatch.filter(learned, pattern):
            raise InputError(f"trains: no parameter is called {pattern!r}; known: {', '.join(learned)}")
    others = [name for name in learned if not any(fnmatchcase(name, one) for one in names)]
    if names and not others:
        raise InputError(
            f"trains: {', '.join(names)} are all parameters, which are trained anyway; leave trains out, or name some"
        )
    held = [learned[name] for name in others if names]
    try:
        for value in held:
            value.requires_grad_(False)
        yield
    finally:
        for value in held:
            value.requires_grad_()


def rate_factor(training: TrainingTable, epochs: int, epoch: float) -> float:
    """Learning rate over its largest value, `epoch` epochs (with fractions) into a training of so many.

    A function of time alone, so that resuming needs no state.
    """
    if epoch < training.warmup:
        return epoch / training.warmup
    if training.schedule == "constant":
        return 1.0
    return cosine((epoch - training.warmup) / max(epochs - training.warmup, 1e-9))


def cosine(progress: float) -> float:
    """Half a cosine from 1 at the start to 0 at the end of a training, given the share of it that is done."""
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def set_learning_rate(optimizer: Optimizer, factor: float) -> None:
    """Put the learning rate of this moment into the optimiser."""
    for group in optimizer.param_groups:
        group["lr"] = group["first"] * factor
