"""Runs: a study with its network, its data, and what training gave."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from memsim.errors import InputError
from memsim.imc.calibration import calibrate
from memsim.imc.hardware import HardwareCard
from memsim.imc.mapping import map_to_imc, mapped_layers
from memsim.learn.cards import check_cards
from memsim.learn.checkpoint import STUDY, EpochRecord, load_checkpoint
from memsim.learn.checks import check_study
from memsim.learn.data import Dataset
from memsim.learn.evaluation import first
from memsim.learn.per_slot import read_each_slot
from memsim.learn.run_data import data_of
from memsim.learn.seeds import of_stage
from memsim.learn.stages import Stage, StageRecord, stage_folder
from memsim.learn.study import Study, load_study
from memsim.networks import Network, build_network
from memsim.networks.memristive import MemristiveNetwork
from memsim.networks.nonidealities import check_nonidealities
from memsim.networks.predictions import Prediction

CALIBRATION_SAMPLE = 500
"""Training examples that decisions are calibrated with."""
SPAN_SAMPLE = 64
"""Training examples that the range of word line voltages is taken from."""


@dataclass(frozen=True)
class Run:
    """A trained network with its study, data and history.

    Attributes:
        study: the study.
        network: after the last stage.
        data: that it was trained on.
        history: of the last stage.
        records: of all stages, of a study with stages.
    """

    study: Study
    network: Network
    data: Dataset
    history: list[EpochRecord]
    records: list[StageRecord] = field(default_factory=list)

    @property
    def kept(self) -> EpochRecord:
        """Of the epoch whose weights the network has."""
        return self.history[best_epoch(self.history) if self.study.training.keep == "best" else -1]


def best_epoch(history: Sequence[EpochRecord]) -> int:
    """Number from 0 of the first epoch with the best accuracy on the held-out data."""
    scores = [record.validation_accuracy or 0.0 for record in history]
    return scores.index(max(scores))


def build(study: Study, data_dir: Path | None = None) -> tuple[Network, Dataset]:
    """The untrained network of a study, and its data, read from `data_dir` where they do not ship with memsim."""
    check_study(study)
    study, data = data_of(study, data_dir)
    return network_of(study, data), data


def network_of(study: Study, data: Dataset) -> Network:
    """The untrained network of a study for its data."""
    network = build_network(data.shape, data.classes, study, rails=data.rails)
    for table in (study.nonidealities.train, study.nonidealities.test):
        check_nonidealities(network, table)
    if data.train.labels.ndim == 3:
        if not isinstance(network, MemristiveNetwork):
            raise InputError(
                f"data {data.name!r} have a value at every step, which discrete neurons are not read for; use a circuit"
            )
        read_each_slot(network, data.train.labels.shape[1])
    return network


def load_run(
    folder: Path,
    data_dir: Path | None = None,
    *,
    trust: bool = False,
    stages: int | None = None,
    data: Dataset | None = None,
) -> Run:
    """The trained run that `train` left in `folder`, after its last stage or after the first `stages`.

    Args:
        folder: of the run.
        data_dir: folder of the data sets; the environment variable MEMSIM_DATA where left out.
        trust: run the code of the Python files that its study names.
        stages: how many; all where left out.
        data: that it was trained on, where they are loaded already, or Python has them and no file.

    Raises:
        InputError: no study there, fewer stages, or data that are not found or have changed.
        CheckpointError: no usable checkpoint, or a file of neurons, code or cards that has changed.
    """
    study = load_study(folder / STUDY, trust=trust)
    check_cards(study, folder)
    wanted = len(study.every_stage) if stages is None else stages
    if not 1 <= wanted <= len(study.every_stage):
        raise InputError(f"stages = {stages} is out of range; {folder} has 1 to {len(study.every_stage)}")
    study, data = data_of(study, data_dir, run=folder, given=data)
    network = network_of(study, data)
    if not study.stages:
        return Run(study, network, data, load_checkpoint(folder, network))
    network, records = _after_stages(folder, network, study, data, study.stages[:wanted])
    return Run(study, network.eval(), data, records[-1].history, records)


def _after_stages(
    folder: Path, network: Network, study: Study, data: Dataset, stages: Sequence[Stage]
) -> tuple[Network, list[StageRecord]]:
    """An untrained network as it was after these stages of a run, and what they gave."""
    records = []
    for number, stage in enumerate(stages):
        network = mapped(network, stage, study, data)
        history = load_checkpoint(stage_folder(folder, number, stage), network)
        records.append(StageRecord(stage, history))
    return network, records


def started(network: Network, study: Study, data: Dataset) -> Network:
    """An untrained network with the weights that its study starts from: those after the last stage of a run.

    Raises:
        InputError: weights on hardware for a study that begins in software.
        CheckpointError: no run there, or one of another network.
    """
    place = Path(study.training.start or "")
    folder, earlier = run_of(place)
    if earlier is None or not earlier.stages:
        load_checkpoint(place, network)
        return network
    folders = [stage_folder(folder, number, stage) for number, stage in enumerate(earlier.stages)]
    stages = earlier.stages[: len(folders) if place == folder else folders.index(place) + 1]
    if stages[-1].card and not study.every_stage[0].card:
        software = [one for one, stage in zip(folders, stages, strict=False) if not stage.card]
        instead = f"start from {software[-1]}, or " if software else ""
        raise InputError(
            f"training.start = {str(place)!r} is a network on {stages[-1].card}, and this study begins in software; "
            f"{instead}give its first stage a card"
        )
    return _after_stages(folder, network, earlier, data, stages)[0]


def run_of(place: Path) -> tuple[Path, Study | None]:
    """The folder and the study of the run that was kept in a place, or one of whose stages was; no study where none."""
    for folder in (place, place.parent):
        if (folder / STUDY).exists():
            study = load_study(folder / STUDY)
            kept = [stage_folder(folder, number, stage) for number, stage in enumerate(study.stages)]
            if place in (folder, *kept):
                return folder, study
    return place, None


def mapped(network: Network, stage: Stage, study: Study, data: Dataset) -> Network:
    """The network on the hardware of a stage, its decisions not calibrated."""
    if stage.card is None:
        return network
    seed = of_stage(study.seed, study.stages.index(stage), 0)
    card, own, chip = stage.hardware_card(), stage.cards_of_layers(), stage.chip or 0
    found = on_card(network, card, data, seed, digital=stage.digital, cards=own, chip=chip)
    for layer in mapped_layers(found).values():
        layer.meets_chips = stage.chip is None
    return found


def on_card(  # noqa: PLR0913 - each is a choice of its own
    network: Network,
    card: HardwareCard,
    data: Dataset,
    seed: int,
    *,
    digital: Collection[str] = (),
    cards: Mapping[str, HardwareCard] | None = None,
    chip: int = 0,
    fold: bool = False,
) -> Network:
    """The network on a chip; ranges of voltages are those of its training data.

    Args:
        network: in software, or on another card.
        card: the hardware.
        data: that it was trained on.
        seed: of the noise of reads.
        digital: names of layers that are not on arrays.
        cards: of layers that have one of their own, by their names.
        chip: which one it is.
        fold: normalisation into layers and thresholds, which then has no averages to train or to fit to a chip.
    """
    of_layers = cards or {}
    check_predictions(network, card)
    check_gates(network, lambda name: of_layers.get(name, card), digital)
    sample = first(data.train, SPAN_SAMPLE).inputs() if network.crossbars else None
    source = torch.Generator().manual_seed(seed)
    places = {layer.name: f"layers.{number}" for number, layer in enumerate(network.chain)}
    found = map_to_imc(
        network,
        card,
        generator=source,
        sample=sample,
        skip=[places[name] for name in digital],
        cards={places[name]: own for name, own in of_layers.items()},
        chip=chip,
        fold=fold,
    )
    assert isinstance(found, Network)  # noqa: S101 - a copy of one
    return found


def check_all_gates(network: Network, study: Study) -> None:
    """Raise InputError where a gate cannot stand behind the arrays of a card of any stage."""
    for stage in study.stages:
        if stage.card is not None:
            check_gates(network, stage.card_of, stage.digital)


def check_gates(
    network: Network, card_of: Callable[[str], HardwareCard], digital: Collection[str] = ()
) -> None:
    """Raise InputError where a gate cannot stand behind the arrays of its layer, which `digital` ones have none of."""
    for layer in [layer for layer in network.chain if layer.name not in digital]:
        gate, who, card = layer.gate, layer.gate_name, card_of(layer.name)
        if not gate.causal:
            raise InputError(
                f"{who} is not causal, and {card.name} reads step by step; say causal = True in its class if no step "
                "needs a later one, or leave the card out"
            )
        if card.inputs.coding == "binary" and not gate.binary_safe:
            raise InputError(
                f"{who} is not binary_safe, and word lines of {card.name} are binary; say binary_safe = True in its "
                "class if it can stand behind them, or choose a card with inputs.coding = pulse-count or bit-serial"
            )


def check_predictions(network: Network, card: HardwareCard) -> None:
    """Raise InputError where a layer predicts what it hears, which arrays of a card are not read for."""
    for layer in network.chain:
        if isinstance(layer.recurrent, Prediction):
            raise InputError(
                f"layer {layer.name!r} predicts what it hears: its lines carry differences of both signs, and its "
                f"arrays are read both ways, which {card.name} does not do; leave prediction_tau or the card out"
            )


def enter(network: Network, stage: Stage, study: Study, data: Dataset) -> Network:
    """The network as a stage begins: on its hardware, its decisions calibrated where they are new."""
    entered = mapped(network, stage, study, data)
    if not decides(network) and decides(entered):
        with entered.unlimited():
            calibrate(entered, first(data.train, CALIBRATION_SAMPLE).inputs())
    return entered


def decides(network: nn.Module) -> bool:
    """Whether columns are read as decisions."""
    return any(layer.decides for layer in mapped_layers(network).values())
