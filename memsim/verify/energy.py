"""Energy of an inference, integrated from device currents.

Counted is the heat of all memristors while an input is applied:

    neurons    sum over the devices of a layer's neurons of the integral of v i
    synapses   the integral of sum_i v_i I_i, what the word line drivers of a crossbar deliver while its bit lines are
               held at 0 V: the heat of its cells and, where it has wires, of those

Not counted: mirrors, buffers and the circuits that hold virtual ground, which are ideal here; programming; encoders and
readout.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memsim.circuits import Neuron
from memsim.circuits.cell import CellCircuit, as_cell
from memsim.circuits.flatten import GROUND
from memsim.crossbar import Crossbar
from memsim.devices import numeric
from memsim.networks.synapses import OnCrossbars

Array = NDArray[np.float64]


def neuron_energy(
    neuron: Neuron | CellCircuit,
    waves: Mapping[str, Array],
    times: Array,
    parameters: Mapping[str, Array] | None = None,
) -> Array:
    """Heat in the devices of a layer's neurons, [image] in J.

    Args:
        neuron: the circuit of each.
        waves: its potentials and states, [image, time, neuron] each.
        times: [time] in s, evenly spaced.
        parameters: values that differ from neuron to neuron, [neurons] each.
    """
    cell = as_cell(neuron)
    values = {**cell.values, **(parameters or {})}
    power = np.zeros(())
    for part in cell.parts:
        if part.device is None:
            continue
        plus, minus = (np.zeros(1) if node == GROUND else waves[f"v({node})"] for node in part.nodes)
        states = [
            np.asarray(values[f"{part.name}.{state}"]) if part.frozen else waves[f"v({part.name}.{state})"]
            for state in part.device.states
        ]
        own = [np.asarray(values[f"{part.name}.{name}"]) for name in part.device.parameters]
        across = plus - minus
        power = power + (across * numeric(part.device).current(across, states, own)).sum(axis=-1)
    return _integral(power, times)


def read_energy(layer: OnCrossbars, voltage: Tensor, times: Array) -> Array:
    """What the word line drivers of a layer deliver, [image] in J, for voltages [image, time, inputs] in V."""
    with torch.no_grad():
        power = torch.cat([layer(one[None], _power).sum(-1) for one in voltage])
    return _integral(power.numpy(), times)


def _integral(power: Array, times: Array) -> Array:
    return np.asarray(np.trapezoid(power, times, axis=-1))


def _power(crossbar: Crossbar, voltage: Tensor) -> Tensor:
    """As a read of one column, so that a convolution takes the patches apart."""
    return crossbar.power(voltage)[..., None]
