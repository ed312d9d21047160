"""Software networks of the same size as a study's, trained on the same images with the same schedule."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import snntorch
import torch
from leaky import run_leaky
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from memsim.learn import Study
from memsim.learn.augment import Augmentation
from memsim.learn.data import Dataset, load_dataset
from memsim.learn.optimization import rate_factor

LEARNING_RATE = 1e-3
DECAY = 0.9
"""Of the leaky neurons' membranes from step to step."""


class ReluNetwork(nn.Module):
    """The plain network of the same layers."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits [batch, classes] of images [batch, pixels]."""
        *hidden, last = self.layers
        for layer in hidden:
            x = torch.relu(layer(x))
        return last(x)


class LeakyNetwork(ReluNetwork):
    """Leaky integrate-and-fire neurons with surrogate gradients, under constant currents.

    Read is the mean membrane of the last layer, which does not fire.
    """

    def __init__(self, sizes: list[int], steps: int) -> None:
        super().__init__(sizes)
        self.steps = steps
        self.firing = [snntorch.Leaky(beta=DECAY) for _ in sizes[2:]]
        self.reading = snntorch.Leaky(beta=DECAY, reset_mechanism="none")

    def forward(self, x: Tensor) -> Tensor:
        """Logits [batch, classes] of images [batch, pixels]."""
        first, *others = self.layers
        current = first(x).expand(self.steps, -1, -1)
        for neuron, layer in zip(self.firing, others, strict=True):
            current = layer(run_leaky(neuron, current)[0])
        return run_leaky(self.reading, current)[1].mean(dim=0)


REFERENCES: dict[str, Callable[[list[int], Study], nn.Module]] = {
    "ReLU": lambda sizes, _: ReluNetwork(sizes),
    "snntorch.Leaky": lambda sizes, study: LeakyNetwork(sizes, round(study.window / study.step)),
}


def train_reference(kind: str, study: Study, folder: Path | None) -> dict[str, Any]:
    """Train one network and return its accuracy after each epoch.

    Args:
        kind: one of REFERENCES.
        study: data, sizes, epochs, batch, augmentation, schedule and seed; the learning rate is LEARNING_RATE.
        folder: of the data sets.
    """
    data, study = load_dataset(study.data, folder), study.model_copy(update={"learning_rate": LEARNING_RATE})
    torch.manual_seed(study.seed)
    network = REFERENCES[kind]([data.features, *study.hidden, data.classes], study)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    noise = torch.Generator().manual_seed(study.seed)
    distort = Augmentation(**study.augmentation.model_dump())
    history, began = [], time.perf_counter()
    for epoch in range(study.epochs):
        parts = torch.randperm(len(data.train), generator=noise).split(study.batch)
        for number, chosen in enumerate(parts):
            factor = rate_factor(study.training, study.epochs, epoch + number / len(parts))
            for group in optimizer.param_groups:
                group["lr"] = study.learning_rate * factor
            images, labels = data.train.batch(chosen)
            if distort != Augmentation():
                images = distort(images, data.plane, noise)
            optimizer.zero_grad()
            cross_entropy(network(images), labels).backward()
            optimizer.step()
        history.append(_accuracy(network, data))
    return {"test_accuracy": history[-1], "history": history, "seconds": time.perf_counter() - began}


def _accuracy(network: nn.Module, data: Dataset) -> float:
    with torch.no_grad():
        right = sum(
            int((network(images).argmax(dim=1) == labels).sum()) for images, labels in data.test.batches(500)
        )
    return right / len(data.test)
