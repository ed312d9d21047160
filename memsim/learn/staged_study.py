"""A staged study: a spiking network, trained on hardware of growing realism, as a TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tomli_w
from pydantic import Field, model_validator

from memsim.errors import InputError
from memsim.files import write_text
from memsim.imc.estimators import Estimator
from memsim.imc.hardware import HardwareCard, load_hardware
from memsim.learn.data import DataTable, anchored
from memsim.networks.geometry import Convolution, Size
from memsim.tables import Count, Positive, Table
from memsim.toml import checked, read_toml

StageName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]*$", max_length=60)]


class Stage(Table):
    """One stage of training. It starts from the network of the last one.

    Attributes:
        name: of the stage, and of its folder.
        card: the hardware that is trained for; software where left out.
        hardware: entries of the card that differ, by dotted names, such as {"converter.offset" = 0.5}.
        epochs: passes over the examples.
        examples: of each epoch, drawn anew; all where left out.
        learning_rate: at the start; half a cosine to zero.
        gradient: of decisions, see memsim.imc.estimators.
        width: of that gradient at the start and at the end, in geometric steps between [LSB].
    """

    name: StageName
    card: str | None = None
    hardware: dict[str, Any] = {}
    epochs: Count = 1
    examples: Count | None = None
    learning_rate: Positive = 2e-3
    gradient: Estimator = "exact"
    width: tuple[Positive, Positive] = (1.0, 1.0)

    @model_validator(mode="after")
    def _hardware_exists(self) -> Stage:
        if self.card is None and self.hardware:
            raise ValueError("hardware changes nothing without a card; name one, or leave hardware out")
        if self.card is not None:
            self.hardware_card()
        return self

    def hardware_card(self) -> HardwareCard:
        """The card with what differs; of stages that have one."""
        if self.card is None:
            raise InputError(f"stage {self.name!r} is trained in software, and has no card")
        return load_hardware(self.card, self.hardware)

    def width_at(self, progress: float) -> float:
        """Width of the gradient [LSB] at this share of the stage."""
        first, last = self.width
        return first * (last / first) ** progress


class StagedStudy(Table):
    """Parameters of a staged training run.

    Attributes:
        data: name of a data set, path of data of your own, or a table with more about them.
        hidden: hidden layers: a number of neurons, or a table for a convolution.
        recurrent: whether the last hidden layer, a dense one, also gets its own spikes.
        steps: of time, for each input; bins of events, or what still images are rate coded to.
        batch: inputs an update is made from.
        stages: in the order of training; software comes first.
    """

    data: str | DataTable = "digits"
    hidden: tuple[Size | Convolution, ...] = (32,)
    recurrent: bool = False
    steps: Annotated[int, Field(ge=1, le=1000, strict=True)] = 4
    batch: Count = 64
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = 0
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _stages_fit(self) -> StagedStudy:
        names = [stage.name for stage in self.stages]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"stages have the same name {twice[0]!r}; give each its own")
        kinds = [stage.card is None for stage in self.stages]
        if kinds != sorted(kinds, reverse=True):
            raise ValueError("a stage without card follows one with a card; software comes first")
        return self


def is_staged(path: Path) -> bool:
    """Whether a study file describes stages; False for files that cannot be read, which others report."""
    try:
        return "stages" in read_toml(path, "study")
    except InputError:
        return False


def make_staged_study(**values: object) -> StagedStudy:
    """A staged study from keyword values; tables are dictionaries.

    Raises:
        InputError: an unknown name or a value out of range, named with what is allowed.
    """
    return checked(StagedStudy, values, "the study")


def load_staged_study(path: Path) -> StagedStudy:
    """Read a staged study from a TOML file; paths of data are relative to its folder.

    Raises:
        InputError: no such file, not TOML, or an entry that cannot be used.
    """
    return checked(StagedStudy, anchored(read_toml(path, "study"), path.parent), f"study {str(path)!r}")


def save_staged_study(study: StagedStudy, path: Path) -> None:
    """Write a staged study as TOML."""
    write_text(path, tomli_w.dumps(study.model_dump(exclude_none=True)))
