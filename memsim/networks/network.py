"""Networks: layers in order, with a drive in front and a readout behind."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from memsim.crossbar import Crossbar
from memsim.errors import ConvergenceError, InputError
from memsim.imc.inferences import inference, one_chip, remembering
from memsim.networks.layer import Join, Layer
from memsim.networks.scans import LOCATION, TIME, turned
from memsim.networks.skips import CURRENT, MEMBRANE, SPIKE, STEPS, Kind, Place
from memsim.networks.synapses import Synapse

Times = NDArray[np.float64]
INPUT = "input"
"""Name of what the drive gives, for joins."""


@dataclass(frozen=True)
class Clock:
    """Time of circuits.

    Attributes:
        window: for one input [s].
        step: between samples [s].
    """

    window: float
    step: float

    def times(self, step: float | None = None) -> Times:
        """Of all samples [s]."""
        step = self.step if step is None else step
        return np.arange(round(self.window / step) + 1, dtype=np.float64) * step


class Signal(Protocol):
    """What neurons or a drive put on word lines over time."""

    @property
    def values(self) -> Tensor:
        """[time, batch, lines]."""

    def through(self, synapse: Synapse) -> Tensor:
        """Currents [time, batch, neurons] of a synapse."""

    def on(self, lines: Callable[[Tensor], Tensor]) -> Signal:
        """On word lines that follow these linearly: from values [..., lines] to theirs."""


class Driven(Protocol):
    """What a drive makes of a batch of inputs."""

    def over(self, times: Times) -> Signal:
        """At these times [s], which are none where time is counted in steps."""


@dataclass(frozen=True)
class Outputs:
    """Of neurons, [time, batch, neurons]; a `Signal`."""

    values: Tensor

    def through(self, synapse: Synapse) -> Tensor:
        return synapse(self.values)

    def on(self, lines: Callable[[Tensor], Tensor]) -> Outputs:
        return Outputs(lines(self.values))


@dataclass
class Arriving:
    """What comes into a layer, its own outputs aside.

    Attributes:
        layer: it.
        before: what leads to its synapse.
        joined: what comes by each of its joins.
    """

    layer: Layer
    before: Signal
    joined: Sequence[tuple[Join, Signal]] = ()
    _current: Tensor | None = field(default=None, init=False)

    @property
    def synapses(self) -> list[tuple[Synapse, Signal]]:
        """All synapses, and what they get."""
        found = [(join.synapse, signal) for join, signal in self.joined if join.synapse is not None]
        return [(self.layer.synapse, self.before), *found]

    def current(self, dtype: torch.dtype | None = None) -> Tensor:
        """What goes into the neurons, [time, batch, neurons], found once.

        Args:
            dtype: that all behind the products is in; theirs where left out.
        """
        if self._current is None:
            in_front = sum(self._by(CURRENT), self.before.through(self.layer.synapse))
            added = list(self._by(MEMBRANE))
            # mixed precision is for products
            with torch.autocast(in_front.device.type, enabled=False):
                gated = self.layer.gated(in_front if dtype is None else in_front.to(dtype))
                self._current = sum(added, gated)
        return self._current

    def given(self, out: Tensor) -> Tensor:
        """What goes on where its neurons give `out`, [time, batch, neurons]."""
        return sum(self._by(SPIKE), out)

    def _by(self, place: Place) -> Iterator[Tensor]:
        for join, signal in self.joined:
            if join.place == place:
                yield join(signal.values if join.synapse is None else signal.through(join.synapse))


Offered = tuple[str, Kind]
"""A layer or input by its name, and whether outputs or currents are meant."""
Drive = Callable[[Tensor, torch.Generator | None], Driven]
Readout = Callable[[Tensor], Tensor]


class Network(nn.Module):
    """Layers in order. Tensors are [time, batch, neurons] throughout.

    Args:
        layers: in order; each gets the outputs of the one before, the first what the drive gives.
        drive: from a batch of inputs to what the first synapse gets.
        readout: from the outputs of the last layer, [time, batch, neurons], to scores [batch, ...].
        clock: of circuits; discrete neurons have none.
        supply: of the mirrors in front of circuits, beyond which no potential can go [V]; not looked at where left out.
        parts: of the input, which layers know by name: from [..., lines] of all of it to those of the part.
        shape: of one input: (features,), (height, width) or (channels, height, width); what is not known is not looked
            at.

    Raises:
        InputError: two layers or parts of one name, a connection from what is not there or comes later, or layers over
            time and over locations that do not fit together.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        drive: Drive,
        readout: Readout,
        clock: Clock | None = None,
        supply: float | None = None,
        parts: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.parts, self.shape = dict(parts or {}), shape
        self.layers = nn.ModuleList(layers)
        self.drive, self.readout, self.clock, self.supply = drive, readout, clock, supply
        self._check_names()
        self._check_scans()
        self.register_load_state_dict_pre_hook(_of_earlier_checkpoints)

    def _check_names(self) -> None:
        if INPUT in self.parts:
            raise InputError(f"a part of the input is called {INPUT!r}, as all of it; give it another name")
        known = [INPUT, *self.parts]
        for number, layer in enumerate(self.chain, start=1):
            layer.name = layer.name or f"layer{number}"
            if layer.name in known:
                kind = (
                    "two layers have"
                    if layer.name not in {INPUT, *self.parts}
                    else "an input and a layer have"
                )
                raise InputError(f"{kind} the name {layer.name!r}; give each its own")
            heard = [join.source for join in layer.connections] + ([layer.source] if layer.source else [])
            for join in layer.connections:
                if join.of == CURRENT and join.source in {INPUT, *self.parts}:
                    raise InputError(
                        f"layer {layer.name!r} has a join of the current into {join.source!r}, which has no neurons; "
                        'give of = "spike"'
                    )
            for source in heard:
                if source not in known:
                    raise InputError(
                        f"layer {layer.name!r} has a connection from {source!r}; before it come: {', '.join(known)}"
                    )
            known.append(layer.name)
        copied = {join.source for layer in self.chain for join in layer.connections if join.of == CURRENT}
        for layer in self.chain:
            layer.copied = layer.name in copied

    def _check_scans(self) -> None:
        known = {layer.name: layer for layer in self.chain}
        before = INPUT
        for layer in self.chain:
            heard = [layer.source or before] + [
                join.source for join in layer.connections if join.place != STEPS
            ]
            for source in [known[name] for name in heard if name in known]:
                check_scans(layer, source)
            if layer is not self.chain[-1] and any(join.place == STEPS for join in layer.connections):
                raise InputError(
                    f"layer {layer.name!r} has outputs of other steps before its own, which no layer after it can be "
                    "stepped along; allowed: the last layer"
                )
            before = layer.name

    @property
    def chain(self) -> list[Layer]:
        """The layers, with their type."""
        return cast("list[Layer]", list(self.layers))

    @property
    def turned(self) -> dict[str, str]:
        """Names of the layers over locations that hear what is over time, and of that; all of it is kept for them."""
        over, before = {layer.name: layer.over for layer in self.chain}, INPUT
        found = {}
        for layer in self.chain:
            main, before = layer.source or before, layer.name
            if layer.over != over.get(main, TIME):
                found[layer.name] = main
        return found

    @property
    def crossbars(self) -> list[Crossbar]:
        """Every crossbar, layer by layer."""
        return [module for module in self.modules() if isinstance(module, Crossbar)]

    def waveforms(
        self,
        inputs: Tensor,
        *,
        step: float | None = None,
        masks: Sequence[Tensor] | None = None,
        generator: torch.Generator | None = None,
        refined: bool = False,
        layers: int | None = None,
    ) -> list[Tensor]:
        """Outputs layer by layer, each [time, batch, neurons]; of circuits, potentials relative to rest [V].

        Args:
            inputs: as the drive takes them, [..., lines] or [..., *shape].
            step: between samples of circuits [s]; the clock's where left out.
            masks: [batch, neurons] factors on the outputs of each hidden layer; none where left out.
            generator: source of the events of a drive that draws some.
            refined: divide steps twice as finely.
            layers: how many to run; all where left out.

        Raises:
            InputError: inputs of another shape.
            ConvergenceError: a potential beyond the supply.
        """
        inputs, timing = self.on_lines(inputs), self._timing(step, refined)
        times = np.empty(0) if self.clock is None else self.clock.times(step)

        def fire(_: int, arriving: Arriving) -> Tensor:
            current = arriving.current(inputs.dtype)
            # neurons are stepped in the precision of the inputs, whatever that of products is
            with torch.autocast(inputs.device.type, enabled=False):
                out, _ = arriving.layer.fire(current, **timing)
                self._check_supply(arriving.layer, out.detach())
            return out

        signal = self.drive(inputs, generator).over(times)
        with inference(self, signal.values.shape[1]) if remembering(self) else one_chip(self):
            return self.flow(signal, fire, dt=timing.get("dt", 1.0), masks=masks, layers=layers)

    def on_lines(self, inputs: Tensor) -> Tensor:
        """Inputs with one axis for all word lines.

        Raises:
            InputError: another shape.
        """
        if self.shape is None:
            return inputs
        forms = [(math.prod(self.shape),), self.shape]
        if len(self.shape) == 2:
            forms.insert(1, (1, *self.shape))
        elif len(self.shape) == 3 and self.shape[0] == 1:
            forms.append(self.shape[1:])
        for form in forms:
            leading = inputs.ndim - len(form)
            if leading in {0, 1, 2} and inputs.shape[leading:] == form:
                return inputs.flatten(leading)
        images = "" if len(self.shape) == 1 else f" or [..., {', '.join(map(str, self.shape))}]"
        raise InputError(
            f"inputs have shape {list(inputs.shape)}; this network takes [batch, {math.prod(self.shape)}]{images}, and "
            "with an axis of time beside that of the batch what its drive says; series of torch, [batch, channels, "
            "time], are given as [batch, time, channels]"
        )

    def flow(
        self,
        signal: Signal,
        fire: Callable[[int, Arriving], Tensor],
        *,
        dt: float,
        masks: Sequence[Tensor] | None = None,
        layers: int | None = None,
    ) -> list[Tensor]:
        """Outputs layer by layer, whatever makes them of what arrives at each layer.

        Args:
            signal: what the drive gives.
            fire: from the number of a layer and what arrives there to the outputs of its neurons, [time, batch,
                neurons].
            dt: between samples, for delays [s, or 1 where time is counted in steps].
            masks: factors on outputs, see `waveforms`.
            layers: how many to run; all where left out.
        """
        given: dict[Offered, Signal] = {(INPUT, SPIKE): signal}
        given |= {(name, SPIKE): signal.on(part) for name, part in self.parts.items()}
        over = {layer.name: layer.over for layer in self.chain}
        before, outputs = INPUT, dict[str, Tensor]()

        def heard(layer: Layer, source: str, kind: Kind = SPIKE) -> Signal:
            signal, along = given[source, kind], layer.over == over.get(source, TIME)
            return signal if along else Outputs(turned(signal.values, layer.order))

        for number, layer in enumerate(self.chain[:layers]):
            arriving = _arriving(layer, before, partial(heard, layer), dt)
            out = arriving.given(fire(number, arriving))
            for join in [join for join in layer.connections if join.place == STEPS]:
                out = torch.cat([outputs[join.source], out])
            if layer.copied:
                given[layer.name, CURRENT] = Outputs(arriving.current())
            outputs[layer.name] = out
            silenced = masks is not None and number < len(masks)
            given[layer.name, SPIKE] = Outputs(out * masks[number] if masks and silenced else out)
            before = layer.name
        return list(outputs.values())

    @contextmanager
    def unlimited(self) -> Iterator[None]:
        """Let potentials go beyond the supply: while decisions are calibrated, and on hardware not trained for."""
        before, self.supply = self.supply, None
        try:
            yield
        finally:
            self.supply = before

    def _check_supply(self, layer: Layer, out: Tensor) -> None:
        if self.supply is None or float(out.abs().amax()) <= self.supply:
            return
        sample, example, neuron = (int(i) for i in torch.unravel_index(out.abs().argmax(), out.shape))
        raise ConvergenceError(
            f"the potential of neuron {neuron} of layer {layer.name!r} reaches "
            f"{float(out[sample, example, neuron]):.3g} V above rest at sample {sample} of input {example}, which "
            f"mirrors with a supply of {self.supply:g} V "
            "cannot give",
            remedy="lower mirror_ratio or learning_rate, or raise synapses.supply.",
        )

    def _timing(self, step: float | None, refined: bool) -> dict[str, Any]:
        """What neurons want to know of time."""
        if self.clock is None:
            return {}
        return {"dt": self.clock.step if step is None else step, "refined": refined}

    def forward(
        self,
        inputs: Tensor,
        *,
        step: float | None = None,
        masks: Sequence[Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Scores [batch, ...]; arguments as for `waveforms`."""
        return self.readout(self.waveforms(inputs, step=step, masks=masks, generator=generator)[-1])

    def samples(self, step: float | None = None) -> int:
        """Of time, for each input."""
        return 1 if self.clock is None else len(self.clock.times(step))

    def spikes_per_neuron(self, outputs: Sequence[Tensor]) -> list[float]:
        """Mean over the neurons and inputs of each layer: how often outputs rise through the level of its neurons."""
        found = []
        for layer, wave in zip(self.chain, outputs, strict=True):
            above = wave >= cast("float", layer.neuron.level)
            found.append(float((above[1:] & ~above[:-1]).sum()) / wave[0].numel())
        return found

    def keep_in_range(self) -> None:
        """Hold all conductances within the device's range."""
        for crossbar in self.crossbars:
            crossbar.keep_in_range()


def check_scans(layer: Layer, source: Layer) -> None:
    """Raise InputError unless a layer can hear another: what is over locations can be heard over these alone."""
    if source.over != LOCATION:
        return
    if layer.over == TIME:
        raise InputError(
            f"layer {layer.name!r} is stepped over time and hears {source.name!r}, which is stepped over locations and "
            f"has no steps of time; give it over = {LOCATION!r}, or after = {INPUT!r}"
        )
    orders = [one.order if one.order is None else one.order.tolist() for one in (layer, source)]
    if orders[0] != orders[1]:
        raise InputError(
            f"layers {layer.name!r} and {source.name!r} are stepped over locations in two orders; give both the same"
        )


def _arriving(layer: Layer, before: str, heard: Callable[..., Signal], dt: float) -> Arriving:
    main = heard(layer.source or before)
    if layer.resampling is not None:
        main = main.on(layer.resampling)
    if layer.delay is not None:
        main = Outputs(layer.delay(main.values, dt))
    joined = []
    for join in [join for join in layer.connections if join.place != STEPS]:
        signal = heard(join.source, join.of)
        joined.append((join, signal if join.resampling is None else signal.on(join.resampling)))
    return Arriving(layer, main, joined)


def _of_earlier_checkpoints(network: nn.Module, tensors: dict[str, Any], prefix: str, *_: object) -> None:
    """Names that parts had before synapses and neurons became layers."""
    known = network.state_dict().keys()
    again = next((name.partition("recurrent.")[0] for name in known if ".recurrent." in name), "")
    for name in [name for name in tensors if name.startswith(prefix)]:
        kind, _dot, rest = name.removeprefix(prefix).partition(".")
        number, _dot, last = rest.partition(".")
        if kind == "neurons":
            new = f"layers.{number}.neuron.{last}"
        elif kind == "synapses":
            new = f"layers.{number}.synapse.{last}"
            new = new if new in known else f"layers.{number}.synapse.module.{last}"
        elif kind == "recurrent":
            new = f"{again}recurrent.module.{rest}"
        else:
            continue
        tensors[prefix + new] = tensors.pop(name)
