"""Fully memristive networks as a study describes them: crossbar synapses between compiled neuron circuits.

Spikes are the membrane waveforms themselves, as the circuit makes them: nothing is thresholded, and gradients
are those of the circuit equations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch

from memsim.errors import InputError
from memsim.networks.cells import Cell
from memsim.networks.circuit_neurons import CircuitNeuron
from memsim.networks.drives import Drive
from memsim.networks.layer import Layer
from memsim.networks.named_cells import load_cell
from memsim.networks.network import Clock, Network
from memsim.networks.parts import Connection, Parts, crossbar_of
from memsim.networks.readouts import Readout
from memsim.networks.synapses import OnCrossbar, Synapse
from memsim.networks.tables import LayerTable, NetworkTable

FARTHEST = 1e6
"""Mirror ratio over that which suits a neuron, either way: cells may conduct so much more or less than usual ones."""


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
        parts = _OnCrossbars(shape, classes, study, cells, drive.voltage)
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


class _OnCrossbars(Parts):
    """Parts of a memristive network; `voltage` is that of the drive."""

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        study: NetworkTable,
        cells: Sequence[Cell],
        voltage: float,
    ) -> None:
        generator = torch.Generator().manual_seed(study.seed)
        super().__init__(shape, classes, study.every_layer, generator)
        self.table, self.window, self.cells = study.synapses, study.window, cells
        self.always_on = (voltage, *(cell.regime.level for cell in cells))

    def synapse(self, wanted: Connection) -> Synapse:
        crossbar = crossbar_of(
            self.table,
            wanted.fan_in + wanted.bias,
            wanted.columns,
            mirror_ratio=self._mirror_ratio(wanted.number),
            generator=self.generator,
        )
        return wanted.on(crossbar, self.always_on[wanted.number])

    def has_bias(self, table: LayerTable) -> bool:
        return self.table.bias if table.bias is None else table.bias

    def tau(self, table: LayerTable) -> float | None:
        return self.window / 10 if table.recurrent_tau is None else table.recurrent_tau

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
