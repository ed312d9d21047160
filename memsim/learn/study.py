"""A study: everything that decides a training run, as a TOML file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import tomli_w
from pydantic import Field, ValidationInfo, field_validator, model_validator

from memsim.files import write_text
from memsim.learn.data import DataTable, anchored
from memsim.learn.digital import check_digital, check_dropout
from memsim.learn.rules import BACKPROPAGATION, RuleEntry
from memsim.learn.stages import OptimizerName, Stage, check_stages
from memsim.learn.word_lines import check_word_lines
from memsim.learn.writing import WriterEntry, check_writing
from memsim.networks.named_cells import full_name
from memsim.networks.tables import NetworkTable, NonidealityTable
from memsim.own_code import keep_files, load_object, names_code
from memsim.tables import Count, NonNegative, Part, Positive, Table
from memsim.toml import checked, read_toml

NEURONS = ("neuron", "layers.neuron")
"""Entries that name cells."""


class AugmentationTable(Table):
    """Random distortions of training images: see memsim.learn.augment.

    Attributes:
        shift: largest shift along each axis [pixels].
        rotation: largest angle either way [degrees].
        scale: largest relative change of size.
        elastic: standard deviation of the elastic displacement at its knots [pixels].
        flip_across, flip_down: whether images are mirrored, left to right and top to bottom, half of the time.
        time_shift: largest shift of a series in time [slots].
        amplitude: largest relative change of a series' size.
        channel_dropout: share of channels that are silent.
        noise: standard deviation of noise on a series, of its range.
    """

    shift: Annotated[int, Field(ge=0, strict=True)] = 0
    rotation: Annotated[float, Field(ge=0, le=180, strict=True)] = 0.0
    scale: Part = 0.0
    elastic: NonNegative = 0.0
    flip_across: bool = False
    flip_down: bool = False
    time_shift: Annotated[int, Field(ge=0, strict=True)] = 0
    amplitude: Part = 0.0
    channel_dropout: Part = 0.0
    noise: NonNegative = 0.0


class NonidealitiesTable(Table):
    """Non-idealities drawn anew at each update while training, and once for the tests after each epoch."""

    train: NonidealityTable = NonidealityTable()
    test: NonidealityTable = NonidealityTable()

    @model_validator(mode="after")
    def _smooth(self) -> NonidealitiesTable:
        if self.train.levels is not None:
            raise ValueError(
                "rounding to levels has no slope to train along; put levels under test, and variation under train"
            )
        return self


class TrainingTable(Table):
    """How the weights are found.

    Attributes:
        start: folder of a trained run of the same network, or of one of its stages, whose weights to start from; random
            ones where left out.
        optimizer: adam; adamw, whose weight decay is separate from the gradient; or sgd, plain steps along it.
        weight_decay: pull of the weights towards zero.
        gradient_clip: largest norm of the gradient.
        schedule: of the learning rate after the warm-up: half a cosine to zero, or constant. Each stage has its own.
        warmup: epochs of a training, or of each stage, in which the learning rate rises from zero, no more than there
            are.
        label_smoothing: share of the target that is spread over all classes.
        dropout: share of hidden neurons that are silent, drawn anew for each image; at most 0.9, since the others speak
            so much louder.
        validation: share of the training data that is held out, to see when training stops helping.
        patience: epochs without a better accuracy on the held-out data after which training ends.
        loss: a name in memsim.learn.losses, or `FILE.py:NAME`; cross entropy of classes and mean square error of
            numbers where left out.
        class_weights: `balanced`, or the weight of each class in the loss.
        metrics: names in memsim.learn.metrics, or `FILE.py:NAME`, of what else is measured on the test data after each
            epoch.
        keep: the weights after the last epoch, or those of the best one on the held-out data.
        writing: how the cells of crossbars are written in place after each update: a table with `kind`, `counts` or
            `verify`, and what it takes, see memsim.crossbar.in_place; where left out they hold what the optimiser says.
        precision: of the crossbar products in training; circuits are always stepped in full precision.
    """

    start: str | None = None
    optimizer: OptimizerName = "adam"
    weight_decay: NonNegative = 0.0
    gradient_clip: Positive | None = None
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: NonNegative = 0.0
    label_smoothing: Part = 0.0
    dropout: Annotated[float, Field(ge=0, le=0.9, strict=True)] = 0.0
    validation: Part = 0.0
    patience: Count | None = None
    loss: str | None = None
    class_weights: str | tuple[Positive, ...] | None = None
    metrics: tuple[str, ...] = ()
    keep: Literal["last", "best"] = "last"
    writing: WriterEntry = None
    precision: Literal["32-true", "bf16-mixed"] = "32-true"

    @field_validator("loss", "metrics")
    @classmethod
    def _full_names(cls, value: Any, info: ValidationInfo) -> Any:
        def full(one: Any) -> Any:
            return load_object(one, str(info.field_name))[0] if names_code(one) else one

        return tuple(full(one) for one in value) if isinstance(value, tuple) else full(value)

    @model_validator(mode="after")
    def _patience_needs_data(self) -> TrainingTable:
        if self.patience is not None and not self.validation:
            raise ValueError("patience needs data that is held out; set validation, for example to 0.1")
        if self.keep == "best" and not self.validation:
            raise ValueError(
                "the best epoch is chosen on data that are held out; set validation, for example to 0.1"
            )
        return self


class Study(NetworkTable):
    """Parameters of a training run, in SI units: a network, and how it is trained.

    Attributes:
        data: name of a data set, path of data of your own, or a table with more about them.
        batch: images an update is made from.
        rule: what fills the gradients: a name in memsim.learn.rules, `FILE.py:NAME`, or a table with `kind` and what it
            takes.
        stages: of training, on hardware of growing realism; epochs and learning rates are then theirs.
        step_error: largest estimated error of a membrane potential in spikes; steps are halved until they keep it, at
            the start and before each epoch. Steps stay as they are where left out.
    """

    speaks_of_discrete: ClassVar[frozenset[str]] = NetworkTable.speaks_of_discrete | {"stages"}
    of_circuits: ClassVar[frozenset[str]] = NetworkTable.of_circuits | {"step_error", "nonidealities"}
    of_cells: ClassVar[frozenset[str]] = NetworkTable.of_cells | {"nonidealities"}

    data: str | DataTable = "digits"
    step_error: Annotated[float, Field(ge=1e-4, le=1, strict=True)] | None = None
    epochs: Count = 20
    batch: Count = 64
    learning_rate: Positive = 0.02
    nonidealities: NonidealitiesTable = NonidealitiesTable()
    augmentation: AugmentationTable = AugmentationTable()
    training: TrainingTable = TrainingTable()
    rule: RuleEntry = BACKPROPAGATION
    stages: tuple[Stage, ...] = ()

    @model_validator(mode="after")
    def _stages_fit(self) -> Study:
        check_stages(self.stages)
        given = sorted({"epochs", "learning_rate"} & self.model_fields_set)
        if self.stages and given:
            raise ValueError(f"{given[0]} changes nothing in a study with stages; give it to each stage")
        self._check_cards()
        self._check_training()
        self._check_rules()
        self._check_repeated()
        return self

    def _check_repeated(self) -> None:
        """Raise ValueError where a stage has the weight decay or the optimiser of the study."""
        for stage in self.stages:
            for name in ("weight_decay", "optimizer"):
                if getattr(stage, name) == getattr(self.training, name):
                    raise ValueError(
                        f"stage {stage.name!r}: {name} = {getattr(stage, name)} is that of the study, and changes "
                        "nothing; leave it out"
                    )

    def _check_rules(self) -> None:
        """Raise ValueError where a stage names the rule of the study, or none of them learns by that."""
        for stage in self.stages:
            if stage.rule == self.rule:
                raise ValueError(
                    f"stage {stage.name!r}: rule is that of the study, and changes nothing; leave it out"
                )
        if self.stages and "rule" in self.model_fields_set and all(stage.rule for stage in self.stages):
            raise ValueError("rule changes nothing where every stage has its own; leave it out")

    def _check_training(self) -> None:
        """Raise ValueError where an entry of training changes nothing."""
        training = self.training
        shortest = min(stage.epochs for stage in self.every_stage)
        if training.warmup > shortest:
            raise ValueError(
                f"training.warmup = {training.warmup:g} is longer than a training of {shortest} epochs, whose learning "
                f"rate would never be reached; allowed: at most {shortest}"
            )
        if training.writing is not None:
            check_writing(self)
        if training.dropout and len(self.every_layer) == 1:
            raise ValueError("training.dropout changes nothing without hidden layers; leave it out")
        first = type(self.synapses).model_fields["initial_weight"].default
        if training.start is not None and self.on_crossbars and self.synapses.initial_weight != first:
            raise ValueError(
                "synapses.initial_weight changes nothing where weights are those of training.start; leave one of them "
                "out"
            )

    def _check_cards(self) -> None:
        """Raise ValueError where the study asks for what the cards of its stages replace, or cannot have."""
        if all(stage.card is None for stage in self.stages):
            return
        check_digital(self, self.stages)
        check_word_lines(self, self.stages)
        check_dropout(self, self.stages, self.training.dropout)
        if self.nonidealities != NonidealitiesTable():
            raise ValueError(
                "nonidealities are of crossbars without a card; give stages with a card cell.variation, "
                "cell.stuck_rate, cell.upset_rate or cell.read_noise in hardware instead"
            )
        if self.synapses.wire_resistance:
            raise ValueError(
                "synapses.wire_resistance is of crossbars without a card; give wires.word_line and wires.bit_line "
                "in hardware of stages with one instead"
            )
        if self.step_error is not None:
            raise ValueError(
                "step_error compares waveforms at two steps, and converters of a card read other samples at each; "
                "leave it out, and choose step in a study without cards"
            )
        if not self.discrete and any(layer.recurrent for layer in self.every_layer):
            raise ValueError(
                "recurrent layers of circuits have their crossbar inside the circuit, where a card cannot read it; "
                "leave recurrent out, or use discrete neurons"
            )
        if not self.discrete and self.drive.encoding == "rate":
            raise ValueError(
                "drive.encoding = 'rate' draws events, which the ranges of a card's inputs cannot be found with; "
                "allowed with cards: amplitude, latency"
            )

    @property
    def unused(self) -> set[str]:
        names = super().unused | ({"epochs", "learning_rate"} if self.stages else {"stages"})
        return names | ({"rule"} if self.rule == BACKPROPAGATION else set())

    @property
    def every_stage(self) -> tuple[Stage, ...]:
        """The stages; one of the study's own epochs where it has none."""
        whole = Stage(name="training", epochs=self.epochs, learning_rate=self.learning_rate)
        return self.stages or (whole,)


def make_study(**values: object) -> Study:
    """A study from keyword values; tables are dictionaries.

    Raises:
        InputError: an unknown name or a value out of range, named with what is allowed.
    """
    return checked(Study, values, "the study")


def load_study(path: Path, *, trust: bool = False) -> Study:
    """Read a study from a TOML file; paths of data are relative to its folder.

    Args:
        path: of the file. Files of neurons and of code are found from its folder.
        trust: run the code of the Python files that the study names.

    Raises:
        InputError: no such file, not TOML, or an entry that cannot be used.
        CheckpointError: a file of neurons or code that has changed since the study was saved.
    """
    entries = anchored(read_toml(path, "study"), path.parent)
    return checked(Study, _with_full_names(entries, path.parent, trust=trust), f"study {str(path)!r}")


def save_study(study: Study, path: Path) -> None:
    """Write a study as TOML, and beside it the files of its neurons and of its code."""
    entries = study.model_dump(exclude_none=True)
    keep_files(_texts(entries), path.parent)
    write_text(path, tomli_w.dumps(entries))


def _with_full_names(entries: Any, folder: Path, *, trust: bool, place: str = "") -> Any:
    """Entries in which cells and objects of files, named from a folder, have their full names."""
    if isinstance(entries, dict):
        return {
            name: _with_full_names(value, folder, trust=trust, place=f"{place}.{name}".lstrip("."))
            for name, value in entries.items()
        }
    if isinstance(entries, list):
        return [_with_full_names(value, folder, trust=trust, place=place) for value in entries]
    if place in NEURONS:
        return full_name(entries, folder, trust=trust)
    return load_object(entries, place, trust=trust, folder=folder)[0] if names_code(entries) else entries


def _texts(entries: Any) -> Iterator[str]:
    """Every text in entries, however deep."""
    if isinstance(entries, str):
        yield entries
    elif isinstance(entries, dict | list | tuple):
        for value in entries.values() if isinstance(entries, dict) else entries:
            yield from _texts(value)
