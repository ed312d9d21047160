"""A study: everything that decides a training run, as a TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, model_validator

from memsim.files import write_text
from memsim.learn.defaults import BY_NEURON, MIRROR_RATIO, completed
from memsim.learn.drives import Encoding, Pulse
from memsim.surrogate import DEFAULT_STEPPER
from memsim.toml import checked, read_toml

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
Finite = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Share = Annotated[float, Field(ge=0, lt=1, strict=True)]
Count = Annotated[int, Field(ge=1, le=10**9, strict=True)]
Size = Annotated[int, Field(ge=1, le=4096, strict=True)]
NeuronName = Literal[
    "integrate-and-fire-set1",
    "integrate-and-fire-set2",
    "integrate-and-fire-set3",
    "threshold-switching-a",
    "threshold-switching-b",
]
ReadoutKind = Literal["mean", "maximum", "spike-count", "first-spike"]


class Table(BaseModel):
    """A table of a study: unknown entries are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Convolution(Table):
    """A convolutional layer: one crossbar that every patch of the input is applied to.

    Attributes:
        channels: neurons at each position.
        kernel: side of a patch [pixels].
        stride: between patches [pixels].
        padding: rim of zeros around the input [pixels].
    """

    channels: Size
    kernel: Size
    stride: Count = 1
    padding: Annotated[int, Field(ge=0, strict=True)] = 0


class DriveTable(Table):
    """What the word lines of the first layer do with an input: see memsim.learn.drives.

    Attributes:
        encoding: how inputs become amplitudes.
        pulse: shape of one pulse.
        voltage: of a pulse of amplitude 1 [V].
        tau: time constant of a pulse [s].
        slots: instants, evenly over the window, at which pulses can begin.
    """

    encoding: Encoding = "amplitude"
    pulse: Pulse = "alpha"
    voltage: Positive = 0.1
    tau: Positive = 1e-3
    slots: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 2


class AugmentationTable(Table):
    """Random distortions of training images: see memsim.learn.augment.

    Attributes:
        shift: largest shift along each axis [pixels].
        rotation: largest angle either way [degrees].
        scale: largest relative change of size.
        elastic: standard deviation of the elastic displacement at its knots [pixels].
    """

    shift: Annotated[int, Field(ge=0, strict=True)] = 0
    rotation: Annotated[float, Field(ge=0, le=180, strict=True)] = 0.0
    scale: Share = 0.0
    elastic: NonNegative = 0.0


class SynapsesTable(Table):
    """Differential pairs of memristive devices, and the current mirrors behind them.

    Attributes:
        device: card of the device.
        conductance_min, conductance_max: part of the device's range to use [S].
        mirror_ratio: current into a neuron over difference of its bit line currents; one for all layers or one each.
        initial_weight: weights start uniform between plus and minus this share of the range.
        wire_resistance: of each segment of word lines and bit lines [ohm], solved exactly, in training too.
    """

    device: str = "pd-wo3-w"
    conductance_min: Positive | None = None
    conductance_max: Positive | None = None
    mirror_ratio: Positive | tuple[Positive, ...] = MIRROR_RATIO
    initial_weight: Annotated[float, Field(gt=0, le=1, strict=True)] = 0.5
    wire_resistance: NonNegative = 0.0


class ParameterTable(Table):
    """A circuit parameter that differs between neurons, in its own SI unit.

    Attributes:
        trainable: whether it is trained, within its bounds.
        low, high: bounds; half and twice the circuit's value where left out.
        spread: standard deviation of its logarithm over the neurons at the start.
    """

    trainable: bool = True
    low: Finite | None = None
    high: Finite | None = None
    spread: NonNegative = 0.0


class ReadoutTable(Table):
    """How membranes of the last layer become logits, in training and in test: see memsim.learn.readouts.

    Attributes:
        kind: mean, maximum, spike-count or first-spike.
        scale: what counts as one unit of a logit [V, spikes or windows]; that of kind and neuron where left out.
        level: potential above rest that a spike crosses [V]; the neuron's where left out.
        width: of the transition at the level [V]; the neuron's where left out.
    """

    kind: ReadoutKind = "mean"
    scale: Positive | None = None
    level: Finite | None = None
    width: Positive | None = None


class NonidealityTable(Table):
    """What keeps cells from holding exactly what weights ask for.

    Attributes:
        levels: conductances that a cell can hold, evenly spaced.
        variation: standard deviation of the logarithm of conductances.
        stuck_rate: share of cells that hold `stuck_conductance` whatever they are programmed to.
        stuck_conductance: of such cells [S]; the highest in use where left out.
        read_noise: standard deviation of a cell's conductance from read to read, as a share of it.
    """

    levels: Annotated[int, Field(ge=2, strict=True)] | None = None
    variation: NonNegative = 0.0
    stuck_rate: Annotated[float, Field(ge=0, le=1, strict=True)] = 0.0
    stuck_conductance: NonNegative | None = None
    read_noise: NonNegative = 0.0


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
        start: folder of a trained run of the same network, whose weights to start from; random ones where left out.
        optimizer: adam, or adamw, whose weight decay is separate from the gradient.
        weight_decay: pull of the weights towards zero.
        gradient_clip: largest norm of the gradient.
        schedule: of the learning rate after the warm-up: half a cosine to zero, or constant.
        warmup: epochs in which the learning rate rises from zero.
        label_smoothing: share of the target that is spread over all classes.
        dropout: share of hidden neurons that are silent, drawn anew for each image.
        validation: share of the training data that is held out, to see when training stops helping.
        patience: epochs without a better accuracy on the held-out data after which training ends.
        precision: of the crossbar products in training; circuits are always stepped in full precision.
    """

    start: str | None = None
    optimizer: Literal["adam", "adamw"] = "adam"
    weight_decay: NonNegative = 0.0
    gradient_clip: Positive | None = None
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: NonNegative = 0.0
    label_smoothing: Share = 0.0
    dropout: Share = 0.0
    validation: Share = 0.0
    patience: Count | None = None
    precision: Literal["32-true", "bf16-mixed"] = "32-true"

    @model_validator(mode="after")
    def _patience_needs_data(self) -> TrainingTable:
        if self.patience is not None and not self.validation:
            raise ValueError("patience needs data that is held out; set validation, for example to 0.1")
        return self


class Study(Table):
    """Parameters of a training run, in SI units. The network is stepped at `step` seconds over `window` seconds.

    Where window, step, drive.pulse and synapses.mirror_ratio are left out, they are those that suit the neuron: see
    memsim.learn.defaults.

    Attributes:
        step_error: largest estimated error of a membrane potential in spikes; steps are halved until they keep it, at
            the start and before each epoch. Steps stay as they are where left out.
        data: name of the data set.
        hidden: hidden layers: a number of neurons, or a table for a convolution; none where empty.
        neuron: circuit of the neurons, as `memsim run` names it.
        parameters: circuit parameters that differ between neurons, by name, such as "cmem" or "xm1.v_on".
        batch: images an update is made from.
    """

    data: str = "digits"
    hidden: tuple[Size | Convolution, ...] = (32,)
    neuron: NeuronName = "integrate-and-fire-set1"
    window: Positive = 10e-3
    step: Positive = 200e-6
    step_error: Annotated[float, Field(ge=1e-4, le=1, strict=True)] | None = None
    stepper: str = DEFAULT_STEPPER
    epochs: Count = 20
    batch: Count = 64
    learning_rate: Positive = 0.02
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = 0
    drive: DriveTable = DriveTable()
    synapses: SynapsesTable = SynapsesTable()
    parameters: dict[str, ParameterTable] = {}
    readout: ReadoutTable = ReadoutTable()
    nonidealities: NonidealitiesTable = NonidealitiesTable()
    augmentation: AugmentationTable = AugmentationTable()
    training: TrainingTable = TrainingTable()

    @model_validator(mode="before")
    @classmethod
    def _suit_the_neuron(cls, entries: Any) -> Any:
        neuron = entries.get("neuron") if isinstance(entries, Mapping) else None
        if not isinstance(neuron, str) or neuron not in BY_NEURON:
            return entries
        given = {
            name: value.model_dump(exclude_unset=True) if isinstance(value, Table) else value
            for name, value in entries.items()
        }
        return completed(given, BY_NEURON[neuron])

    @model_validator(mode="after")
    def _parts_fit(self) -> Study:
        if self.step * 4 > self.window:
            raise ValueError(
                f"step = {self.step:g} s is too long for a window of {self.window:g} s; allowed: at most a quarter"
            )
        ratios, layers = self.synapses.mirror_ratio, len(self.hidden) + 1
        if isinstance(ratios, tuple) and len(ratios) != layers:
            raise ValueError(
                f"mirror_ratio has {len(ratios)} entries for {layers} layers; allowed: one number, or one for each"
            )
        return self


def make_study(**values: object) -> Study:
    """A study from keyword values; tables are dictionaries.

    Raises:
        InputError: an unknown name or a value out of range, named with what is allowed.
    """
    return checked(Study, values, "the study")


def load_study(path: Path) -> Study:
    """Read a study from a TOML file.

    Raises:
        InputError: no such file, not TOML, or an entry that cannot be used.
    """
    return checked(Study, read_toml(path, "study"), f"study {str(path)!r}")


def save_study(study: Study, path: Path) -> None:
    """Write a study as TOML."""
    write_text(path, tomli_w.dumps(study.model_dump(exclude_none=True)))
