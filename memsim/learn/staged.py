"""Training on hardware of growing realism, stage by stage."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Adam

from memsim.errors import CheckpointError, ConvergenceError, InputError
from memsim.files import ensure_folder, write_text
from memsim.imc.mapping import calibrate, evaluating, map_to_imc, mapped_layers
from memsim.learn.checkpoint import CHECKPOINT, STUDY, EpochRecord, load_checkpoint, save_checkpoint
from memsim.learn.data import Dataset, Split
from memsim.learn.evaluation import first
from memsim.learn.losses import loss_of
from memsim.learn.metrics import main_metric
from memsim.learn.optimization import cosine
from memsim.learn.run_data import load_again, save_record
from memsim.learn.size import BYTES_A_WEIGHT, layer_sizes
from memsim.learn.staged_study import Stage, StagedStudy, load_staged_study, save_staged_study
from memsim.memory import check_memory
from memsim.networks.spikes import event_coded, rate_coded
from memsim.networks.spiking import SpikingNetwork

Progress = Callable[[Stage, EpochRecord], None]
"""Called after every epoch."""
STAGES = "stages.csv"
EVALUATED_AT_ONCE = 250
TRAINING_SAMPLE = 1_000
"""Training examples that the training accuracy is taken from after each epoch."""
CALIBRATION_SAMPLE = 500
"""Training examples that decisions are calibrated with."""
BYTES_A_SPIKE = 18
"""Measured: what one neuron leaves at one step for the way back."""
TRIM_RATE = 10.0
"""Learning rate of column references, which are counted in cells, over that of weights, which are fractions."""


@dataclass(frozen=True)
class StageRecord:
    """A finished stage, or the part of it that is done."""

    stage: Stage
    history: list[EpochRecord]

    @property
    def accuracy(self) -> float:
        """On the test data at the end."""
        return self.history[-1].test_accuracy


@dataclass(frozen=True)
class StagedRun:
    """A network after its last stage, with study, data and what each stage gave."""

    study: StagedStudy
    network: nn.Module
    data: Dataset
    records: list[StageRecord]


def train_staged(
    study: StagedStudy,
    folder: Path,
    *,
    data_dir: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> StagedRun:
    """Train a study stage by stage; each leaves a folder with its checkpoint and history, saved after every epoch.

    A run that was interrupted and resumed gives the same weights as one that was not.

    Args:
        study: what to train.
        folder: where the run is kept; made when missing.
        data_dir: folder of the data sets; the environment variable MEMSIM_DATA where left out.
        resume: continue the run in `folder` instead of starting one.
        progress: called after every epoch.
        tell: called with what was made of data of the user's own.

    Raises:
        InputError: the folder cannot be written, holds another run, or the study or its data cannot be used.
        CheckpointError: nothing to resume, or a checkpoint of another study.
        ConvergenceError: the loss is no longer a number.
    """
    data = load_again(study.data, data_dir, bins=study.steps, run=folder if resume else None)
    if tell:
        for note in data.notes:
            tell(note)
    _check_memory(study, data)
    _prepare(folder, study, resume=resume)
    save_record(data, folder)
    network: nn.Module = initial_network(study, data)
    records: list[StageRecord] = []
    for number, stage in enumerate(study.stages):
        network = enter(network, stage, study, data)
        trainer = _StageTrainer(study, number, network, data)
        place = stage_folder(folder, study, number)
        if (place / CHECKPOINT).exists():
            trainer.history += load_checkpoint(place, network, trainer.optimizer, trainer.shuffling)
        while len(trainer.history) < stage.epochs:
            trainer.run_epoch()
            save_checkpoint(
                ensure_folder(place), network, trainer.optimizer, trainer.shuffling, trainer.history
            )
            if progress:
                progress(stage, trainer.history[-1])
        records.append(StageRecord(stage, trainer.history))
        _save_records(records, folder)
    return StagedRun(study, network, data, records)


def load_staged_run(
    folder: Path,
    data_dir: Path | None = None,
    *,
    stages: int | None = None,
    data: Dataset | None = None,
) -> StagedRun:
    """The run that `train_staged` left in a folder, after its last finished stage or after the first `stages`.

    Args:
        folder: of the run.
        data_dir: folder of the data sets; the environment variable MEMSIM_DATA where left out.
        stages: how many; all where left out.
        data: what the study's data are, where they are loaded already.

    Raises:
        InputError: no study there, or fewer stages.
        CheckpointError: no usable checkpoint.
    """
    study = load_staged_study(folder / STUDY)
    wanted = len(study.stages) if stages is None else stages
    if not 1 <= wanted <= len(study.stages):
        raise InputError(f"stages = {stages} is out of range; {folder} has 1 to {len(study.stages)}")
    data = load_again(study.data, data_dir, bins=study.steps, run=folder, given=data)
    network: nn.Module = initial_network(study, data)
    records: list[StageRecord] = []
    for number, stage in enumerate(study.stages[:wanted]):
        if stage.card is not None:
            network = map_to_imc(network, stage.hardware_card(), generator=_noise(study, number))
        history = load_checkpoint(stage_folder(folder, study, number), network)
        records.append(StageRecord(stage, history))
    return StagedRun(study, network.eval(), data, records)


def initial_network(study: StagedStudy, data: Dataset) -> SpikingNetwork:
    """The untrained network of a study."""
    generator = torch.Generator().manual_seed(study.seed)
    return SpikingNetwork(
        data.shape, data.classes, study.hidden, recurrent=study.recurrent, generator=generator
    )


def enter(network: nn.Module, stage: Stage, study: StagedStudy, data: Dataset) -> nn.Module:
    """The network as a stage begins: on its hardware, its decisions calibrated where they are new."""
    if stage.card is None:
        return network
    decided = any(layer.decides for layer in mapped_layers(network).values())
    mapped = map_to_imc(network, stage.hardware_card(), generator=_noise(study, study.stages.index(stage)))
    if not decided and any(layer.decides for layer in mapped_layers(mapped).values()):
        sample = first(data.train, CALIBRATION_SAMPLE).inputs()
        calibrate(mapped, spikes_of(sample, study.steps))
    return mapped


def spikes_of(inputs: Tensor, steps: int) -> Tensor:
    """Spikes [time, batch, inputs] of still inputs [batch, inputs] or events [batch, time, inputs]."""
    return event_coded(inputs) if inputs.ndim == 3 else rate_coded(inputs, steps)


def accuracy(network: nn.Module, split: Split, steps: int) -> float:
    """Share of examples whose class is right, on one chip; of numbers to predict, R^2."""
    with torch.no_grad(), evaluating(network):
        found = [network(spikes_of(inputs, steps)) for inputs, _ in split.batches(EVALUATED_AT_ONCE)]
    return main_metric(split.labels)(torch.cat(found), split.labels)


def stage_folder(folder: Path, study: StagedStudy, number: int) -> Path:
    """Where a stage is kept."""
    return folder / f"{number + 1}-{study.stages[number].name.replace(' ', '-')}"


class _StageTrainer:
    """One stage: its optimiser, order of examples, noise, and history."""

    def __init__(self, study: StagedStudy, number: int, network: nn.Module, data: Dataset) -> None:
        self.study, self.stage, self.number = study, study.stages[number], number
        self.network, self.data = network, data
        self.shuffling = torch.Generator().manual_seed(_derived(study.seed, number))
        rate = self.stage.learning_rate
        self.optimizer = Adam(_groups(network, rate), lr=rate)
        self.history: list[EpochRecord] = []

    def run_epoch(self) -> None:
        began, epoch = time.perf_counter(), len(self.history)
        # drawn anew from seed, stage and epoch, so that resuming needs no state of it
        noise = torch.Generator().manual_seed(_derived(self.study.seed, self.number, epoch + 1))
        for layer in mapped_layers(self.network).values():
            layer.generator = noise
        self.network.train()
        examples = self.stage.examples or len(self.data.train)
        order = torch.randperm(len(self.data.train), generator=self.shuffling)[:examples]
        batches = order.split(self.study.batch)
        losses = []
        for number, chosen in enumerate(batches):
            self._set_pace((epoch + number / len(batches)) / self.stage.epochs)
            losses.append(self._update(chosen))
            if not math.isfinite(losses[-1]):
                raise ConvergenceError(
                    f"the loss is {losses[-1]} after {number + 1} updates of stage {self.stage.name!r}",
                    remedy="lower learning_rate of this stage, or widen its gradient.",
                )
        steps = self.study.steps
        self.history.append(
            EpochRecord(
                epoch=epoch + 1,
                loss=sum(losses) / len(losses),
                train_accuracy=accuracy(self.network, first(self.data.train, TRAINING_SAMPLE), steps),
                test_accuracy=accuracy(self.network, self.data.test, steps),
                seconds=time.perf_counter() - began,
            )
        )

    def _set_pace(self, progress: float) -> None:
        """Learning rate and width of gradients at this share of the stage."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["first"] * cosine(progress)
        for layer in mapped_layers(self.network).values():
            if layer.decides:
                layer.trains_with(self.stage.gradient, self.stage.width_at(progress))

    def _update(self, chosen: Tensor) -> float:
        inputs, wanted = self.data.train.batch(chosen)
        loss = loss_of(self.network(spikes_of(inputs, self.study.steps)), wanted)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def _groups(network: nn.Module, rate: float) -> list[dict[str, object]]:
    """Parameters with the learning rates that their units ask for."""
    trained = [(name, value) for name, value in network.named_parameters() if value.requires_grad]
    trims = [value for name, value in trained if name.rpartition(".")[2] == "trim"]
    others = [value for name, value in trained if name.rpartition(".")[2] != "trim"]
    groups = [{"params": others, "first": rate}]
    return groups + ([{"params": trims, "first": TRIM_RATE * rate}] if trims else [])


def _noise(study: StagedStudy, number: int) -> torch.Generator:
    return torch.Generator().manual_seed(_derived(study.seed, number, 0))


def _derived(*numbers: int) -> int:
    """A seed that is unlike those of other numbers."""
    generator = torch.Generator()
    seed = 0
    for number in numbers:
        seed = int(torch.randint(2**62, (), generator=generator.manual_seed(seed ^ number)))
    return seed


def _prepare(folder: Path, study: StagedStudy, *, resume: bool) -> None:
    ensure_folder(folder)
    found = (folder / STUDY).exists()
    if resume and not found:
        raise CheckpointError(f"{folder} holds no run to resume; leave out --resume to start one")
    if resume and load_staged_study(folder / STUDY) != study:
        raise CheckpointError(
            f"{folder} holds a run of another study; resume it with its own {STUDY}, or choose another folder"
        )
    if not resume and found and any(folder.glob(f"*/{CHECKPOINT}")):
        raise InputError(
            f"{folder} already holds a trained run; resume it with --resume, or choose another folder"
        )
    save_staged_study(study, folder / STUDY)


def _check_memory(study: StagedStudy, data: Dataset) -> None:
    """Refuse what does not fit even in software; arrays and converters take more."""
    layers = list(layer_sizes(data.shape, data.classes, study.hidden))
    weights = sum(layer.rows * layer.columns for layer in layers)
    spikes = study.batch * study.steps * sum(layer.columns * layer.places for layer in layers)
    check_memory(
        f"training in batches of {study.batch} over {study.steps} steps",
        BYTES_A_WEIGHT * weights + BYTES_A_SPIKE * spikes,
        "make batch, hidden or steps smaller",
    )


def _save_records(records: list[StageRecord], folder: Path) -> None:
    """Accuracies after each stage as a table."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["stage", "card", "epochs", "loss", "train_accuracy", "test_accuracy"])
    for record in records:
        last, card = record.history[-1], record.stage.card or "software"
        scores = (last.loss, last.train_accuracy, last.test_accuracy)
        writer.writerow([record.stage.name, card, last.epoch, *scores])
    write_text(folder / STAGES, table.getvalue())
