"""Layers of crossbar synapses and memristive neurons as one circuit.

Every word line i of a layer meets a pair of bit lines for each neuron j, through resistors of conductance
G+_ij and G-_ij. Both bit lines are held at virtual ground by a sense source; current mirrors pass their
difference, times the mirror ratio, into the membrane of neuron j. The word lines of the first layer follow one
shared pulse, scaled by the image; those of later layers follow the membranes before them, relative to rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySpice.Spice.Netlist import Circuit

from memsim.circuits.neurons import Neuron
from memsim.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CrossbarLayer:
    """Conductances of the differential pairs and the mirror ratio behind them.

    Attributes:
        g_plus: [word lines, neurons] in S.
        g_minus: [word lines, neurons] in S.
        mirror_ratio: current into the membrane over difference of the bit line currents.
    """

    g_plus: Array
    g_minus: Array
    mirror_ratio: float

    def __post_init__(self) -> None:
        if self.g_plus.ndim != 2 or self.g_plus.shape != self.g_minus.shape:
            raise InputError(
                f"conductances have shapes {self.g_plus.shape} and {self.g_minus.shape}; give two equal matrices"
            )
        for name, matrix in (("g_plus", self.g_plus), ("g_minus", self.g_minus)):
            bad = np.argwhere(~(np.isfinite(matrix) & (matrix > 0)))
            if len(bad):
                cell = tuple(int(i) for i in bad[0])
                raise InputError(
                    f"{name}{list(cell)} = {matrix[cell]!r} S is out of range; allowed: > 0 and finite"
                )


def membrane(layer: int, index: int) -> str:
    """Node name of a neuron's membrane in a network."""
    return f"mem{layer}_{index}"


def network_circuit(
    layers: Sequence[CrossbarLayer],
    neuron: Neuron,
    inputs: Sequence[float],
    *,
    title: str = "memristive network",
) -> Circuit:
    """The network with one input image applied; source `Vdrive` carries the shared input pulse.

    Args:
        layers: conductances layer by layer; the word lines of a layer are the neurons of the one before.
        neuron: the neuron circuit, started at rest; its initial potential is the rest potential.
        inputs: scale of the pulse on each word line of the first layer.
        title: first line of the deck.

    Raises:
        InputError: sizes that do not fit together.
    """
    circuit = Circuit(title)
    neuron.define_in(circuit)
    circuit.V("drive", "pulse", circuit.gnd, 0)
    circuit.V("rest", "rest", circuit.gnd, neuron.initial_voltage)
    sources = [("pulse", circuit.gnd, float(scale)) for scale in inputs]
    for number, layer in enumerate(layers, start=1):
        rows, columns = layer.g_plus.shape
        if len(sources) != rows:
            raise InputError(
                f"layer {number} has {rows} word lines and {len(sources)} inputs; they must match"
            )
        for row, (node, reference, gain) in enumerate(sources):
            circuit.VCVS(
                f"w{number}_{row}", f"wl{number}_{row}", circuit.gnd, node, reference, voltage_gain=gain
            )
        for column in range(columns):
            _column(circuit, number, column, layer)
        sources = [(membrane(number, column), "rest", 1.0) for column in range(columns)]
    return circuit


def _column(circuit: Circuit, number: int, column: int, layer: CrossbarLayer) -> None:
    """One neuron with its pair of bit lines."""
    key = f"{number}_{column}"
    for sign, conductance, ends in (
        ("p", layer.g_plus, (circuit.gnd, membrane(number, column))),
        ("n", layer.g_minus, (membrane(number, column), circuit.gnd)),
    ):
        bit_line = f"bl{sign}{key}"
        for row, value in enumerate(conductance[:, column]):
            circuit.R(f"{sign}{number}_{row}_{column}", f"wl{number}_{row}", bit_line, float(1 / value))
        circuit.V(f"s{sign}{key}", bit_line, circuit.gnd, 0)
        circuit.CCCS(f"{sign}{key}", *ends, source=f"Vs{sign}{key}", current_gain=layer.mirror_ratio)
    circuit.X(f"n{key}", "neuron", membrane(number, column))
