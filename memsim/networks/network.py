"""A fully memristive spiking network: crossbar synapses between compiled neuron circuits.

Spikes are the membrane waveforms themselves, as the circuit makes them: nothing is thresholded, and gradients
are those of the circuit equations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from memsim.crossbar import Crossbar, Hardware, Wires, conductance_range
from memsim.devices import load_device
from memsim.memory import check_memory
from memsim.networks.cells import Cell
from memsim.networks.circuit_neurons import CircuitNeuron
from memsim.networks.drives import Drive
from memsim.networks.named_cells import load_cell
from memsim.networks.readouts import Readout
from memsim.networks.synapses import Convolutional, Dense, SynapseLayer, as_image
from memsim.networks.tables import Convolution, NetworkTable


class MemristiveNetwork(nn.Module):
    """Layers of crossbar synapses and memristive neurons.

    Args:
        shape: of one input: (features,), (height, width) or (channels, height, width).
        classes: neurons of the last layer.
        study: layers, drive, devices, readout, integration and seed.

    Attributes:
        neurons: layer by layer, each a `CircuitNeuron`.
        readout: logits from the potentials of the last layer.

    Raises:
        InputError: unknown device or parameter, conductances that the device cannot reach, or layers that do not fit.
    """

    def __init__(self, shape: tuple[int, ...], classes: int, study: NetworkTable) -> None:
        super().__init__()
        self.study = study
        cell = load_cell(study.neuron)
        self.readout = Readout.of(study.readout, cell.regime)
        generator = torch.Generator().manual_seed(study.seed)
        self.synapses, self.neurons = nn.ModuleList(), nn.ModuleList()
        for number, layer in enumerate((*study.hidden, classes)):
            synapses = self._synapses(number, shape, layer, generator)
            shape = synapses.shape
            self.synapses.append(synapses)
        for synapses in self.layers:
            self.neurons.append(
                CircuitNeuron(
                    cell,
                    math.prod(synapses.shape),
                    parameters=study.parameters,
                    generator=generator,
                    stepper=study.stepper,
                )
            )

    def _synapses(
        self, number: int, shape: tuple[int, ...], layer: int | Convolution, generator: torch.Generator
    ) -> SynapseLayer:
        if isinstance(layer, Convolution):
            image = as_image(shape)
            rows = image[0] * layer.kernel**2
            return Convolutional(image, layer, self._crossbar(number, rows, layer.channels, generator))
        return Dense(self._crossbar(number, math.prod(shape), layer, generator))

    def _crossbar(self, number: int, rows: int, columns: int, generator: torch.Generator) -> Crossbar:
        table = self.study.synapses
        check_memory(
            f"a crossbar of {rows} x {columns} cells", 8 * rows * columns, "make hidden or kernel smaller"
        )
        g_min, g_max = conductance_range(
            load_device(table.device), table.conductance_min, table.conductance_max
        )
        ratios = table.mirror_ratio
        ratio = ratios[number] if isinstance(ratios, tuple) else ratios
        segment = table.wire_resistance
        crossbar = Crossbar(
            rows,
            columns,
            g_min=g_min,
            g_max=g_max,
            mirror_ratio=ratio,
            generator=generator,
            hardware=Hardware(wires=Wires(segment, segment)),
        )
        with torch.no_grad():
            crossbar.weight.mul_(2 * table.initial_weight)
        return crossbar

    @property
    def layers(self) -> list[SynapseLayer]:
        """The synapses, layer by layer."""
        return cast("list[SynapseLayer]", list(self.synapses))

    @property
    def crossbars(self) -> list[Crossbar]:
        """The crossbars, layer by layer."""
        return [layer.crossbar for layer in self.layers]

    @property
    def cells(self) -> list[Cell]:
        """The neuron circuit of each layer."""
        return [cast("CircuitNeuron", neurons).cell for neurons in self.neurons]

    @property
    def drive(self) -> Drive:
        """What turns inputs into voltages of the word lines."""
        return Drive(**self.study.drive.model_dump(), window=self.study.window)

    def waveforms(
        self,
        images: Tensor,
        *,
        step: float | None = None,
        masks: Sequence[Tensor] | None = None,
        generator: torch.Generator | None = None,
        refined: bool = False,
    ) -> list[Tensor]:
        """Membrane potentials relative to rest, layer by layer, each [time, batch, neurons] in V.

        Args:
            images: [batch, inputs], or [batch, slots, inputs] in the time domain; in [0, 1].
            step: time step [s]; the study's where left out.
            masks: [batch, neurons] factors on the outputs of each hidden layer; none where left out.
            generator: source of the events of rate coding.
            refined: divide steps twice as finely.
        """
        step = self.study.step if step is None else step
        times = np.arange(round(self.study.window / step) + 1) * step
        lines = self.drive(images, generator)
        # a crossbar is linear: one product for each amplitude instead of one for each time
        current = torch.einsum("tk,bkn->tbn", lines.pulses(times), self.layers[0](lines.amplitude))
        membranes: list[Tensor] = []
        for number, (layer, neurons) in enumerate(zip(self.layers, self.neurons, strict=True)):
            if number:
                current = layer(membranes[-1] if masks is None else membranes[-1] * masks[number - 1])
            # mixed precision is for products; circuits are stepped in the precision of the images
            with torch.autocast(images.device.type, enabled=False):
                membranes.append(neurons(current.to(images.dtype), dt=step, refined=refined)[0])
        return membranes

    def forward(
        self,
        images: Tensor,
        *,
        step: float | None = None,
        masks: Sequence[Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Logits [batch, classes]; arguments as for `waveforms`."""
        return self.readout(self.waveforms(images, step=step, masks=masks, generator=generator)[-1])

    def keep_in_range(self) -> None:
        """Hold all conductances within the device's range."""
        for crossbar in self.crossbars:
            crossbar.keep_in_range()
