"""Training a memristive network by backpropagation through time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer

from memsim.errors import CheckpointError, ConvergenceError, InputError
from memsim.files import ensure_folder
from memsim.learn.augment import Augmentation
from memsim.learn.checkpoint import (
    CHECKPOINT,
    STUDY,
    EpochRecord,
    load_best,
    load_checkpoint,
    save_checkpoint,
)
from memsim.learn.data import Dataset
from memsim.learn.evaluation import MAIN, activity, evaluate, first, hold_out, scores_of
from memsim.learn.honesty import shorten_steps
from memsim.learn.losses import LossFunction, make_loss
from memsim.learn.metrics import Metric, chosen_metrics, main_metric
from memsim.learn.optimization import make_optimizer, set_learning_rate
from memsim.learn.per_slot import read_each_slot
from memsim.learn.run_data import data_of, save_record
from memsim.learn.size import BYTES_A_PROCESS, check_training
from memsim.learn.study import Study, load_study, save_study
from memsim.memory import check_memory
from memsim.networks.gains import calibrate_gains, set_ratio
from memsim.networks.memristive import MemristiveNetwork
from memsim.networks.nonidealities import realised
from memsim.toml import read_toml

Progress = Callable[[int, int, EpochRecord | None], None]
"""Called after every batch with batches done, batches in all, and the record once an epoch has ended."""
SPLIT_SIZE = 32_768
"""Tensors below this many elements run on one thread in torch whatever the setting."""
CALIBRATION_SAMPLE = 128
"""Training examples that mirror ratios are found with."""
TRAINING_SAMPLE = 2_000
"""Training images that the training accuracy is taken from after each epoch."""


@dataclass(frozen=True)
class Run:
    """A trained network with its study, data and history."""

    study: Study
    network: MemristiveNetwork
    data: Dataset
    history: list[EpochRecord]

    @property
    def kept(self) -> EpochRecord:
        """Of the epoch whose weights the network has."""
        return self.history[best_epoch(self.history) if self.study.training.keep == "best" else -1]


def build(study: Study, data_dir: Path | None = None) -> tuple[MemristiveNetwork, Dataset]:
    """The untrained network of a study, and its data, read from `data_dir` where they do not ship with memsim."""
    study, data = data_of(study, data_dir)
    return network_of(study, data), data


def network_of(study: Study, data: Dataset) -> MemristiveNetwork:
    """The untrained network of a study for its data."""
    network = MemristiveNetwork(data.shape, data.classes, study)
    if data.train.labels.ndim == 3:
        read_each_slot(network, data.train.labels.shape[1])
    return network


def train(  # noqa: PLR0913 - each is a choice of its own
    study: Study,
    folder: Path,
    *,
    data_dir: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
    fabric: Fabric | None = None,
    data: Dataset | None = None,
    loss: LossFunction | None = None,
    metrics: Mapping[str, Metric] | None = None,
) -> Run:
    """Train a study and leave study, checkpoint and history in `folder`, saved after every epoch.

    A run that was interrupted and resumed gives the same weights as one that was not.

    Args:
        study: what to train.
        folder: where the run is kept; made when missing.
        data_dir: folder of the data sets; the environment variable MEMSIM_DATA where left out.
        resume: continue the run in `folder` instead of starting one.
        progress: called after every batch.
        tell: called with what one should know before long work starts, if there is something.
        fabric: processors to train on, as `devices` gives them; one CPU process where left out.
        data: what `make_dataset` made, instead of the study's data.
        loss: of outputs and targets, instead of the study's.
        metrics: what else to measure on the test data after each epoch, by name, besides the study's.

    Raises:
        InputError: the folder cannot be written, holds another run, the study or its data cannot be used, or training
            does not fit into memory.
        CheckpointError: nothing to resume, or a checkpoint of another study.
        ConvergenceError: the loss is no longer a number.
    """
    fabric = devices() if fabric is None else fabric
    study, data = data_of(study, data_dir, run=folder if resume else None, given=data)
    notes = [*data.notes, check_training(data.shape, data.classes, study)]
    if tell and fabric.is_global_zero:
        for note in filter(None, notes):
            tell(note)
    network = network_of(study, data)
    study = with_gains(study, network, data, folder if resume else study.training.start)
    _prepare(folder, study, resume, write=fabric.is_global_zero)
    if fabric.is_global_zero:
        save_record(data, folder)
    trainer = Trainer(study, network, data, fabric, loss=loss, metrics=metrics)
    # a run that was interrupted in its first epoch has a study but no checkpoint, and starts again
    if resume and (folder / CHECKPOINT).exists():
        trainer.history += load_checkpoint(folder, network, trainer.optimizer, trainer.shuffling)
        trainer.best = load_best(folder)
    elif study.training.start is not None:
        load_checkpoint(Path(study.training.start), network)
    with _threads_for(study, data):
        while not trainer.finished:
            trainer.keep_step_error(folder)
            trainer.run_epoch(progress)
            if fabric.is_global_zero:
                save_checkpoint(
                    folder, network, trainer.optimizer, trainer.shuffling, trainer.history, best=trainer.best
                )
            if progress:
                done = len(trainer.history) * trainer.updates
                progress(done, study.epochs * trainer.updates, trainer.history[-1])
        trainer.keep_step_error(folder)
    if trainer.best is not None:
        network.load_state_dict(trainer.best)
    return Run(trainer.study, network.cpu(), data, trainer.history)


def with_gains(study: Study, network: MemristiveNetwork, data: Dataset, known: Path | str | None) -> Study:
    """The study with the mirror ratios that it leaves open: those of a run it goes on from, or calibrated."""
    if study.synapses.mirror_ratio != "auto":
        return study
    before = None if known is None else Path(known) / STUDY
    ratios: tuple[float, ...]
    if before is not None and before.exists():
        found = read_toml(before, "study").get("synapses", {}).get("mirror_ratio")
        ratios = tuple(found) if isinstance(found, list) else (found,) * len(network.chain)
        for layer, ratio in zip(network.chain, ratios, strict=True):
            set_ratio(layer, ratio)
    else:
        events = torch.Generator().manual_seed(study.seed)
        ratios = calibrate_gains(network, data.train.inputs(slice(CALIBRATION_SAMPLE)), events)
    synapses = study.synapses.model_copy(update={"mirror_ratio": ratios})
    return study.model_copy(update={"synapses": synapses})


def load_run(
    folder: Path, data_dir: Path | None = None, *, trust: bool = False, data: Dataset | None = None
) -> Run:
    """The trained run that `train` left in `folder`.

    Args:
        folder: of the run.
        data_dir: folder of the data sets; the environment variable MEMSIM_DATA where left out.
        trust: run the code of the Python file of its neuron, where it has one.
        data: that it was trained on, where Python has them and no file.

    Raises:
        InputError: no study there, or data that are not found or have changed.
        CheckpointError: no usable checkpoint, or a neuron's file that has changed.
    """
    study = load_study(folder / STUDY, trust=trust)
    study, data = data_of(study, data_dir, run=folder, given=data)
    network = network_of(study, data)
    return Run(study, network, data, load_checkpoint(folder, network))


def devices(accelerator: str = "cpu", number: int = 1) -> Fabric:
    """Processors to train on; with several, each takes an equal part of every batch.

    Args:
        accelerator: cpu, cuda, mps or auto.
        number: of processors; on CPUs, of processes.

    Raises:
        InputError: there is no such accelerator here, or not so many.
    """
    if number > 1 and accelerator == "cpu":
        check_memory(
            f"training in {number} processes", BYTES_A_PROCESS * number, "start fewer with --devices"
        )
    try:
        fabric = Fabric(accelerator=accelerator, devices=number)
        fabric.launch()
    except (RuntimeError, ValueError, TypeError) as error:
        raise InputError(
            f"cannot train on {number} device(s) of {accelerator!r}: {str(error).splitlines()[0]}"
        ) from None
    return fabric


class Trainer:
    """The parts of a training run, and its epochs.

    Attributes:
        network: the network itself, for everything but the training step.
        optimizer: of its parameters.
        shuffling: source of the order of the examples, whose state is part of a checkpoint.
        history: what the epochs so far gave.
        best: weights of the best epoch so far, where the study keeps those.
    """

    def __init__(
        self,
        study: Study,
        network: MemristiveNetwork,
        data: Dataset,
        fabric: Fabric,
        *,
        loss: LossFunction | None = None,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        self.study, self.network, self.data, self.fabric = study, network, data, fabric
        self.optimizer: Optimizer = make_optimizer(network, study)
        self._module: nn.Module
        self._module, self._stepping = fabric.setup(network, self.optimizer)
        training = study.training
        stratified = data.digest is not None or training.keep == "best"
        self.examples, self.held_out = hold_out(data.train, training.validation, stratified=stratified)
        labels = fabric.to_device(self.examples.labels)
        self.loss = make_loss(
            labels,
            data.classes,
            loss=loss or training.loss,
            class_weights=training.class_weights,
            smoothing=training.label_smoothing,
        )
        self.metrics = {**chosen_metrics(training.metrics, labels), **(metrics or {})}
        self.best: dict[str, Tensor] | None = None
        self.shuffling = torch.Generator().manual_seed(study.seed)
        self.history: list[EpochRecord] = []

    @property
    def updates(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.examples) // self.study.batch)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the last ones have not helped."""
        if len(self.history) >= self.study.epochs:
            return True
        patience = self.study.training.patience
        if patience is None or not self.history:
            return False
        return len(self.history) - 1 - best_epoch(self.history) >= patience

    def keep_step_error(self, folder: Path) -> None:
        """Shorten the steps where the study limits their error, and note the new step in the run's study."""
        limit = self.study.step_error
        if limit is not None and shorten_steps(self.network, self.examples, limit):
            self.study = self.study.model_copy(update={"step": self.network.clock.step})
            if self.fabric.is_global_zero:
                save_study(self.study, folder / STUDY)

    def run_epoch(self, progress: Progress | None = None) -> None:
        """Train on all examples once in shuffled order, and record what came of it."""
        began, epoch = time.perf_counter(), len(self.history)
        # drawn anew from seed, epoch and rank, so that resuming needs no state of it
        noise = torch.Generator(self.fabric.device).manual_seed(
            _derived(self.study.seed, epoch, self.fabric.global_rank)
        )
        order = torch.randperm(len(self.examples), generator=self.shuffling)
        losses: list[float] = []
        with realised(self.network, self.study.nonidealities.train, noise):
            for chosen in order.split(self.study.batch):
                set_learning_rate(self.optimizer, self.study, epoch + len(losses) / self.updates)
                losses.append(self._update(chosen, noise))
                if not math.isfinite(losses[-1]):
                    raise ConvergenceError(
                        f"the loss is {losses[-1]} after {len(losses)} updates of epoch {epoch + 1}",
                        remedy="lower learning_rate or mirror_ratio, or shorten step.",
                    )
                if progress:
                    progress(epoch * self.updates + len(losses), self.study.epochs * self.updates, None)
        self.history.append(self.fabric.broadcast(self._record(losses, began)))
        if self.study.training.keep == "best" and best_epoch(self.history) == epoch:
            self.best = {name: value.clone() for name, value in self.network.state_dict().items()}

    def _record(self, losses: list[float], began: float) -> EpochRecord:
        loss = cast("Tensor", self.fabric.all_reduce(torch.tensor(losses, dtype=torch.float64).mean()))
        test = self.study.nonidealities.test
        metrics = {MAIN: main_metric(self.data.test.labels), **self.metrics}
        scores = scores_of(self.network, self.data.test, metrics, test)
        others = [
            None if split is None else evaluate(self.network, split, test)
            for split in (first(self.examples, TRAINING_SAMPLE), self.held_out)
        ]
        return EpochRecord(
            epoch=len(self.history) + 1,
            loss=float(loss),
            train_accuracy=others[0] or 0.0,
            test_accuracy=scores.pop(MAIN),
            seconds=time.perf_counter() - began,
            validation_accuracy=others[1],
            scores=scores,
            activity=activity(self.network, self.examples),
        )

    def _update(self, chosen: Tensor, noise: torch.Generator) -> float:
        """One step along the gradient of a batch, of which each processor takes a part; returns the loss."""
        training = self.study.training
        mine = chosen[self.fabric.global_rank :: self.fabric.world_size]
        images, labels = self.fabric.to_device(self.examples.batch(mine))
        masks = self._masks(len(images), noise) if training.dropout else None
        mixed = training.precision == "bf16-mixed"
        # Fabric's own precision plugins would round the inputs as well
        with torch.autocast(self.fabric.device.type, torch.bfloat16, enabled=mixed):
            logits = self._module(self._distorted(images, noise), masks=masks, generator=noise)
        loss = self.loss(logits, labels)
        self._stepping.zero_grad()
        self.fabric.backward(loss)
        if training.gradient_clip is not None:
            self.fabric.clip_gradients(
                self._module, self._stepping, max_norm=training.gradient_clip, error_if_nonfinite=False
            )
        self._stepping.step()
        self.network.keep_in_range()
        return loss.item()

    def _distorted(self, images: Tensor, noise: torch.Generator) -> Tensor:
        distortion = Augmentation(**self.study.augmentation.model_dump())
        if distortion == Augmentation():
            return images
        return distortion(images, self.data.plane, noise, rails=self.data.rails)

    def _masks(self, batch: int, noise: torch.Generator) -> list[Tensor]:
        """Factors that silence the share `dropout` of hidden neurons and keep the mean current of the others."""
        kept = 1 - self.study.training.dropout
        sizes = [layer.neurons for layer in self.network.chain[:-1]]
        return [
            (torch.rand(batch, size, generator=noise, device=noise.device) < kept) / kept for size in sizes
        ]


def best_epoch(history: Sequence[EpochRecord]) -> int:
    """Number from 0 of the first epoch with the best accuracy on the held-out data."""
    scores = [record.validation_accuracy or 0.0 for record in history]
    return scores.index(max(scores))


def _derived(*numbers: int) -> int:
    """A seed that is unlike those of other numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


@contextmanager
def _threads_for(study: Study, data: Dataset) -> Iterator[None]:
    """One thread where layers are too small for torch to split; more would only wait for each other."""
    before = torch.get_num_threads()
    sizes = [layer if isinstance(layer, int) else SPLIT_SIZE for layer in study.layouts]
    if study.batch * max((*sizes, data.classes)) < SPLIT_SIZE:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _prepare(folder: Path, study: Study, resume: bool, *, write: bool) -> None:
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
    if write:
        save_study(study, folder / STUDY)
