"""Tables of a study that describe a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from memsim.errors import InputError
from memsim.networks.defaults import completed, suiting
from memsim.networks.drives import Encoding, Pulse
from memsim.networks.named_cells import known_as
from memsim.surrogate import DEFAULT_STEPPER
from memsim.tables import Count, Finite, NonNegative, Positive, Seed, Share, Table, Whole

Size = Annotated[int, Field(ge=1, le=4096, strict=True)]
DEFAULT_NEURON = "integrate-and-fire-set1"
"""What the defaults of all tables suit."""
ReadoutKind = Literal["mean", "maximum", "spike-count", "first-spike"]


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
    padding: Whole = 0


class DriveTable(Table):
    """What the word lines of the first layer do with an input: see memsim.networks.drives.

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
    mirror_ratio: Positive | tuple[Positive, ...] = 0.3
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
    """How membranes of the last layer become logits, in training and in test: see memsim.networks.readouts.

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
    stuck_rate: Share = 0.0
    stuck_conductance: NonNegative | None = None
    read_noise: NonNegative = 0.0


class NetworkTable(Table):
    """A network, in SI units. It is stepped at `step` seconds over `window` seconds.

    Where window, step, pulses and mirrors are left out, they are those that suit the neuron: see
    memsim.networks.defaults.

    Attributes:
        hidden: hidden layers: a number of neurons, or a table for a convolution; none where empty.
        neuron: circuit of the neurons: a cell of the package by name, or `FILE.py:CLASS` or `FILE.cir:NAME`; in
            Python also an object, see memsim.networks.cells.
        parameters: circuit parameters that differ between neurons, by name, such as "cmem" or "xm1.v_on".
    """

    hidden: tuple[Size | Convolution, ...] = (32,)
    neuron: str = DEFAULT_NEURON
    window: Positive = 10e-3
    step: Positive = 200e-6
    stepper: str = DEFAULT_STEPPER
    seed: Seed = 0
    drive: DriveTable = DriveTable()
    synapses: SynapsesTable = SynapsesTable()
    parameters: dict[str, ParameterTable] = {}
    readout: ReadoutTable = ReadoutTable()

    @model_validator(mode="before")
    @classmethod
    def _suit_the_neuron(cls, entries: Any) -> Any:
        neuron = entries.get("neuron") if isinstance(entries, Mapping) else None
        if neuron is None or neuron == DEFAULT_NEURON:
            return entries
        try:
            _, regime = known_as(neuron)
        except InputError:  # which the entry itself says
            return entries
        given = {
            name: value.model_dump(exclude_unset=True) if isinstance(value, Table) else value
            for name, value in entries.items()
        }
        return completed(given, suiting(regime))

    @field_validator("neuron", mode="before")
    @classmethod
    def _full_name(cls, neuron: Any) -> str:
        return known_as(neuron)[0]

    @model_validator(mode="after")
    def _parts_fit(self) -> NetworkTable:
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
