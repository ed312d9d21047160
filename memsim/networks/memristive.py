"""Fully memristive networks as a study describes them: crossbar synapses between compiled neuron circuits.

Spikes are the membrane waveforms themselves, as the circuit makes them: nothing is thresholded, and gradients
are those of the circuit equations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

import torch

from memsim.crossbar import Crossbar
from memsim.errors import InputError
from memsim.networks.cells import Cell
from memsim.networks.circuit_neurons import CircuitNeuron
from memsim.networks.drives import Drive
from memsim.networks.layer import Layer
from memsim.networks.layer_table import LayerTable
from memsim.networks.lines import Part, parts_of
from memsim.networks.named_cells import load_cell
from memsim.networks.network import Clock, Network
from memsim.networks.parts import Connection, Parts, crossbar_of
from memsim.networks.readouts import Readout
from memsim.networks.synapses import OnCrossbars, Synapse
from memsim.networks.tables import NetworkTable

FARTHEST = 1e6
"""Mirror ratio over that which suits a neuron, either way: cells may conduct so much more or less than usual ones."""


class MemristiveNetwork(Network):
    """Layers of crossbar synapses and memristive neurons.

    Args:
        shape: of one input: (features,), (height, width) or (channels, height, width).
        classes: neurons of the last layer.
        study: layers, drive, devices, readout, integration and seed.
        rails: word lines of each channel of the input; 2 where the sign has a line of its own.

    Attributes:
        readout: logits from the potentials of the last layer.

    Raises:
        InputError: unknown device or parameter, conductances that the device cannot reach, or layers that do not fit.
    """

    clock: Clock
    drive: Drive
    readout: Readout

    def __init__(self, shape: tuple[int, ...], classes: int, study: NetworkTable, *, rails: int = 1) -> None:
        cells = [load_cell(table.neuron or study.neuron) for table in study.every_layer]
        readout = Readout.of(study.readout, cells[-1].regime, study.window)
        drive = Drive(**study.drive.model_dump(), window=study.window)
        inputs = parts_of(shape, study.inputs, rails)
        parts = _OnCrossbars(shape, classes, study, cells, voltage=drive.voltage, inputs=inputs, rails=rails)
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
            parts=inputs,
            shape=shape,
        )
        self.study = study

    @property
    def cells(self) -> list[Cell]:
        """The neuron circuit of each layer."""
        return [cast("CircuitNeuron", layer.neuron).cell for layer in self.chain]

    @property
    def synapses(self) -> list[OnCrossbars]:
        """From each layer to the next."""
        return [cast("OnCrossbars", layer.synapse) for layer in self.chain]


class _OnCrossbars(Parts):
    """Parts of a memristive network; `voltage` is that of the drive."""

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        study: NetworkTable,
        cells: Sequence[Cell],
        *,
        voltage: float,
        inputs: Mapping[str, Part],
        rails: int,
    ) -> None:
        generator = torch.Generator().manual_seed(study.seed)
        super().__init__(shape, classes, study.every_layer, generator, inputs, rails=rails)
        self.table, self.window = study.synapses, study.window
        self.cells, self.voltage = cells, voltage

    def synapse(self, wanted: Connection) -> Synapse:
        def crossbar(rows: int, columns: int) -> Crossbar:
            ratio = self._mirror_ratio(wanted.number)
            return crossbar_of(self.table, rows, columns, mirror_ratio=ratio, generator=self.generator)

        return wanted.on(crossbar, self._always_on(wanted.number))

    def has_bias(self, table: LayerTable) -> bool:
        return self.table.bias if table.bias is None else table.bias

    def tau(self, table: LayerTable) -> float | None:
        return self.window / 10 if table.recurrent_tau is None else table.recurrent_tau

    def _always_on(self, number: int) -> float:
        """Of the bias line in front of a layer: what the lines beside it do when they are on [V]."""
        driver = self.driver(number)
        return self.voltage if driver is None else self.cells[driver].regime.level

    def _mirror_ratio(self, number: int) -> float:
        """Of a layer; the neuron's before it is calibrated."""
        ratio, suits = self.table.mirror_ratio, self.cells[number].regime.mirror_ratio
        if ratio == "auto":
            return suits
        chosen = ratio[number] if isinstance(ratio, tuple) else ratio
        lowest, highest = suits / FARTHEST, suits * FARTHEST
        if not lowest <= chosen <= highest:
            raise InputError(
                f"synapses.mirror_ratio = {chosen:g} is out of range; allowed in front of {self.cells[number].name!r}: "
                f"{lowest:g} to {highest:g}"
            )
        return chosen
