"""Fully memristive networks as a study describes them: crossbar synapses between compiled neuron circuits.

Spikes are the membrane waveforms themselves, as the circuit makes them: nothing is thresholded, and gradients
are those of the circuit equations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch

from memsim.crossbar import Crossbar, Hardware, Wires, conductance_range
from memsim.devices import load_device
from memsim.errors import InputError
from memsim.memory import check_memory
from memsim.networks.cells import Cell
from memsim.networks.circuit_neurons import CircuitNeuron
from memsim.networks.delays import Delay
from memsim.networks.drives import Drive
from memsim.networks.geometry import Convolution, as_image
from memsim.networks.layer import Join, Layer
from memsim.networks.named_cells import load_cell
from memsim.networks.network import INPUT, Clock, Network
from memsim.networks.readouts import Readout
from memsim.networks.synapses import Convolutional, Dense, OnCrossbar
from memsim.networks.tables import LayerTable, NetworkTable


class MemristiveNetwork(Network):
    """Layers of crossbar synapses and memristive neurons.

    Args:
        shape: of one input: (features,), (height, width) or (channels, height, width).
        classes: neurons of the last layer.
        study: layers, drive, devices, readout, integration and seed.

    Attributes:
        readout: logits from the potentials of the last layer.

    Raises:
        InputError: unknown device or parameter, conductances that the device cannot reach, or layers that do not fit.
    """

    clock: Clock
    drive: Drive
    readout: Readout

    def __init__(self, shape: tuple[int, ...], classes: int, study: NetworkTable) -> None:
        cells = [load_cell(table.neuron or study.neuron) for table in study.every_layer]
        readout = Readout.of(study.readout, cells[-1].regime)
        drive = Drive(**study.drive.model_dump(), window=study.window)
        parts = _Parts(shape, classes, study, cells, drive.voltage)
        layers = []
        for cell, synapse, others in zip(cells, *parts.made(), strict=True):
            neurons = CircuitNeuron(
                cell,
                math.prod(synapse.shape),
                parameters=study.parameters,
                generator=parts.generator,
                stepper=study.stepper,
            )
            layers.append(Layer(synapse, neurons, **others))
        super().__init__(
            layers,
            drive=drive,
            readout=readout,
            clock=Clock(study.window, study.step),
            supply=study.synapses.supply,
        )
        self.study = study

    @property
    def cells(self) -> list[Cell]:
        """The neuron circuit of each layer."""
        return [cast("CircuitNeuron", layer.neuron).cell for layer in self.chain]

    @property
    def synapses(self) -> list[OnCrossbar]:
        """From each layer to the next."""
        return [cast("OnCrossbar", layer.synapse) for layer in self.chain]


class _Parts:
    """Makes the synapses of a network, drawing their weights in order."""

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        study: NetworkTable,
        cells: Sequence[Cell],
        voltage: float,
    ) -> None:
        self.study, self.classes, self.cells = study, classes, cells
        self.bias = (voltage, *(cell.regime.level for cell in cells))
        self.generator = torch.Generator().manual_seed(study.seed)
        self.shapes = {INPUT: shape}

    def made(self) -> tuple[list[OnCrossbar], list[dict[str, Any]]]:
        """The synapses from each layer to the next, and what else each layer has."""
        tables = self.study.every_layer
        synapses = [self._synapse(number, table) for number, table in enumerate(tables)]
        return synapses, [self._others(number, table) for number, table in enumerate(tables)]

    def _name(self, number: int) -> str:
        if number < 0:
            return INPUT
        return self.study.every_layer[number].name or f"layer{number + 1}"

    def _synapse(self, number: int, table: LayerTable) -> OnCrossbar:
        shape, layout = self.shapes[self._name(number - 1)], table.layout
        has_bias = self.study.synapses.bias if table.bias is None else table.bias
        bias = self.bias[number] if has_bias else None
        made: OnCrossbar
        if isinstance(layout, Convolution):
            image = as_image(shape)
            rows = image[0] * layout.kernel**2 + has_bias
            made = Convolutional(image, layout, self._crossbar(number, rows, layout.channels), bias)
        else:
            columns = self.classes if layout is None else layout
            made = Dense(self._crossbar(number, math.prod(shape) + has_bias, columns), bias)
        self.shapes[self._name(number)] = made.shape
        return made

    def _others(self, number: int, table: LayerTable) -> dict[str, Any]:
        name = self._name(number)
        neurons = math.prod(self.shapes[name])
        recurrent = Dense(self._crossbar(number, neurons, neurons)) if table.recurrent else None
        return {
            "name": name,
            "recurrent": recurrent,
            "joins": list(self._joins(number, table, neurons)),
            "delay": self._delay(number, table),
        }

    def _joins(self, number: int, table: LayerTable, neurons: int) -> Iterator[Join]:
        earlier = [self._name(before) for before in range(-1, number)]
        for source in table.sources:
            if source not in earlier:
                raise InputError(
                    f"layer {self._name(number)!r}: from = {source!r} is none of what comes before it: "
                    f"{', '.join(earlier)}"
                )
            lines = math.prod(self.shapes[source])
            if table.join == "current":
                yield Join(source, Dense(self._crossbar(number, lines, neurons)))
            elif lines == neurons:
                yield Join(source)
            else:
                raise InputError(
                    f"layer {self._name(number)!r} has {neurons} neurons and {source!r} {lines} lines; outputs that "
                    'are added must be as many: use join = "current"'
                )

    def _delay(self, number: int, table: LayerTable) -> Delay | None:
        if table.delay is None:
            return None
        lines = math.prod(self.shapes[self._name(number - 1)]) if table.train_delay else None
        return Delay(table.delay, lines, self.generator)

    def _mirror_ratio(self, number: int) -> float:
        """Of a layer; the neuron's before it is calibrated."""
        ratio = self.study.synapses.mirror_ratio
        if ratio == "auto":
            return self.cells[number].regime.mirror_ratio
        return ratio[number] if isinstance(ratio, tuple) else ratio

    def _crossbar(self, number: int, rows: int, columns: int) -> Crossbar:
        table = self.study.synapses
        check_memory(
            f"a crossbar of {rows} x {columns} cells", 8 * rows * columns, "make hidden or kernel smaller"
        )
        g_min, g_max = conductance_range(
            load_device(table.device), table.conductance_min, table.conductance_max
        )
        segment = table.wire_resistance
        crossbar = Crossbar(
            rows,
            columns,
            g_min=g_min,
            g_max=g_max,
            mirror_ratio=self._mirror_ratio(number),
            generator=self.generator,
            hardware=Hardware(wires=Wires(segment, segment)),
        )
        with torch.no_grad():
            crossbar.weight.mul_(2 * table.initial_weight)
        return crossbar
