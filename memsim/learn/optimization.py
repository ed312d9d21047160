"""Optimisers and learning rates."""

from __future__ import annotations

import math

from torch.optim import Adam, AdamW, Optimizer

from memsim.learn.study import Study
from memsim.networks import Network

OPTIMIZERS: dict[str, type[Adam]] = {"adam": Adam, "adamw": AdamW}


def make_optimizer(network: Network, study: Study) -> Optimizer:
    """The study's optimiser; weight decay pulls at weights, not at parameters of neurons."""
    training = study.training
    weights = [crossbar.weight for crossbar in network.crossbars]
    known = {id(weight) for weight in weights}
    others = [p for p in network.parameters() if id(p) not in known]
    groups = [{"params": weights, "weight_decay": training.weight_decay}]
    groups += [{"params": others, "weight_decay": 0.0}] if others else []
    return OPTIMIZERS[training.optimizer](groups, lr=study.learning_rate)


def rate_factor(study: Study, epoch: float) -> float:
    """Learning rate over its largest value, `epoch` epochs (with fractions) into the training.

    A function of time alone, so that resuming needs no state.
    """
    training = study.training
    if epoch < training.warmup:
        return epoch / training.warmup
    if training.schedule == "constant":
        return 1.0
    progress = (epoch - training.warmup) / max(study.epochs - training.warmup, 1e-9)
    return cosine(progress)


def cosine(progress: float) -> float:
    """Half a cosine from 1 at the start to 0 at the end of a training, given the share of it that is done."""
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def set_learning_rate(optimizer: Optimizer, study: Study, epoch: float) -> None:
    """Put the learning rate of this moment into the optimiser."""
    for group in optimizer.param_groups:
        group["lr"] = study.learning_rate * rate_factor(study, epoch)
