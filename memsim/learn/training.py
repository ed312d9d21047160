"""Training a study, stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from memsim.errors import CheckpointError, InputError
from memsim.files import ensure_folder
from memsim.learn.alive import check_heard
from memsim.learn.cards import check_cards, save_cards
from memsim.learn.checkpoint import (
    CHECKPOINT,
    STUDY,
    load_best,
    load_checkpoint,
    load_history,
    needs_no_optimizer,
    save_checkpoint,
)
from memsim.learn.checks import check_study
from memsim.learn.data import Dataset
from memsim.learn.distillation import check_distillation
from memsim.learn.given import Given
from memsim.learn.judging import note_on_averages
from memsim.learn.losses import LossFunction
from memsim.learn.metrics import Metric, given_metrics
from memsim.learn.optimization import training_only
from memsim.learn.rules import Checked, Rule, rule_of
from memsim.learn.run import Run, check_all_gates, enter, mapped, network_of, run_of, started
from memsim.learn.run_data import data_of, save_record
from memsim.learn.shares import check_shares
from memsim.learn.size import BYTES_A_PROCESS, check_training
from memsim.learn.stages import StageRecord, save_stages, stage_folder
from memsim.learn.study import Study, load_study, save_study
from memsim.learn.trainer import Progress, Trainer
from memsim.learn.writing import Arrays, check_processes, writer_of
from memsim.memory import check_memory
from memsim.networks import MemristiveNetwork, Network
from memsim.networks.gains import calibrate_gains, set_ratio

if TYPE_CHECKING:
    from lightning_fabric import Fabric

SPLIT_SIZE = 32_768
"""Tensors below this many elements run on one thread in torch whatever the setting."""
GAIN_SAMPLE = 128
"""Training examples that mirror ratios are found with."""


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
    rule: Rule | None = None,
    loss: LossFunction | None = None,
    metrics: Mapping[str, Metric] | None = None,
) -> Run:
    """Train a study and leave study, checkpoint and history in `folder`, saved after every epoch.

    Each stage of a study with stages leaves them in a folder of its own.

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
        rule: what fills the gradients, instead of the study's.
        loss: of outputs and targets, instead of the study's.
        metrics: what else to measure on the test data after each epoch, by name, besides the study's.

    Raises:
        InputError: the folder cannot be written, holds another run, the study or its data cannot be used, or training
            does not fit into memory.
        CheckpointError: nothing to resume, or a checkpoint of another study or of other objects given in Python.
        ConvergenceError: the loss is no longer a number, a layer of circuits hears nothing, or nothing has a gradient.
    """
    fabric = devices() if fabric is None else fabric
    given = Given.of(rule, loss, metrics)
    if resume:
        given.check(folder)
    check_study(study)
    metrics = given_metrics(metrics or {}, study.training.metrics)
    _check_places(folder, study, resume)
    study, data = data_of(study, data_dir, run=folder if resume else None, given=data)
    check_shares(study, data, fabric.world_size)
    check_processes(study, fabric.world_size)
    check_distillation(study, data)
    write = fabric.is_global_zero
    known = check_training(data.shape, data.classes, study, rails=data.rails)
    if tell and write:
        for note in filter(None, [*data.notes, known]):
            tell(note)
    network = network_of(study, data)
    check_all_gates(network, study)
    _check_stages(network, study, data, rule)
    study = with_gains(study, network, data, folder if resume else study.training.start)
    _check_same(folder, study, resume)
    if not resume:
        check_heard(network, data.train, study.seed)
    if write:
        save_study(study, ensure_folder(folder) / STUDY)
        save_cards(study, folder)
        save_record(data, folder)
        given.save(folder)
    # a run that goes on has weights of its own
    if study.training.start is not None and not _checkpoints(folder):
        network = started(network, study, data)
    records: list[StageRecord] = []
    software: Network | None = None
    for number, stage in enumerate(study.every_stage):
        place = stage_folder(folder, number, stage) if study.stages else folder
        begun = (place / CHECKPOINT).exists()
        network = (mapped if begun else enter)(network, stage, study, data)
        if tell and write and study.stages:
            tell(f"stage {stage.name!r}, {stage.card or 'software'}")
        with training_only(network, stage.trains), _threads_for(study, data):
            trainer = Trainer(
                study,
                network,
                data,
                fabric,
                number=number,
                software=software,
                rule=rule,
                loss=loss,
                metrics=metrics,
            )
            _run_stage(trainer, place, folder, progress)
        study, network = trainer.study, trainer.network
        software = network if stage.card is None else software
        records.append(StageRecord(stage, trainer.history))
        if study.stages and write:
            _stage_done(Run(study, network, data, trainer.history, records), folder, tell)
    return Run(study, network.cpu(), data, records[-1].history, records if study.stages else [])


def _run_stage(trainer: Trainer, place: Path, folder: Path, progress: Progress | None) -> None:
    """All epochs of a stage that are not done, each saved."""
    network = trainer.network
    if (place / CHECKPOINT).exists():
        trainer.history += load_history(place)
        optimizer = None if trainer.finished and needs_no_optimizer(place) else trainer.optimizer
        load_checkpoint(place, network, optimizer, trainer.shuffling, trainer.rule, arrays=trainer.arrays)
        trainer.best = load_best(place)
    while not trainer.finished:
        trainer.keep_step_error(folder)
        trainer.run_epoch(progress)
        if trainer.fabric.is_global_zero:
            save_checkpoint(
                ensure_folder(place),
                network,
                trainer.optimizer,
                trainer.shuffling,
                trainer.history,
                best=trainer.best,
                rule=trainer.rule,
                arrays=trainer.arrays,
            )
        if progress:
            done = len(trainer.history) * trainer.updates
            progress(done, trainer.stage.epochs * trainer.updates, trainer.history[-1])
    trainer.keep_step_error(folder)
    if trainer.best is not None:
        network.load_state_dict(trainer.best)


def _stage_done(run: Run, folder: Path, tell: Callable[[str], object] | None) -> None:
    """Save what stages so far gave, and say what accuracies on hardware leave out."""
    save_stages(run.records, folder)
    if tell and run.records[-1].stage.card and (note := note_on_averages(run)):
        tell(note)


def with_gains(study: Study, network: Network, data: Dataset, known: Path | str | None) -> Study:
    """The study with the mirror ratios that it leaves open: those of a run it goes on from, or calibrated."""
    if not isinstance(network, MemristiveNetwork) or study.synapses.mirror_ratio != "auto":
        return study
    layers = len(network.chain)
    before = None if known is None else run_of(Path(known))[1]
    ratios: tuple[float, ...]
    if before is not None:
        found = before.synapses.mirror_ratio
        if before.discrete or isinstance(found, str) or (isinstance(found, tuple) and len(found) != layers):
            raise CheckpointError(
                f"{known} holds no mirror ratios for {layers} layers of circuits; choose a run of the same network"
            )
        ratios = found if isinstance(found, tuple) else (found,) * layers
        for layer, ratio in zip(network.chain, ratios, strict=True):
            set_ratio(layer, ratio)
    else:
        events = torch.Generator().manual_seed(study.seed)
        ratios = calibrate_gains(network, data.train.inputs(slice(GAIN_SAMPLE)), events)
    synapses = study.synapses.model_copy(update={"mirror_ratio": ratios})
    return study.model_copy(update={"synapses": synapses})


def devices(accelerator: str = "cpu", number: int = 1) -> Fabric:
    """Processors to train on; with several, each takes an equal part of every batch.

    Args:
        accelerator: cpu, cuda, mps or auto.
        number: of processors; on CPUs, of processes.

    Raises:
        InputError: there is no such accelerator here, or not so many.
    """
    from lightning_fabric import Fabric  # a second to import, after a study has been read

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


def _check_places(folder: Path, study: Study, resume: bool) -> None:
    """Refuse a folder that holds a run where one begins, or none where one goes on, and a start that is not there."""
    if resume and not (folder / STUDY).exists():
        raise CheckpointError(f"{folder} holds no run to resume; leave out --resume to start one")
    begun, start = _checkpoints(folder), study.training.start
    if begun and not resume:
        raise InputError(
            f"{folder} already holds a trained run; resume it with --resume, or choose another folder"
        )
    if start is not None and not begun and not _checkpoints(Path(start)):
        raise CheckpointError(
            f"training.start: {Path(start) / CHECKPOINT} does not exist; train first with `memsim train --out {start}`"
        )


def _check_stages(network: Network, study: Study, data: Dataset, rule: Rule | None) -> None:
    """Raise InputError where a stage cannot be: its card, the parameters that it trains, or its rule.

    Crossbars take ranges of voltages from the network that they get, which may be silent still.
    """
    if study.training.writing is not None:
        Arrays(network, writer_of(study.training.writing), study.synapses.device)
    for stage in study.every_stage:
        known = network if network.crossbars and not stage.trains else mapped(network, stage, study, data)
        learns = rule_of(stage.rule or study.rule) if rule is None else rule
        with training_only(known, stage.trains):
            if isinstance(learns, Checked):
                learns.check(known, data.train.inputs(slice(2)))


def _check_same(folder: Path, study: Study, resume: bool) -> None:
    """Refuse to go on with another study, or other cards, than a run began with."""
    if resume and load_study(folder / STUDY) != study:
        raise CheckpointError(
            f"{folder} holds a run of another study; resume it with its own {STUDY}, or choose another folder"
        )
    if resume:
        check_cards(study, folder)


def _checkpoints(folder: Path) -> list[Path]:
    """Of a run, or of its stages."""
    return [*folder.glob(CHECKPOINT), *folder.glob(f"*/{CHECKPOINT}")]
