"""The table of a study that describes a layer."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from memsim.networks.blocks import BEFORE
from memsim.networks.described import Entry
from memsim.networks.effects import check_scan
from memsim.networks.geometry import Convolution, Size, check_padding
from memsim.networks.lif_table import LifTable
from memsim.networks.named_cells import known_as
from memsim.networks.normalisation import TAKES_OUT_MEANS, NormEntry, kind_of
from memsim.networks.scans import INDEX, TIME, Order, Over
from memsim.networks.skips import CURRENT, Place, SkipTable
from memsim.tables import Count, Positive, Table, Whole

DISCRETE = "lif"
"""Name of discrete leaky neurons: memsim.networks.LeakyIntegrateAndFire."""
IDEAL, CROSSBAR = "ideal", "crossbar"
"""What synapses of discrete neurons can be: plain weights, or cells of a crossbar."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]


def _known_synapse(kind: str | None) -> str | None:
    if kind not in {None, IDEAL, CROSSBAR}:
        raise ValueError(f"synapse = {kind!r} is unknown; allowed: {IDEAL}, {CROSSBAR}")
    return kind


Material = Annotated[str, AfterValidator(_known_synapse)]


def _several(value: Any) -> Any:
    """One name or table stands for a list of one."""
    return value if isinstance(value, list | tuple) else (value,)


class LayerTable(Table):
    """One layer: dense with `neurons`, convolutional with `channels` and `kernel`.

    Attributes:
        output: whether it is the last layer though it has neurons of its own, as many as there are numbers to predict,
            such as a convolution with an image for its output; else a dense layer follows.
        name: that other layers know it by; layer1, layer2, ... where left out.
        neuron: circuit of its neurons; the network's where left out.
        synapse: `ideal` or `crossbar`, of discrete neurons; the network's where left out.
        lif: of discrete neurons: what they are made of; what it leaves out is the network's.
        neurons: how many.
        channels, kernel, stride, padding, groups: of a convolution, see `Convolution`.
        pool: side of windows of what comes from the layer before, whose averages the word lines follow.
        upsample: in front of a convolution, side of squares of word lines that each follow one pixel of what comes from
            the layer before.
        recurrent: whether its neurons also hear each other; those of a convolution at one place, all places alike.
        edges: of a graph whose nodes are the places of a recurrent convolution, by number: what neurons hear of their
            own layer is mixed along them, see memsim.networks.graphs.
        recurrent_tau: time constant of the lines between circuits of a recurrent layer [s]; a tenth of the window where
            left out.
        recurrent_norm: of the plain weights that each neuron of a recurrent layer hears its own layer with, as training
            starts; below 1 in thresholds, activity settles. That of all other weights where left out.
        prediction_tau: of discrete neurons: time constant [steps] of the traces of its spikes, by which it predicts
            what comes in, to hear the difference; see memsim.networks.predictions. It predicts nothing where left out.
        bias: whether a word line that is always on leads to it; as `synapses.bias` says where left out. A layer that
            predicts has none.
        after: layer that it follows in the place of the one before, or `input`: the begin of a branch.
        sources: layers whose outputs it gets besides those of the layer before; `input` is what the first one gets, and
            `before` what its block gets. In files it is called `from`, and may have tables: see `SkipTable`. A layer
            that names a part of the input gets what it names, and nothing else.
        join: `current`: each through a crossbar of its own; `spike`: added to its own outputs; `membrane`: added to
            what goes into its neurons, behind normalisation and gate: the currents into those of the other layer where
            no table says otherwise; `steps`, of the last layer, of discrete neurons that fire: before its own outputs,
            step after step.
        over: what discrete neurons are stepped along, `time` or `location`; see memsim.networks.scans.
        order: of the locations: `index`, `random`, or their numbers; that of lines where left out.
        norm: normalisation of the currents into its neurons, of discrete ones: `batch`, `batch-through-time`,
            `FILE.py:NAME`, or a table with that as `kind` and settings; see memsim.networks.normalisation. Such a layer
            has no bias where left out.
        gate: of the currents into its neurons: a name, `FILE.py:NAME`, or a table with either as `kind` and settings;
            see memsim.networks.named_gates.
        fires: whether discrete neurons of the last layer fire as all others do, so that scores are of spikes.
        delay: of what comes from the layer before: of circuits [s], below the window; of discrete neurons in steps, a
            whole number of at least 1, below the number of steps.
        train_delay: whether that is the bound of delays that are trained, one for each word line.
        repeat: how often it stands here, one after the other; see memsim.networks.blocks.
        block: layers that stand here so often in its place, in order; it has nothing else of its own.
    """

    model_config = ConfigDict(populate_by_name=True)

    name: Name | None = None
    neuron: str | None = None
    synapse: Material | None = None
    lif: LifTable | None = None
    neurons: Size | None = None
    channels: Size | None = None
    kernel: Size | None = None
    stride: Count = 1
    padding: Whole = 0
    groups: Count = 1
    pool: Annotated[int, Field(ge=2, le=4096, strict=True)] | None = None
    upsample: Annotated[int, Field(ge=2, le=64, strict=True)] | None = None
    recurrent: bool = False
    recurrent_tau: Positive | None = None
    recurrent_norm: Positive | None = None
    edges: tuple[tuple[Whole, Whole], ...] = ()
    prediction_tau: Annotated[float, Field(ge=1, strict=True)] | None = None
    bias: bool | None = None
    sources: Annotated[tuple[str | SkipTable, ...], BeforeValidator(_several), Field(alias="from")] = ()
    after: str | None = None
    join: Place = CURRENT
    over: Over = TIME
    order: Order = INDEX
    norm: NormEntry = None
    gate: Entry = None
    delay: Positive | None = None
    train_delay: bool = False
    output: bool = False
    fires: bool = False
    repeat: Annotated[int, Field(ge=1, le=1000, strict=True)] = 1
    block: tuple[LayerTable, ...] = ()

    @field_validator("name")
    @classmethod
    def _is_its_own_name(cls, name: str | None) -> str | None:
        if name == BEFORE:
            raise ValueError(f"{BEFORE!r} means the layer before, in `from`; give the layer another name")
        return name

    @model_validator(mode="after")
    def _is_a_block(self) -> LayerTable:
        others = sorted(self.model_fields_set - {"block", "repeat"})
        if self.block and others:
            raise ValueError(f"{others[0]} is of the layers of a block; give it to these")
        if self.block and "repeat" not in self.model_fields_set:
            raise ValueError(
                "a block without repeat is its layers; give repeat, or the layers without a block"
            )
        if any(layer.repeat > 1 for layer in self.block):
            raise ValueError("layers of a block cannot repeat themselves; write them one after the other")
        if self.repeat > 1 and any(layer.is_last for layer in self.block or (self,)):
            raise ValueError(
                "the last layer stands once, and has no neurons or is the output; leave it out of repeat"
            )
        return self

    @field_validator("neuron", mode="before")
    @classmethod
    def _full_name(cls, neuron: Any) -> str | None:
        if isinstance(neuron, int | float):
            raise ValueError("neuron names the circuit of its neurons; how many there are is `neurons`")
        if neuron == DISCRETE:
            raise ValueError(
                f'discrete neurons are those of a whole network; give neuron = "{DISCRETE}" before its layers, or '
                "name a circuit"
            )
        return None if neuron is None else known_as(neuron)[0]

    @model_validator(mode="after")
    def _bias_counts(self) -> LayerTable:
        if self.bias and kind_of(self.norm) in TAKES_OUT_MEANS:
            raise ValueError(
                "bias changes nothing in front of batch normalisation, which takes out means; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _is_recurrent(self) -> LayerTable:
        for name in ("recurrent_tau", "recurrent_norm"):
            if getattr(self, name) is not None and not self.recurrent:
                raise ValueError(f"{name} changes nothing in a layer that is not recurrent; leave it out")
        if self.edges and not (self.channels is not None and self.recurrent):
            raise ValueError(
                "edges join the places of a recurrent convolution; give channels, kernel and recurrent = true, or "
                "leave edges out"
            )
        return self

    @model_validator(mode="after")
    def _predicts(self) -> LayerTable:
        if self.prediction_tau is None:
            return self
        beside = {
            "channels": self.channels,
            "recurrent": self.recurrent,
            "bias": self.bias,
            "norm": self.norm,
            "gate": self.gate,
            "fires": self.fires,
        }
        for name in [name for name, value in beside.items() if value]:
            raise ValueError(
                f"prediction_tau is of dense layers that are read both ways as they are, and {name} is given, too; "
                "leave one of them out"
            )
        if self.is_last or self.over != TIME:
            raise ValueError("prediction_tau is of hidden layers over time; leave it out of others")
        return self

    @model_validator(mode="after")
    def _is_stepped(self) -> LayerTable:
        check_scan(self)
        return self

    @model_validator(mode="after")
    def _upsamples_images(self) -> LayerTable:
        if self.upsample is not None and (self.channels is None or self.pool is not None):
            raise ValueError(
                "upsample stands in front of a convolution, and not beside pool; give channels and kernel, or leave "
                "one out"
            )
        return self

    @model_validator(mode="after")
    def _one_kind(self) -> LayerTable:
        if (self.channels is None) != (self.kernel is None):
            raise ValueError("a convolution has channels and kernel; give both, or neurons")
        if self.channels is not None and self.neurons is not None:
            raise ValueError("a layer has neurons, or channels and kernel; give one of them")
        if self.kernel is not None:
            check_padding(self.kernel, self.padding)
        if self.channels is None and (self.stride, self.padding, self.groups) != (1, 0, 1):
            raise ValueError(
                "stride, padding and groups belong to a convolution; give channels and kernel, too"
            )
        if self.train_delay and self.delay is None:
            raise ValueError("train_delay needs a delay, the longest that may be found")
        if self.join != CURRENT and not self.sources:
            raise ValueError("join changes nothing without `from`; name a layer, or leave join out")
        if self.output and self.layout is None:
            raise ValueError("output changes nothing in a layer without neurons of its own; leave it out")
        return self

    @model_serializer(mode="wrap")
    def _what_counts(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        entries: dict[str, Any] = dump(self)
        if self.block:
            return {name: entries[name] for name in ("repeat", "block")}
        return {
            name: value
            for name, value in entries.items()
            if name != "block" and (name, value) != ("repeat", 1)
        }

    def fed_by(self, before: str, parts: Collection[str]) -> tuple[str, tuple[str, ...]]:
        """What leads to its synapse, and what else comes in.

        Args:
            before: name of the layer before, or `input`.
            parts: names of the parts of the input.
        """
        heard = tuple(skip.layer for skip in self.skips)
        return (heard[0], heard[1:]) if set(heard) & set(parts) else (self.after or before, heard)

    @property
    def skips(self) -> tuple[SkipTable, ...]:
        """All of `from` as tables."""
        return tuple(one if isinstance(one, SkipTable) else SkipTable(layer=one) for one in self.sources)

    def others(self, parts: Collection[str]) -> tuple[SkipTable, ...]:
        """What comes in beside what leads to its synapse; `parts` as for `fed_by`."""
        return self.skips[len(self.skips) - len(self.fed_by("", parts)[1]) :]

    @property
    def is_last(self) -> bool:
        """Whether no other layer follows it."""
        return self.output or self.layout is None

    @property
    def layout(self) -> int | Convolution | None:
        """Number of neurons, or a convolution; None of the last layer, which has one neuron for each class."""
        if self.channels is None or self.kernel is None:
            return self.neurons
        return Convolution(**{name: getattr(self, name) for name in Convolution.model_fields})

    @classmethod
    def of(cls, layout: int | Convolution | None) -> LayerTable:
        """A layer that is nothing but that."""
        if isinstance(layout, Convolution):
            return cls(**layout.model_dump())
        return cls(neurons=layout)
