"""Synapses, joins and delays of the layers of a network, made in order from their tables."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from memsim.crossbar import Crossbar, Hardware, Wires, conductance_range
from memsim.devices import Device, load_device
from memsim.devices.retention import retention
from memsim.errors import InputError
from memsim.memory import check_memory
from memsim.networks.delays import Delay
from memsim.networks.geometry import Convolution, as_image, one_group
from memsim.networks.layer import Join
from memsim.networks.layer_table import LayerTable
from memsim.networks.lines import Part, Resampling, resampling_of
from memsim.networks.named_gates import make_gate
from memsim.networks.network import INPUT
from memsim.networks.normalisation import make_norm
from memsim.networks.predictions import Prediction
from memsim.networks.scans import INDEX, LOCATION, TIME, Scan, order_of
from memsim.networks.skips import CURRENT, STEPS, SkipTable
from memsim.networks.synapses import Convolutional, Dense, OnCrossbars, Synapse, grouped
from memsim.networks.tables import SynapsesTable
from memsim.units import format_si

SHORTEST_MEMORY = 10e-3
"""Of a device whose conductance is a weight [s]."""


@dataclass(frozen=True)
class Connection:
    """What a synapse is to lead from and to.

    Attributes:
        number: of the layer that it leads into, from 0.
        shape: of the outputs that it comes from.
        layout: number of neurons, or a convolution.
        bias: whether it has one.
        rails: lines of each channel that comes in.
    """

    number: int
    shape: tuple[int, ...]
    layout: int | Convolution
    bias: bool
    rails: int = 1

    @property
    def fan_in(self) -> int:
        """Inputs of a neuron, without a bias."""
        if isinstance(self.layout, int):
            return math.prod(self.shape)
        return one_group(as_image(self.shape), self.layout, self.rails)[0][0] * self.layout.kernel**2

    def on(self, crossbar: Callable[[int, int], Crossbar], always_on: float) -> OnCrossbars:
        """The synapse on crossbars.

        Args:
            crossbar: makes one of so many word lines and columns; each group of a convolution has its own.
            always_on: voltage of the word line of a bias [V].
        """
        bias, rows = always_on if self.bias else None, self.fan_in + self.bias
        if isinstance(self.layout, int):
            return Dense(crossbar(rows, self.layout), bias)
        return grouped(
            as_image(self.shape),
            self.layout,
            lambda share, own: Convolutional(share, own, crossbar(rows, own.channels), bias),
            self.rails,
        )


class Parts(ABC):
    """What leads into each layer of a network.

    Weights are drawn in this order: from each layer to the next, behind a random order of locations; then, layer by
    layer, recurrent ones, joins, delays.

    Args:
        shape: of one input: (features,), (height, width) or (channels, height, width).
        classes: neurons of the last layer; None where it has as many as its table says.
        tables: of all layers.
        generator: source of all that is drawn.
        parts: of the input, by name.
        rails: word lines of each channel of the input.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int | None,
        tables: Sequence[LayerTable],
        generator: torch.Generator | None,
        parts: Mapping[str, Part],
        *,
        rails: int,
    ) -> None:
        self.classes, self.tables, self.generator = classes, tables, generator
        self.names = names_of(tables)
        self.parts, self.rails = parts, rails
        self.shapes = {INPUT: shape, **{name: part.shape for name, part in parts.items()}}
        self.scans = dict.fromkeys(self.shapes, Scan(steps=self.steps))

    recurrent_bias = False
    """Whether synapses from a layer to itself have one."""
    steps: int | None = None
    """Of time, where it is counted in steps and their number is known."""

    @abstractmethod
    def synapse(self, wanted: Connection) -> Synapse:
        """What makes a connection."""

    @abstractmethod
    def has_bias(self, table: LayerTable) -> bool:
        """Whether a layer has one."""

    def tau(self, table: LayerTable) -> float | None:
        """Time constant of what a layer hears of itself: lines of circuits [s], traces of a prediction [steps]."""
        return table.prediction_tau

    def made(self) -> tuple[list[Synapse], list[dict[str, Any]]]:
        """The synapses from each layer to the next, and what else `Layer` takes."""
        synapses = [self._synapse(number, table) for number, table in enumerate(self.tables)]
        return synapses, [
            self._others(number, table, synapses[number]) for number, table in enumerate(self.tables)
        ]

    def feeds(self, number: int) -> tuple[str, tuple[str, ...]]:
        """Names of what leads to the synapse of a layer, and of what else comes in.

        Raises:
            InputError: one of them is none of what comes before.
        """
        main, others = self.tables[number].fed_by(self._before(number), self.parts)
        earlier = [INPUT, *self.parts, *self.names[:number]]
        for source in (main, *others):
            if source not in earlier:
                entry = "after" if source == self.tables[number].after else "from"
                raise InputError(
                    f"layer {self.names[number]!r}: {entry} = {source!r} is none of what comes before it: "
                    f"{', '.join(earlier)}"
                )
        return main, others

    def driver(self, number: int) -> int | None:
        """Number of the layer whose neurons lead to the synapse of another; None where the drive does."""
        main, _ = self.feeds(number)
        return self.names.index(main) if main in self.names else None

    def _before(self, number: int) -> str:
        return self.names[number - 1] if number else INPUT

    def _synapse(self, number: int, table: LayerTable) -> Synapse:
        self.scans[self.names[number]] = self._scan(number, table)
        layout = self.classes if table.layout is None else table.layout
        if layout is None:
            raise InputError(
                f"layer {self.names[number]!r} has no neurons, and scores are made of any number; give it neurons and "
                "output = true, and put no layer behind it"
            )
        rails = self.rails if self.driver(number) is None else 1
        wanted = Connection(number, self._arriving(number, table), layout, self.has_bias(table), rails)
        made = self.synapse(wanted)
        if table.output and self.classes not in {None, math.prod(made.shape)}:
            raise InputError(
                f"layer {self.names[number]!r} is the output and has {math.prod(made.shape)} neurons, shape "
                f"{made.shape}; the data ask for {self.classes} numbers"
            )
        self.shapes[self.names[number]] = made.shape
        return made

    def _scan(self, number: int, table: LayerTable) -> Scan:
        """What a layer is stepped along."""
        name, (main, _) = self.names[number], self.feeds(number)
        before = self.scans[main]
        if table.over == before.over:
            if table.order != INDEX:
                raise InputError(
                    f"layer {name!r}: order changes nothing behind {main!r}, which is stepped over locations already; "
                    "leave it out"
                )
            return before
        if table.over == TIME:
            return Scan(steps=self.steps)  # which the network refuses
        if before.steps is None:
            raise InputError(
                f"layer {name!r} has a weight for each step where it is stepped over locations, and their number is "
                "not known; give steps"
            )
        lines = math.prod(self.shapes[main])
        return Scan(LOCATION, lines, order_of(table.order, lines, self.generator))

    def _heard(self, number: int, source: str) -> tuple[int, ...]:
        """Shape of what a layer hears of a source at each step: its steps, where these are turned."""
        scan, before = self.scans[self.names[number]], self.scans[source]
        if scan.over == before.over or before.steps is None:
            return self.shapes[source]
        return (before.steps,)

    def _arriving(self, number: int, table: LayerTable) -> tuple[int, ...]:
        """Shape of what the word lines follow."""
        resampling = self._resampling(number, table)
        return self._heard(number, self.feeds(number)[0]) if resampling is None else resampling.shape

    def _resampling(self, number: int, table: LayerTable) -> Resampling | None:
        return resampling_of(self._heard(number, self.feeds(number)[0]), table.pool, table.upsample)

    def _others(self, number: int, table: LayerTable, synapse: Synapse) -> dict[str, Any]:
        name, (main, _) = self.names[number], self.feeds(number)
        neurons, scan = math.prod(synapse.shape), self.scans[name]
        return {
            "name": name,
            "recurrent": self._again(number, table, synapse),
            "tau": self.tau(table),
            "norm": make_norm(table.norm, self.shapes[name], scan.steps),
            "gate": make_gate(table.gate, self.shapes[name], scan.steps, self.generator),
            "source": None if main == self._before(number) else main,
            "resampling": self._resampling(number, table),
            "joins": list(self._joins(number, table, neurons)),
            "delay": self._delay(number, table),
            "over": scan.over,
            "order": torch.tensor(scan.order) if scan.order else None,
        }

    def _again(self, number: int, table: LayerTable, synapse: Synapse) -> Synapse | None:
        """What a layer hears of itself."""
        if table.prediction_tau is not None:
            return Prediction(synapse)
        return self.recurrent(number, math.prod(synapse.shape)) if table.recurrent else None

    def recurrent(self, number: int, neurons: int) -> Synapse:
        """The synapse from a layer to itself; of a convolution, from each place to itself."""
        channels = self.tables[number].channels
        if channels is None:
            return self.synapse(Connection(number, (neurons,), neurons, self.recurrent_bias))
        at_each = Convolution(channels=channels, kernel=1)
        return self.synapse(Connection(number, self.shapes[self.names[number]], at_each, self.recurrent_bias))

    def _joins(self, number: int, table: LayerTable, neurons: int) -> Iterator[Join]:
        name, (main, others) = self.names[number], self.feeds(number)
        if table.join != CURRENT and not others:
            raise InputError(
                f"layer {name!r}: join = {table.join!r} changes nothing where {main!r} alone comes in; leave it out"
            )
        for skip in table.others(self.parts):
            yield self._join(number, table, skip, neurons)

    def _join(self, number: int, table: LayerTable, skip: SkipTable, neurons: int) -> Join:
        name, own = self.names[number], self.shapes[self.names[number]]
        if table.join == STEPS:
            check_added(name, neurons, skip.layer, math.prod(self.shapes[skip.layer]))
            return Join(skip.layer, place=STEPS)
        self._check_steps(name, skip.layer)
        given = self._heard(number, skip.layer)
        resampling = resampling_of(given, skip.pool, None)
        shape, layout = given if resampling is None else resampling.shape, skip.layout(own[0])
        synapse = None
        if layout is not None:
            rails = self.rails if skip.layer == INPUT or skip.layer in self.parts else 1
            synapse = self.synapse(Connection(number, shape, layout, bias=False, rails=rails))
            if synapse.shape != own:
                raise InputError(
                    f"layer {name!r} has the shape {own}, and what comes from {skip.layer!r} makes {synapse.shape}; "
                    "change its kernel, stride, padding or pool"
                )
        elif table.join == CURRENT:
            synapse = self.synapse(Connection(number, (math.prod(shape),), neurons, bias=False))
        else:
            check_added(name, neurons, skip.layer, math.prod(shape))
        return Join(
            skip.layer,
            synapse,
            of=skip.kind(table.join),
            place=table.join,
            norm=make_norm(skip.norm, own, self.steps),
            resampling=resampling,
        )

    def _check_steps(self, name: str, source: str) -> None:
        """Raise InputError where what a layer hears of a source beside others has other steps than it."""
        own, before = self.scans[name], self.scans[source]
        steps = before.steps if own.over == before.over else math.prod(self.shapes[source])
        if steps != own.steps:
            raise InputError(
                f"layer {name!r} is stepped over {own.steps} {own.over}s and hears {source!r} in {steps}; they must be "
                "as many"
            )

    def _delay(self, number: int, table: LayerTable) -> Delay | None:
        if table.delay is None:
            return None
        lines = math.prod(self._arriving(number, table)) if table.train_delay else None
        return Delay(table.delay, lines, self.generator)


def names_of(tables: Sequence[LayerTable]) -> list[str]:
    """Of layers, with those that are left out."""
    return [table.name or f"layer{number}" for number, table in enumerate(tables, start=1)]


def check_added(name: str, neurons: int, source: str, lines: int) -> None:
    """Raise InputError unless the outputs of `source` can be added to those of a layer."""
    if lines != neurons:
        raise InputError(
            f"layer {name!r} has {neurons} neurons and {source!r} {lines} lines; what is added must be as many: use "
            'join = "current"'
        )


def crossbar_of(
    table: SynapsesTable, rows: int, columns: int, *, mirror_ratio: float, generator: torch.Generator | None
) -> Crossbar:
    """A crossbar as a study describes it, with its first weights."""
    check_memory(
        f"a crossbar of {rows} x {columns} cells", 8 * rows * columns, "make hidden or kernel smaller"
    )
    device = load_device(table.device)
    g_min, g_max = conductance_range(device, table.conductance_min, table.conductance_max)
    _check_memory_of(table.device, device)
    segment = table.wire_resistance
    crossbar = Crossbar(
        rows,
        columns,
        g_min=g_min,
        g_max=g_max,
        mirror_ratio=mirror_ratio,
        generator=generator,
        hardware=Hardware(wires=Wires(segment, segment)),
    )
    with torch.no_grad():
        crossbar.weight.mul_(2 * table.initial_weight)
    return crossbar


def _check_memory_of(name: str, device: Device) -> None:
    if device.states and (kept := retention(device)) < SHORTEST_MEMORY:
        raise InputError(
            f"synapses.device = {name!r} forgets within {format_si(kept, 's')} at 0 V, and weights are to stay; "
            f"allowed: devices that remember for {format_si(SHORTEST_MEMORY, 's')} and longer"
        )
