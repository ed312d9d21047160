"""Training a memristive network by backpropagation through time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from memsim.errors import CheckpointError, InputError
from memsim.files import ensure_folder
from memsim.learn.augment import Augmentation
from memsim.learn.checkpoint import CHECKPOINT, STUDY, EpochRecord, load_checkpoint, save_checkpoint
from memsim.learn.data import Dataset, load_dataset
from memsim.learn.evaluation import accuracy, first
from memsim.learn.network import MemristiveNetwork
from memsim.learn.optimization import make_optimizer, set_learning_rate
from memsim.learn.study import Study, load_study, save_study

Progress = Callable[[int, int, EpochRecord | None], None]
"""Called after every batch with batches done, batches in all, and the record once an epoch has ended."""
SPLIT_SIZE = 32_768
"""Tensors below this many elements run on one thread in torch whatever the setting."""
TRAINING_SAMPLE = 2_000
"""Training images that the training accuracy is taken from after each epoch."""


@dataclass(frozen=True)
class Run:
    """A trained network with its study, data and history."""

    study: Study
    network: MemristiveNetwork
    data: Dataset
    history: list[EpochRecord]


def build(study: Study, data_dir: Path | None = None) -> tuple[MemristiveNetwork, Dataset]:
    """The untrained network of a study, and its data, read from `data_dir` where they do not ship with memsim."""
    data = load_dataset(study.data, data_dir, bins=study.drive.slots)
    return MemristiveNetwork(data.shape, data.classes, study), data


def train(
    study: Study,
    folder: Path,
    *,
    data_dir: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Train a study and leave study, checkpoint and history in `folder`, saved after every epoch.

    A run that was interrupted and resumed gives the same weights as one that was not.

    Args:
        study: what to train.
        folder: where the run is kept; made when missing.
        data_dir: folder of the data sets; the environment variable MEMSIM_DATA where left out.
        resume: continue the run in `folder` instead of starting one.
        progress: called after every batch.

    Raises:
        InputError: the folder cannot be written, holds another run, or the study or its data cannot be used.
        CheckpointError: nothing to resume, or a checkpoint of another study.
    """
    network, data = build(study, data_dir)
    _prepare(folder, study, resume)
    trainer = Trainer(study, network, data, make_optimizer(network, study))
    # a run that was interrupted in its first epoch has a study but no checkpoint, and starts again
    if resume and (folder / CHECKPOINT).exists():
        trainer.history += load_checkpoint(folder, network, trainer.optimizer, trainer.shuffling)
    with _threads_for(study, data):
        while len(trainer.history) < study.epochs:
            trainer.run_epoch(progress)
            save_checkpoint(folder, network, trainer.optimizer, trainer.shuffling, trainer.history)
            if progress:
                done = len(trainer.history) * trainer.updates
                progress(done, study.epochs * trainer.updates, trainer.history[-1])
    return Run(study, network, data, trainer.history)


def load_run(folder: Path, data_dir: Path | None = None) -> Run:
    """The trained run that `train` left in `folder`.

    Raises:
        InputError: no study there. CheckpointError: no usable checkpoint.
    """
    study = load_study(folder / STUDY)
    network, data = build(study, data_dir)
    return Run(study, network, data, load_checkpoint(folder, network))


@dataclass
class Trainer:
    """The parts of a training run, and its epochs.

    Attributes:
        shuffling: source of the order of the examples, whose state is part of a checkpoint.
        history: what the epochs so far gave.
    """

    study: Study
    network: MemristiveNetwork
    data: Dataset
    optimizer: Optimizer
    history: list[EpochRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shuffling = torch.Generator().manual_seed(self.study.seed)

    @property
    def updates(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.data.train) // self.study.batch)

    def run_epoch(self, progress: Progress | None = None) -> None:
        """Train on all examples once in shuffled order, and record what came of it."""
        began, epoch = time.perf_counter(), len(self.history)
        # drawn anew from seed and epoch, so that resuming needs no state of it
        noise = torch.Generator().manual_seed(_derived(self.study.seed, epoch))
        order = torch.randperm(len(self.data.train), generator=self.shuffling)
        losses: list[float] = []
        for chosen in order.split(self.study.batch):
            set_learning_rate(self.optimizer, self.study, epoch + len(losses) / self.updates)
            losses.append(self._update(*self.data.train.batch(chosen), noise))
            if progress:
                done = epoch * self.updates + len(losses)
                progress(done, self.study.epochs * self.updates, None)
        sample = first(self.data.train, TRAINING_SAMPLE)
        self.history.append(
            EpochRecord(
                epoch + 1,
                sum(losses) / len(losses),
                accuracy(self.network, sample),
                accuracy(self.network, self.data.test),
                time.perf_counter() - began,
            )
        )

    def _update(self, images: Tensor, labels: Tensor, noise: torch.Generator) -> float:
        training = self.study.training
        self.optimizer.zero_grad()
        masks = self._masks(len(images), noise) if training.dropout else None
        logits = self.network(self._distorted(images, noise), masks=masks, generator=noise)
        loss = cross_entropy(logits, labels, label_smoothing=training.label_smoothing)
        loss.backward()
        if training.gradient_clip is not None:
            clip_grad_norm_(self.network.parameters(), training.gradient_clip)
        self.optimizer.step()
        self.network.keep_in_range()
        return loss.item()

    def _distorted(self, images: Tensor, noise: torch.Generator) -> Tensor:
        distortion = Augmentation(**self.study.augmentation.model_dump())
        if distortion == Augmentation():
            return images
        return distortion(images, self.data.plane, noise)

    def _masks(self, batch: int, noise: torch.Generator) -> list[Tensor]:
        """Factors that silence the share `dropout` of hidden neurons and keep the mean current of the others."""
        kept = 1 - self.study.training.dropout
        sizes = [int(np.prod(layer.shape)) for layer in self.network.layers[:-1]]
        return [(torch.rand(batch, size, generator=noise) < kept) / kept for size in sizes]


def _derived(seed: int, epoch: int) -> int:
    """A seed for one epoch that is unlike those of other epochs and other seeds."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])


@contextmanager
def _threads_for(study: Study, data: Dataset) -> Iterator[None]:
    """One thread where layers are too small for torch to split; more would only wait for each other."""
    before = torch.get_num_threads()
    sizes = [layer if isinstance(layer, int) else SPLIT_SIZE for layer in study.hidden]
    if study.batch * max((*sizes, data.classes)) < SPLIT_SIZE:
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
