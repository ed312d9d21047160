"""Tables of a study that describe a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from memsim.errors import InputError
from memsim.networks.blocks import expanded
from memsim.networks.defaults import completed, suiting
from memsim.networks.drives import Encoding, Pulse
from memsim.networks.effects import check_branches, check_effects, check_parts
from memsim.networks.geometry import Convolution, Size
from memsim.networks.layer_table import CROSSBAR, DISCRETE, IDEAL, LayerTable, Material, Name
from memsim.networks.lif_table import OF_SPIKES, LifTable
from memsim.networks.named_cells import known_as
from memsim.networks.scores import MEAN, check_scores
from memsim.networks.skips import SPIKE
from memsim.networks.spikes import SPIKES, check_coding
from memsim.surrogate import DEFAULT_STEPPER
from memsim.tables import Finite, NonNegative, Positive, Seed, Share, Table

DEFAULT_NEURON = "integrate-and-fire-set1"
"""What the defaults of all tables suit."""
DEFAULT_STEPS = 4
FIRST_VARIANCE = 6.0
"""Of the input of discrete neurons: keeps sparse spikes going from layer to layer."""
OF_MIRRORS = frozenset({"mirror_ratio", "supply", "bias"})
"""Entries of synapses that say nothing of crossbars in front of discrete neurons."""
MOST_VOLTAGE = 10.0
"""On a word line [V]."""
MOST_SPREAD = 2.0
"""Standard deviation of a logarithm: then one value in six is more than seven times what it should be."""
Spread = Annotated[float, Field(ge=0, le=MOST_SPREAD, strict=True)]
ReadoutKind = Literal["mean", "maximum", "spike-count", "first-spike"]


class DriveTable(Table):
    """What the word lines of the first layer do with an input: see memsim.networks.drives.

    Attributes:
        encoding: how inputs become amplitudes.
        pulse: shape of one pulse.
        voltage: of a pulse of amplitude 1 [V], at most 10 V.
        tau: time constant of a pulse that is not held [s], between a tenth of a step and ten windows.
        slots: instants, evenly over the window, at which pulses can begin.
    """

    encoding: Encoding = "amplitude"
    pulse: Pulse = "alpha"
    voltage: Annotated[float, Field(gt=0, le=MOST_VOLTAGE, strict=True)] = 0.1
    tau: Positive = 1e-3
    slots: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 2


class SynapsesTable(Table):
    """Differential pairs of memristive devices, and the current mirrors behind them.

    Attributes:
        device: card of the device.
        conductance_min, conductance_max: part of the device's range to use [S].
        mirror_ratio: current into a neuron over difference of its bit line currents; one for all layers or one each, or
            `auto`: found before training so that each layer gets the swing that its neurons ask for, as
            memsim.networks.gains says. Left out, it is that of the neuron, and `auto` where there are several hidden
            layers, or `layers`.
        initial_weight: weights start uniform between plus and minus this share of the range.
        wire_resistance: of each segment of word lines and bit lines [ohm], solved exactly, in training too.
        bias: whether every layer has a word line that is always on: at the voltage of the drive in front of the first
            layer, at that of a spike in front of the others.
        supply: of the mirrors [V]; a potential farther from rest ends a training with an error.
    """

    device: str = "pd-wo3-w"
    conductance_min: Positive | None = None
    conductance_max: Positive | None = None
    mirror_ratio: Positive | tuple[Positive, ...] | Literal["auto"] = 0.3
    initial_weight: Annotated[float, Field(gt=0, le=1, strict=True)] = 0.5
    wire_resistance: NonNegative = 0.0
    bias: bool = False
    supply: Positive = 3.3


class ParameterTable(Table):
    """A circuit parameter that differs between neurons, in its own SI unit.

    Attributes:
        trainable: whether it is trained, within its bounds.
        low, high: bounds; half and twice the circuit's value where left out.
        spread: standard deviation of its logarithm over the neurons at the start, at most 2.
    """

    trainable: bool = True
    low: Finite | None = None
    high: Finite | None = None
    spread: Spread = 0.0


class ReadoutTable(Table):
    """How membranes of the last layer become logits, in training and in test: see memsim.networks.readouts.

    Attributes:
        kind: mean, maximum, spike-count or first-spike.
        scale: what counts as one unit of a logit [V, spikes or windows]; that of kind and neuron where left out.
        level: potential above rest that a spike crosses [V]; the neuron's where left out. Beside the kinds that look at
            spikes, mirrors that are found by `auto` go by it.
        width: of the transition at the level [V], of the kinds that look at spikes; the neuron's where left out.
        start: time from which on it looks [s], before the window is over.
    """

    kind: ReadoutKind = "mean"
    scale: Positive | None = None
    level: Finite | None = None
    width: Positive | None = None
    start: NonNegative = 0.0


class NonidealityTable(Table):
    """What keeps cells from holding exactly what weights ask for.

    Attributes:
        levels: conductances that a cell can hold, evenly spaced.
        variation: standard deviation of the logarithm of conductances, at most 2.
        stuck_rate: share of cells that hold `stuck_conductance` whatever they are programmed to.
        stuck_conductance: of such cells [S], at most a hundred times the highest in use, which it is where left out.
        read_noise: standard deviation of a cell's conductance from read to read, as a share of it.
    """

    levels: Annotated[int, Field(ge=2, strict=True)] | None = None
    variation: Spread = 0.0
    stuck_rate: Share = 0.0
    stuck_conductance: NonNegative | None = None
    read_noise: Share = 0.0

    @model_validator(mode="after")
    def _some_are_stuck(self) -> NonidealityTable:
        if self.stuck_conductance is not None and not self.stuck_rate:
            raise ValueError(
                "stuck_conductance changes nothing without stuck cells; give stuck_rate, or leave it out"
            )
        return self


class NetworkTable(Table):
    """A network, in SI units. It is stepped at `step` seconds over `window` seconds.

    Where window, step, pulses and mirrors are left out, they are those that suit the neuron: see
    memsim.networks.defaults.

    Attributes:
        inputs: two or more named parts of the input, channels of each in order; the input is one where empty.
        hidden: hidden layers: a number of neurons, or a table for a convolution; none where empty.
        layers: the same with all that a layer can have, in the place of `hidden`. The last one, without neurons, is
            that of the classes; where all have some, it follows by itself.
        recurrent: whether the last hidden layer, a dense one, is.
        steps: of time that discrete neurons get for each input: bins of events, or what still inputs are coded to.
        coding: of inputs for discrete neurons: `spikes`, evenly spaced; `bernoulli`, drawn at each step; `latency`, one
            spike; `direct`, the numbers themselves at every step; or a function of yours, `FILE.py:NAME`, see
            memsim.networks.spikes.
        scores: of the membranes of discrete neurons in the last layer: their `mean` or `sum` over the steps, those of
            the `last` step, the `dot-product` of the rates of two places, or a function of yours, `FILE.py:NAME`, see
            memsim.networks.scores; or a table with that as `kind`, and `scale`: what counts as one unit of a score.
        neuron: `lif`, discrete leaky neurons behind plain weights, also meant where `steps` or stages are given and no
            neuron; or the circuit of the neurons: a cell of the package by name, or `FILE.py:CLASS` or `FILE.cir:NAME`;
            in Python also an object, see memsim.networks.cells.
        synapse: of discrete neurons: `ideal`, plain weights; or `crossbar`, the cells and wires of `synapses`, which
            spikes read. Circuits are always behind crossbars.
        lif: of discrete neurons: leak, threshold, reset, spike and compartments, see `LifTable`.
        initial_variance: of the input of a discrete neuron as training starts, over the share of its inputs that spike;
            weights have this over their number.
        parameters: circuit parameters that differ between neurons, by name, such as "cmem" or "xm1.v_on".
    """

    of_discrete: ClassVar[frozenset[str]] = frozenset(
        {"steps", "coding", "scores", "lif", "initial_variance"}
    )
    """Entries that discrete neurons alone have."""
    speaks_of_discrete: ClassVar[frozenset[str]] = of_discrete
    """Entries that mean discrete neurons where no neuron is named."""
    of_circuits: ClassVar[frozenset[str]] = frozenset(
        {"window", "step", "stepper", "drive", "synapses", "parameters", "readout"}
    )
    """Entries that circuits alone have."""
    of_cells: ClassVar[frozenset[str]] = frozenset({"synapses"})
    """Of those, what discrete neurons behind crossbars have, too."""

    inputs: dict[Name, Size] = {}
    hidden: tuple[Size | Convolution, ...] = (32,)
    layers: tuple[LayerTable, ...] = ()
    recurrent: bool = False
    steps: Annotated[int, Field(ge=1, le=1000, strict=True)] | None = None
    coding: Annotated[str, BeforeValidator(check_coding)] = SPIKES
    scores: Annotated[Any, BeforeValidator(check_scores)] = MEAN
    neuron: str = DEFAULT_NEURON
    synapse: Material = IDEAL
    lif: LifTable = LifTable()
    initial_variance: Positive = FIRST_VARIANCE
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
        if not isinstance(entries, Mapping):
            return entries
        neuron, hidden = entries.get("neuron", DEFAULT_NEURON), entries.get("hidden", ())
        if "neuron" not in entries and any(entries.get(name) for name in cls.speaks_of_discrete):
            neuron, entries = DISCRETE, {**entries, "neuron": DISCRETE}
        if neuron == DISCRETE:
            return entries
        suits: Mapping[str, Any] = {}
        if neuron != DEFAULT_NEURON:
            try:
                suits = suiting(known_as(neuron)[1])
            except InputError:  # which the entry itself says
                return entries
        if entries.get("layers") or (isinstance(hidden, Sequence) and len(hidden) > 1):
            suits = completed({"synapses": {"mirror_ratio": "auto"}}, suits)
        given = {
            name: value.model_dump(exclude_unset=True) if isinstance(value, Table) else value
            for name, value in entries.items()
        }
        return completed(given, suits)

    @model_serializer(mode="wrap")
    def _what_counts(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        entries: dict[str, Any] = dump(self)
        counts = {name: value for name, value in entries.items() if name not in self.unused}
        if self.discrete and "synapses" in counts:
            cells: dict[str, Any] = counts["synapses"]
            counts["synapses"] = {name: value for name, value in cells.items() if name not in OF_MIRRORS}
        return counts

    @property
    def unused(self) -> set[str]:
        """Entries that say nothing here, and are not saved."""
        names = {"hidden" if self.layers else "layers"} | (set() if self.recurrent else {"recurrent"})
        names |= (set() if self.synapse == CROSSBAR else {"synapse"}) | (set() if self.inputs else {"inputs"})
        names |= (set() if self.lif.given else {"lif"}) | ({"coding"} if self.coding == SPIKES else set())
        names |= {"scores"} if self.scores == MEAN else set()
        names |= {"initial_variance"} if self.initial_variance == FIRST_VARIANCE else set()
        return names | (self._not_discrete if self.discrete else self.of_discrete)

    @property
    def on_crossbars(self) -> bool:
        """Whether any synapses are cells of a crossbar."""
        kinds = {layer.synapse or self.synapse for layer in self.every_layer}
        return not self.discrete or CROSSBAR in kinds

    @property
    def _not_discrete(self) -> frozenset[str]:
        """Entries that say nothing of discrete neurons here."""
        return self.of_circuits - self.of_cells if self.on_crossbars else self.of_circuits

    @field_validator("neuron", mode="before")
    @classmethod
    def _full_name(cls, neuron: Any) -> str:
        if isinstance(neuron, int | float):
            raise ValueError(
                "neuron names the circuit of the neurons; how many there are is in `hidden` or `layers`"
            )
        return DISCRETE if neuron == DISCRETE else known_as(neuron)[0]

    @model_validator(mode="after")
    def _one_family(self) -> NetworkTable:
        given = self.model_fields_set
        of_others = sorted(given & (self._not_discrete if self.discrete else self.of_discrete))
        if of_others:
            hint = f', or use synapse = "{CROSSBAR}"' if set(of_others) <= self.of_cells else ""
            raise ValueError(
                f"{of_others[0]} changes nothing for the neuron {self.neuron!r}; leave it out{hint}"
            )
        if not self.discrete and ("synapse" in given or any(layer.synapse for layer in self.every_layer)):
            raise ValueError(
                "synapse is of discrete neurons; circuits are always behind crossbars, leave it out"
            )
        if not self.discrete and any(layer.lif for layer in self.every_layer):
            raise ValueError(f'lif is of discrete neurons; give neuron = "{DISCRETE}", or leave it out')
        if not self.discrete and any(layer.norm for layer in self.every_layer):
            raise ValueError(
                f'norm is of discrete neurons, and currents of circuits are in A; give neuron = "{DISCRETE}", or leave '
                "it out"
            )
        idle = sorted(self.synapses.model_fields_set & OF_MIRRORS) if self.discrete else []
        if idle:
            raise ValueError(
                f"synapses.{idle[0]} is of mirrors in front of circuits and changes nothing for {self.neuron!r}; "
                "leave it out"
            )
        if self.discrete and any(layer.neuron for layer in self.every_layer):
            raise ValueError("a network of discrete neurons has no circuits; leave out neuron of its layers")
        if self.recurrent and (self.layers or not self.hidden or not isinstance(self.hidden[-1], int)):
            raise ValueError(
                "recurrent means the last of `hidden`, and needs a dense hidden layer; put a number of neurons last, "
                "or say it in layers"
            )
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> NetworkTable:
        if self.step * 4 > self.window:
            raise ValueError(
                f"step = {self.step:g} s is too long for a window of {self.window:g} s; allowed: at most a quarter"
            )
        if self.layers and "hidden" in self.model_fields_set:
            raise ValueError("hidden and layers both describe the hidden layers; give one of them")
        if any(layer.output for layer in self.every_layer[:-1]):
            raise ValueError("output is of the last layer; leave it out of those before it")
        if any(layer.fires for layer in self.every_layer[:-1]):
            raise ValueError("fires is of the last layer, and all others fire anyway; leave it out of them")
        if self.every_layer[-1].fires and not self.discrete:
            raise ValueError("fires is of discrete neurons, and circuits fire as they do; leave it out")
        if any(layer.layout is None for layer in self.every_layer[:-1]):
            raise ValueError(
                "a layer before the last one has no neurons; give it neurons, or channels and kernel"
            )
        check_parts(self)
        check_branches(self)
        adds_up = not self.every_layer[-1].fires
        last = self.every_layer[-1].lif or (self.lif if len(self.every_layer) == 1 else LifTable())
        silent = sorted(OF_SPIKES & last.given.keys())
        if silent and adds_up:
            raise ValueError(
                f"lif.{silent[0]} changes nothing in the last layer, whose neurons add up and never fire; leave it out"
            )
        if self.every_layer[-1].join == SPIKE:
            raise ValueError('the last layer is read as it is; join = "spike" is for those before')
        regime = None if self.discrete else known_as(self.neuron)[1]
        check_effects(self, 0.0 if regime is None else regime.tau)
        ratios, layers = self.synapses.mirror_ratio, len(self.every_layer)
        if isinstance(ratios, tuple) and len(ratios) != layers:
            raise ValueError(
                f"mirror_ratio has {len(ratios)} entries for {layers} layers; allowed: one number, or one for each"
            )
        return self

    @property
    def discrete(self) -> bool:
        """Whether neurons are discrete ones, not circuits."""
        return self.neuron == DISCRETE

    @property
    def time_steps(self) -> int:
        """Of discrete neurons."""
        return DEFAULT_STEPS if self.steps is None else self.steps

    @property
    def layouts(self) -> tuple[int | Convolution, ...]:
        """Of the hidden layers."""
        return tuple(layer.layout for layer in self.every_layer[:-1] if layer.layout is not None)

    @property
    def every_layer(self) -> tuple[LayerTable, ...]:
        """All layers, that of the classes last."""
        layers = expanded(self.layers) or tuple(LayerTable.of(layout) for layout in self.hidden)
        if self.recurrent:
            layers = (*layers[:-1], layers[-1].model_copy(update={"recurrent": True}))
        if layers and layers[-1].is_last:
            return layers
        return (*layers, LayerTable())
