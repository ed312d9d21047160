"""Networks of discrete-time neurons for in-memory computing: plain synapses, each layer followed by leaky neurons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from memsim.crossbar import Crossbar
from memsim.errors import InputError
from memsim.networks.discrete_neurons import DiscreteNeuron
from memsim.networks.geometry import Convolution, as_image, one_group
from memsim.networks.graphs import normalised
from memsim.networks.layer import Layer
from memsim.networks.layer_table import CROSSBAR, LayerTable
from memsim.networks.lif_table import LifTable
from memsim.networks.lines import Part, parts_of
from memsim.networks.network import Network, Outputs, Times
from memsim.networks.parts import Connection, Parts, crossbar_of
from memsim.networks.scores import Scores, mean
from memsim.networks.spikes import Coding, DrawnCoding, as_spikes
from memsim.networks.synapses import Ideal, OfSpikes, Synapse
from memsim.networks.tables import FIRST_VARIANCE, SynapsesTable


class SpikingNetwork(Network):
    """Dense and convolutional layers between discrete-time spiking neurons.

    Args:
        shape: of one input: (features,), (height, width) or (channels, height, width).
        outputs: neurons of the last layer, which does not fire unless its table says so; None where scores are made of
            as many as its table says.
        hidden: layers before it: numbers of neurons, convolutions, or tables with all that a layer can have.
        recurrent: whether the last hidden layer, a dense one, also gets its own spikes of the step before.
        steps: of time that inputs are presented for: still ones [batch, inputs], or events [batch, time, inputs]. Where
            left out, inputs are spikes [time, batch, inputs].
        coding: what is presented of them at each step: spikes where left out, see memsim.networks.spikes.
        scores: of the membranes of the last layer, [time, batch, outputs]; their mean where left out, see
            memsim.networks.scores.
        generator: source of the initial weights.
        synapses: cells and wires of the layers whose table says `synapse = "crossbar"`.
        initial_variance: of a neuron's input at the start, over the share of its inputs that spike.
        inputs: named parts of the input, channels of each in order.
        rails: word lines of each channel of the input; 2 where the sign has a line of its own.

    Raises:
        InputError: layers that do not fit.
    """

    shape: tuple[int, ...]

    def __init__(  # noqa: PLR0913 - the parts of a network
        self,
        shape: tuple[int, ...],
        outputs: int | None,
        hidden: Sequence[int | Convolution | LayerTable],
        *,
        recurrent: bool = False,
        steps: int | None = None,
        coding: Coding | None = None,
        scores: Scores = mean,
        generator: torch.Generator | None = None,
        synapses: SynapsesTable | None = None,
        initial_variance: float = FIRST_VARIANCE,
        inputs: Mapping[str, int] | None = None,
        rails: int = 1,
    ) -> None:
        tables = [layer if isinstance(layer, LayerTable) else LayerTable.of(layer) for layer in hidden]
        if recurrent:
            if not tables or tables[-1].neurons is None:
                raise InputError(
                    "a recurrent network needs a dense hidden layer; put a number of neurons last"
                )
            tables[-1] = tables[-1].model_copy(update={"recurrent": True})
        if not tables or not tables[-1].is_last:
            tables.append(LayerTable())
        parts = parts_of(shape, inputs or {}, rails)
        cells = synapses or SynapsesTable()
        made, others = _OfSpikes(
            shape,
            outputs,
            tables,
            generator,
            inputs=parts,
            rails=rails,
            cells=cells,
            steps=steps,
            variance=initial_variance,
        ).made()
        layers = [
            Layer(synapse, _neurons(table, synapse, spiking=table.fires or table is not tables[-1]), **more)
            for table, synapse, more in zip(tables, made, others, strict=True)
        ]
        if steps is None and coding is not None:
            raise InputError(
                "coding changes nothing of inputs that are spikes already; give steps, or leave it out"
            )
        drive = _given if steps is None else Presented(steps, coding or as_spikes)
        super().__init__(layers, drive=drive, readout=scores, parts=parts, shape=shape)

    def samples(self, step: float | None = None) -> int:
        return self.drive.steps if isinstance(self.drive, Presented) else 1

    def spikes_per_neuron(self, outputs: Sequence[Tensor]) -> list[float]:
        hidden = zip(self.chain, outputs[:-1], strict=False)
        # a spike that a gate has made smaller is one, too
        spikes = [wave.ceil() if layer.gate.behind else wave for layer, wave in hidden]
        return [float(wave.sum()) / wave[0].numel() for wave in spikes]

    @property
    def synapses(self) -> list[nn.Module]:
        """From each layer to the next: nn.Linear or nn.Conv2d, or what they are mapped to.

        Raises:
            InputError: a layer behind a crossbar, which is none of these.
        """
        return [_plain(layer) for layer in self.chain]

    @property
    def neurons(self) -> list[DiscreteNeuron]:
        """Layer by layer."""
        return [cast("DiscreteNeuron", layer.neuron) for layer in self.chain]

    @property
    def recurrent(self) -> nn.Module | None:
        """From the spikes of the last hidden layer to its currents."""
        loops = (layer.recurrent for layer in self.chain)
        return next((loop.module for loop in loops if isinstance(loop, Ideal)), None)


@dataclass(frozen=True)
class _Given:
    """Spikes, as they are."""

    spikes: Tensor

    def over(self, _: Times) -> Outputs:
        return Outputs(self.spikes.flatten(2))


def _given(spikes: Tensor, _: torch.Generator | None) -> _Given:
    return _Given(spikes)


@dataclass(frozen=True)
class Presented:
    """A drive: inputs as they are coded over so many steps."""

    steps: int
    coding: Coding

    def __call__(self, inputs: Tensor, generator: torch.Generator | None) -> _Given:
        if isinstance(self.coding, DrawnCoding):
            return _Given(self.coding(inputs, self.steps, generator))
        return _Given(self.coding(inputs, self.steps))


def _plain(layer: Layer) -> nn.Module:
    if isinstance(layer.synapse, Ideal):
        return layer.synapse.module
    raise InputError(
        f'layer {layer.name!r} is behind a crossbar, and no plain matrix leads to it; use synapse = "ideal"'
    )


def _neurons(table: LayerTable, synapse: Synapse, *, spiking: bool) -> DiscreteNeuron:
    made_of = table.lif or LifTable()
    return (made_of if spiking else made_of.silent()).neurons(synapse.shape, spiking=spiking)


class _OfSpikes(Parts):
    """Parts of plain arithmetic, or of crossbars that spikes read; with biases."""

    recurrent_bias = True

    def __init__(  # noqa: PLR0913 - the parts of a network
        self,
        shape: tuple[int, ...],
        classes: int | None,
        tables: Sequence[LayerTable],
        generator: torch.Generator | None,
        *,
        inputs: Mapping[str, Part],
        rails: int,
        cells: SynapsesTable,
        steps: int | None,
        variance: float,
    ) -> None:
        self.cells, self.steps, self.variance = cells, steps, variance
        super().__init__(shape, classes, tables, generator, inputs, rails=rails)

    def synapse(self, wanted: Connection) -> Synapse:
        if self.tables[wanted.number].synapse == CROSSBAR:
            return self._counted(wanted)
        ideal = Ideal(
            wanted.shape,
            _module(wanted),
            wanted.layout if isinstance(wanted.layout, Convolution) else None,
            wanted.rails,
        )
        _start(cast("nn.Linear | nn.Conv2d", ideal.module), self.variance, self.generator)
        return ideal

    def recurrent(self, number: int, neurons: int) -> Synapse:
        made, table = super().recurrent(number, neurons), self.tables[number]
        if not isinstance(made, Ideal):
            self._refuse_on_crossbars(number, table)
            return made
        if table.recurrent_norm is not None:
            weight = cast("nn.Linear", made.module).weight
            with torch.no_grad():
                weight.mul_(table.recurrent_norm / weight.norm(dim=1, keepdim=True))
        if table.edges:
            made.along = self._along(number, table)
        return made

    def _refuse_on_crossbars(self, number: int, table: LayerTable) -> None:
        """Raise InputError where the connections of a layer to itself are more than cells can be."""
        if table.recurrent_norm is not None:
            raise InputError(
                f"layer {self.names[number]!r}: recurrent_norm is of plain weights, and it is behind crossbars; "
                "leave it out, and give synapses.initial_weight"
            )
        if table.edges:
            raise InputError(
                f"layer {self.names[number]!r}: edges mix what plain weights give, and it is behind crossbars; leave "
                "synapse out"
            )

    def _along(self, number: int, table: LayerTable) -> Tensor:
        """What each place of a layer hears of the others, [places, places]."""
        places, edges = math.prod(self.shapes[self.names[number]][1:]), torch.tensor(table.edges)
        if int(edges.max()) >= places:
            raise InputError(
                f"layer {self.names[number]!r}: edges name place {int(edges.max())} of {places}; allowed: 0 to "
                f"{places - 1}"
            )
        return torch.from_numpy(normalised(edges, places).toarray()).float()

    def has_bias(self, table: LayerTable) -> bool:
        # a normalisation has one of its own, and what predicts is read both ways
        own = table.norm is None and table.prediction_tau is None
        return own if table.bias is None else table.bias

    def _counted(self, wanted: Connection) -> Synapse:
        """On cells, in units of current that give its first weights the variance that plain ones have."""
        array = wanted.on(lambda rows, columns: self._crossbar(rows, columns, bias=wanted.bias), READ_VOLTAGE)
        largest = math.sqrt(3 * self.variance / wanted.fan_in) / self.cells.initial_weight
        gain = next(part.gain for part in array.modules() if isinstance(part, Crossbar))
        return OfSpikes(array, voltage=READ_VOLTAGE, unit=READ_VOLTAGE * gain / largest)

    def _crossbar(self, rows: int, columns: int, *, bias: bool) -> Crossbar:
        crossbar = crossbar_of(self.cells, rows, columns, mirror_ratio=1.0, generator=self.generator)
        with torch.no_grad():
            crossbar.weight[rows - bias :].zero_()
        return crossbar


def _module(wanted: Connection) -> nn.Linear | nn.Conv2d:
    layout = wanted.layout
    if isinstance(layout, int):
        return nn.Linear(wanted.fan_in, layout, bias=wanted.bias)
    one, _ = one_group(as_image(wanted.shape), layout, wanted.rails)
    return nn.Conv2d(
        layout.groups * one[0],
        layout.channels,
        layout.kernel,
        layout.stride,
        layout.padding,
        groups=layout.groups,
        bias=wanted.bias,
    )


def _start(module: nn.Linear | nn.Conv2d, variance: float, generator: torch.Generator | None) -> None:
    """Weights that give neurons' inputs a variance for the share of them that spikes; zero biases."""
    fan_in = module.weight[0].numel()
    with torch.no_grad():
        module.weight.normal_(0, math.sqrt(variance / fan_in), generator=generator)
        nn.init.zeros_(module.bias) if module.bias is not None else None


READ_VOLTAGE = 0.1
"""Of a spike on a word line [V]; of ohmic cells it changes nothing but their power."""
