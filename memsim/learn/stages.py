"""Stages of training: hardware of growing realism, each beginning with the network of the one before."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from memsim.errors import InputError
from memsim.files import write_text
from memsim.imc.converters import decides
from memsim.imc.estimators import Estimator
from memsim.imc.hardware import DRAWN_ONCE, HardwareCard, load_hardware
from memsim.learn.checkpoint import EpochRecord
from memsim.learn.rules import RuleEntry
from memsim.tables import Count, NonNegative, Part, Positive, Table

STAGES = "stages.csv"
OptimizerName = Literal["adam", "adamw", "sgd"]
StageName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]*$", max_length=60)]


class LayerCard(Table):
    """The hardware of a single layer.

    Attributes:
        card: by its name.
        hardware: entries of it that differ; those of the stage are of its other layers.
    """

    card: str
    hardware: dict[str, Any] = {}

    def hardware_card(self) -> HardwareCard:
        """The card with what differs."""
        return load_hardware(self.card, self.hardware)


def _named(card: Any) -> Any:
    """A name stands for that card as it is."""
    return {"card": card} if isinstance(card, str) else card


class Stage(Table):
    """One stage of training. It starts from the network of the last one.

    Attributes:
        name: of the stage, and of its folder.
        card: the hardware that is trained for; none, and so ideal, where left out.
        hardware: entries of the card that differ, by dotted names, such as {"converter.offset" = 0.5}.
        chip: number of the only one that is trained for, as one on the bench; new ones in each batch where left out.
        rule: what fills the gradients; that of the study where left out.
        optimizer: what steps along them; that of the study where left out.
        trains: names of the parameters that are trained, `*` for any characters, as in "*.trim" for column references;
            all where left out.
        digital: names of layers of discrete neurons that are not on arrays, but computed as in software.
        cards: of layers that have one of their own, by their names: a card, or a table with `card` and `hardware`.
        epochs: passes over the examples.
        examples: of each epoch, drawn anew; all where left out.
        batch: examples an update is made from; those of the study where left out.
        dropout: share of hidden neurons that are silent; that of the study where left out. Word lines of spikes, and
            binary ones, can have none, since the others would have to speak louder.
        learning_rate: at the start.
        weight_decay: pull of the weights towards zero; that of the study where left out. What a decision of one bit
            leaves of a gradient may be less than what the pull is in software.
        gradient: of decisions, see memsim.imc.estimators.
        width: of that gradient at the start and at the end, in geometric steps between [LSB].
        distil: share of the loss that compares scores with those of the network of the last stage in software, on the
            same batch; see memsim.learn.distillation.
        temperature: that both scores are divided by there; of classes, as numbers have none.
    """

    name: StageName
    card: str | None = None
    hardware: dict[str, Any] = {}
    chip: Count | None = None
    rule: RuleEntry | None = None
    optimizer: OptimizerName | None = None
    trains: tuple[str, ...] = ()
    digital: tuple[str, ...] = ()
    cards: dict[str, Annotated[LayerCard, BeforeValidator(_named)]] = {}
    epochs: Count = 1
    examples: Count | None = None
    batch: Count | None = None
    dropout: Annotated[float, Field(ge=0, le=0.9, strict=True)] | None = None
    learning_rate: Positive = 2e-3
    weight_decay: NonNegative | None = None
    gradient: Estimator = "exact"
    width: tuple[Positive, Positive] = (1.0, 1.0)
    distil: Part = 0.0
    temperature: Positive = 2.0

    @model_validator(mode="after")
    def _trains_once(self) -> Stage:
        for number, name in enumerate(self.trains):
            if name in self.trains[:number]:
                raise ValueError(f"trains names {name!r} twice, which changes nothing; name it once")
        return self

    @model_validator(mode="after")
    def _hardware_exists(self) -> Stage:
        for name in ("hardware", "chip", "digital", "cards", "distil"):
            if self.card is None and getattr(self, name):
                raise ValueError(f"{name} changes nothing without a card; name one, or leave {name} out")
        cards = self.every_card
        if self.chip is not None and not any(card.chips_differ for card in cards):
            raise ValueError(
                f"chip = {self.chip} changes nothing, as chips of {self.card} are all alike; give hardware one of "
                f"{', '.join(DRAWN_ONCE)} above 0, or leave chip out"
            )
        if not self.distil and self.temperature != type(self).model_fields["temperature"].default:
            raise ValueError(
                "temperature changes nothing without distil; give distil, or leave temperature out"
            )
        decided = any(decides(card) for card in cards)
        for name in ("gradient", "width"):
            if not decided and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(
                    f"{name} is of decisions and changes nothing here; name a card whose converter is a sense "
                    "amplifier or ternary, or leave it out"
                )
        return self

    def hardware_card(self) -> HardwareCard:
        """The card with what differs; of stages that have one."""
        if self.card is None:
            raise InputError(f"stage {self.name!r} is trained in software, and has no card")
        return load_hardware(self.card, self.hardware)

    @property
    def every_card(self) -> tuple[HardwareCard, ...]:
        """Its own and those of single layers; none in software."""
        return () if self.card is None else (self.hardware_card(), *self.cards_of_layers().values())

    def cards_of_layers(self) -> dict[str, HardwareCard]:
        """Cards of single layers, by their names."""
        return {name: one.hardware_card() for name, one in self.cards.items()}

    def card_of(self, layer: str) -> HardwareCard:
        """The card of the layer of a name."""
        return self.cards[layer].hardware_card() if layer in self.cards else self.hardware_card()

    def width_at(self, progress: float) -> float:
        """Width of the gradient [LSB] at this share of the stage."""
        first, last = self.width
        return first * (last / first) ** progress


def check_stages(stages: tuple[Stage, ...]) -> None:
    """Raise ValueError where two have a name, software follows hardware, or there is no teacher."""
    names = [stage.name for stage in stages]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"stages have the same name {twice[0]!r}; give each its own")
    kinds = [stage.card is None for stage in stages]
    if kinds != sorted(kinds, reverse=True):
        raise ValueError("a stage without card follows one with a card; software comes first")
    taught = [stage.name for stage in stages if stage.distil]
    if taught and stages[0].card is not None:
        raise ValueError(
            f"stage {taught[0]!r}: distil needs a stage without card before, whose network is the teacher; give one, "
            "or leave distil out"
        )


@dataclass(frozen=True)
class StageRecord:
    """A finished stage, or the part of it that is done."""

    stage: Stage
    history: list[EpochRecord]

    @property
    def accuracy(self) -> float:
        """On the test data at the end."""
        return self.history[-1].test_accuracy


def stage_number(stages: Sequence[Stage], name: str) -> int:
    """Place of a stage, from 0.

    Raises:
        InputError: there is none of that name.
    """
    names = [stage.name for stage in stages]
    if name not in names:
        raise InputError(
            f"there is no stage {name!r}; known: {', '.join(names) or 'none, the run has no stages'}"
        )
    return names.index(name)


def stage_folder(folder: Path, number: int, stage: Stage) -> Path:
    """Where a stage of a run is kept."""
    return folder / f"{number + 1}-{stage.name.replace(' ', '-')}"


def save_stages(records: list[StageRecord], folder: Path) -> None:
    """Accuracies after each stage as a table."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["stage", "card", "epochs", "loss", "train_accuracy", "test_accuracy"])
    for record in records:
        last, card = record.history[-1], record.stage.card or "software"
        scores = (last.loss, last.train_accuracy, last.test_accuracy)
        writer.writerow([record.stage.name, card, last.epoch, *scores])
    write_text(folder / STAGES, table.getvalue())
