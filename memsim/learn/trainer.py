"""Training a memristive network by backpropagation through time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from memsim.errors import CheckpointError, InputError
from memsim.files import ensure_folder
from memsim.learn.checkpoint import CHECKPOINT, STUDY, EpochRecord, load_checkpoint, save_checkpoint
from memsim.learn.data import Dataset, load_dataset
from memsim.learn.network import MemristiveNetwork
from memsim.learn.study import Study, load_study, save_study

Progress = Callable[[int, int, EpochRecord | None], None]
"""Called after every batch with batches done, batches in all, and the record once an epoch has ended."""
SPLIT_SIZE = 32_768
"""Tensors below this many elements run on one thread in torch whatever the setting."""


@dataclass(frozen=True)
class Run:
    """A trained network with its study, data and history."""

    study: Study
    network: MemristiveNetwork
    data: Dataset
    history: list[EpochRecord]


def build(study: Study) -> tuple[MemristiveNetwork, Dataset]:
    """The untrained network of a study, and its data."""
    data = load_dataset(study.data)
    sizes = (data.train_images.shape[1], *study.hidden, data.classes)
    return MemristiveNetwork(sizes, study), data


def train(study: Study, folder: Path, *, resume: bool = False, progress: Progress | None = None) -> Run:
    """Train a study and leave study, checkpoint and history in `folder`, saved after every epoch.

    A run that was interrupted and resumed gives the same weights as one that was not.

    Args:
        study: what to train.
        folder: where the run is kept; made when missing.
        resume: continue the run in `folder` instead of starting one.
        progress: called after every batch.

    Raises:
        InputError: the folder cannot be written, holds another run, or the study cannot be built.
        CheckpointError: nothing to resume, or a checkpoint of another study.
    """
    network, data = build(study)
    _prepare(folder, study, resume)
    optimizer = torch.optim.Adam(network.parameters(), lr=study.learning_rate)
    generator = torch.Generator().manual_seed(study.seed)
    # a run that was interrupted in its first epoch has a study but no checkpoint, and starts again
    started = resume and (folder / CHECKPOINT).exists()
    history = load_checkpoint(folder, network, optimizer, generator) if started else []
    with _threads_for(study, data):
        for epoch in range(len(history), study.epochs):
            began = time.perf_counter()
            _set_learning_rate(optimizer, study, epoch)
            losses = _train_epoch(network, optimizer, generator, data, epoch, progress)
            history.append(_record(epoch + 1, losses, network, data, time.perf_counter() - began))
            save_checkpoint(folder, network, optimizer, generator, history)
            if progress:
                progress(len(history) * len(losses), study.epochs * len(losses), history[-1])
    return Run(study, network, data, history)


def load_run(folder: Path) -> Run:
    """The trained run that `train` left in `folder`.

    Raises:
        InputError: no study there. CheckpointError: no usable checkpoint.
    """
    study = load_study(folder / STUDY)
    network, data = build(study)
    return Run(study, network, data, load_checkpoint(folder, network))


def accuracy(network: MemristiveNetwork, images: Tensor, labels: Tensor) -> float:
    """Share of images whose class is right."""
    with torch.no_grad():
        guesses = torch.cat([network(part).argmax(dim=1) for part in images.split(512)])
    return float((guesses == labels).double().mean())


def _train_epoch(  # noqa: PLR0917 - the parts of a run, each used once
    network: MemristiveNetwork,
    optimizer: torch.optim.Adam,
    generator: torch.Generator,
    data: Dataset,
    epoch: int,
    progress: Progress | None,
) -> list[float]:
    """Losses of all batches of one epoch, in shuffled order."""
    parts = torch.randperm(len(data.train_labels), generator=generator).split(network.study.batch)
    losses: list[float] = []
    for chosen in parts:
        losses.append(_update(network, optimizer, data.train_images[chosen], data.train_labels[chosen]))
        if progress:
            progress(epoch * len(parts) + len(losses), network.study.epochs * len(parts), None)
    return losses


@contextmanager
def _threads_for(study: Study, data: Dataset) -> Iterator[None]:
    """One thread where layers are too small for torch to split; more would only wait for each other."""
    before = torch.get_num_threads()
    if study.batch * max((*study.hidden, data.classes)) < SPLIT_SIZE:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _prepare(folder: Path, study: Study, resume: bool) -> None:
    ensure_folder(folder)
    if resume:
        previous = load_study(folder / STUDY) if (folder / STUDY).exists() else None
        if previous is None:
            raise CheckpointError(f"{folder} holds no run to resume; leave out --resume to start one")
        if previous != study:
            raise CheckpointError(
                f"{folder} holds a run of another study; resume it with its own {STUDY}, or choose another folder"
            )
    elif (folder / CHECKPOINT).exists():
        raise InputError(
            f"{folder} already holds a trained run; resume it with --resume, or choose another folder"
        )
    save_study(study, folder / STUDY)


def _set_learning_rate(optimizer: torch.optim.Adam, study: Study, epoch: int) -> None:
    """Half a cosine from the study's rate to zero: a function of the epoch alone, so that resuming needs no state."""
    for group in optimizer.param_groups:
        group["lr"] = study.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / study.epochs))


def _update(network: MemristiveNetwork, optimizer: torch.optim.Adam, images: Tensor, labels: Tensor) -> float:
    optimizer.zero_grad()
    loss = cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    network.keep_in_range()
    return loss.item()


def _record(
    epoch: int, losses: list[float], network: MemristiveNetwork, data: Dataset, seconds: float
) -> EpochRecord:
    train_accuracy = accuracy(network, data.train_images, data.train_labels)
    test_accuracy = accuracy(network, data.test_images, data.test_labels)
    return EpochRecord(epoch, sum(losses) / len(losses), train_accuracy, test_accuracy, seconds)
