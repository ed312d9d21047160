"""A fully memristive spiking network: crossbar synapses between compiled neuron circuits.

Spikes are the membrane waveforms themselves, as the circuit makes them: nothing is thresholded, and gradients
are those of the circuit equations.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import numpy as np
import torch
from PySpice.Spice.Netlist import Circuit
from torch import Tensor, nn

from memsim.circuits import MEMBRANE, AlphaTrain, CrossbarLayer, IntegrateAndFire, network_circuit
from memsim.crossbar import DifferentialCrossbar, conductance_range
from memsim.devices import load_device
from memsim.learn.study import Study
from memsim.surrogate import CompiledCircuit
from memsim.surrogate.reference import equilibrium

MEMBRANE_VOLTAGE = f"v({MEMBRANE})"


def resting_neuron(number: int) -> IntegrateAndFire:
    """A published neuron started from the state it relaxes to."""
    neuron = IntegrateAndFire.published(number)
    return neuron.starting_from(equilibrium(neuron.circuit()))


class MemristiveNetwork(nn.Module):
    """Layers of differential crossbars and memristive integrate-and-fire neurons, read by mean membrane potential.

    Args:
        sizes: inputs, hidden layers and classes, e.g. (64, 32, 10).
        study: drive, devices, integration and seed.

    Raises:
        InputError: unknown device, or conductances that the synapse device cannot reach.
    """

    def __init__(self, sizes: tuple[int, ...], study: Study) -> None:
        super().__init__()
        self.study = study
        self.neuron = resting_neuron(study.neuron_set)
        g_min, g_max = conductance_range(
            load_device(study.synapse), study.conductance_min, study.conductance_max
        )
        generator = torch.Generator().manual_seed(study.seed)
        self.synapses = nn.ModuleList(
            DifferentialCrossbar(
                rows, columns, g_min=g_min, g_max=g_max, mirror_ratio=study.mirror_ratio, generator=generator
            )
            for rows, columns in pairwise(sizes)
        )
        self.cell = CompiledCircuit(
            self.neuron.circuit(), inputs=("iin",), stepper=study.stepper, record=(MEMBRANE_VOLTAGE,)
        )

    @property
    def crossbars(self) -> list[DifferentialCrossbar]:
        """The synapses, layer by layer."""
        return cast("list[DifferentialCrossbar]", list(self.synapses))

    @property
    def stimulus(self) -> AlphaTrain:
        """The pulse that all word lines of the first layer share, before it is scaled by the pixels [V]."""
        starts = np.arange(self.study.pulses) * (self.study.window / self.study.pulses)
        return AlphaTrain(self.study.read_voltage, self.study.pulse_tau, tuple(float(t) for t in starts))

    def waveforms(self, images: Tensor, *, step: float | None = None) -> list[Tensor]:
        """Membrane potentials relative to rest, layer by layer, each [time, batch, neurons] in V.

        Args:
            images: [batch, inputs] in [0, 1].
            step: time step [s]; the study's where left out.
        """
        step = self.study.step if step is None else step
        times = np.arange(round(self.study.window / step) + 1) * step
        pulse = torch.as_tensor(self.stimulus(times), dtype=images.dtype, device=images.device)
        # all word lines share one pulse shape, so the first crossbar is one product for all times
        current = pulse[:, None, None] * self.crossbars[0](images)
        layers: list[Tensor] = []
        for number, crossbar in enumerate(self.crossbars):
            if number:
                current = crossbar(layers[-1])
            membrane, _ = self.cell(current, dt=step)
            layers.append(membrane[MEMBRANE_VOLTAGE] - self.neuron.initial_voltage)
        return layers

    def forward(self, images: Tensor) -> Tensor:
        """Logits [batch, classes]: mean membrane potential over the window, in units of the logit scale."""
        return self.waveforms(images)[-1].mean(dim=0) / self.study.logit_scale

    def keep_in_range(self) -> None:
        """Hold all conductances within the device's range."""
        for crossbar in self.crossbars:
            crossbar.keep_in_range()

    def circuit(self, image: Tensor) -> Circuit:
        """The network as a circuit with one image [inputs] applied."""
        layers = []
        for crossbar in self.crossbars:
            g_plus, g_minus = (g.detach().double().numpy() for g in crossbar.conductances())
            layers.append(CrossbarLayer(g_plus, g_minus, crossbar.mirror_ratio))
        return network_circuit(layers, self.neuron, image.double().tolist())
