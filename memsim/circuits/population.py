"""Neurons that share nothing but their deck: each with its own current into the membrane, and its own values.

Neuron i is the instance `Xn_<i>` at the node `mem_<i>`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PySpice.Spice.Netlist import Circuit

from memsim.circuits.cell import CellCircuit, Definitions, as_cell, instance_parameter, nodes_of
from memsim.circuits.network import PairArray, add_array
from memsim.circuits.neurons import Neuron
from memsim.errors import InputError

Array = NDArray[np.float64]
_DIGITS = 12


def pulsed_population(
    neuron: Neuron | CellCircuit,
    gains: Array,
    parameters: Mapping[str, Array] | None = None,
    title: str = "neurons",
) -> Circuit:
    """Neurons driven by pulses that they share; source `Vpulse<k>` carries pulse k in V.

    Args:
        neuron: the circuit of each.
        gains: current into each membrane over voltage of each pulse, [neurons, pulses] in S.
        parameters: values that differ from neuron to neuron, [neurons] each.
        title: first line of the deck.

    Raises:
        InputError: a value that the neuron does not have, or not one for each neuron.
    """
    circuit = _population(neuron, len(gains), parameters or {}, title)
    for pulse in range(gains.shape[1]):
        circuit.V(f"pulse{pulse}", f"pulse{pulse}", circuit.gnd, 0)
    for index, row in enumerate(gains):
        for pulse, gain in enumerate(row):
            # a neuron without any current keeps one source, so that its membrane is not an end that hangs loose
            if gain or not pulse:
                name, node = f"{index}_{pulse}", f"mem_{index}"
                circuit.VCCS(
                    name,
                    circuit.gnd,
                    node,
                    f"pulse{pulse}",
                    circuit.gnd,
                    transconductance=float(gain),
                )
    return circuit


def sampled_population(
    neuron: Neuron | CellCircuit,
    times: Array,
    currents: Array,
    parameters: Mapping[str, Array] | None = None,
    title: str = "neurons",
) -> Circuit:
    """Neurons driven by straight lines between samples.

    The samples are an expression of time, not a PWL source: ngspice would take four steps around each corner.

    Args:
        neuron: the circuit of each.
        times: [time] in s.
        currents: into each membrane, [neurons, time] in A.
        parameters: values that differ from neuron to neuron, [neurons] each.
        title: first line of the deck.

    Raises:
        InputError: a value that the neuron does not have, or not one for each neuron.
    """
    circuit = _population(neuron, len(currents), parameters or {}, title)
    stamps = [f"{time:.{_DIGITS}g}" for time in times]
    for index, row in enumerate(currents.tolist()):
        samples = ",".join(f"{time},{current:.{_DIGITS}g}" for time, current in zip(stamps, row, strict=True))
        circuit.B(f"in_{index}", circuit.gnd, f"mem_{index}", i=f"pwl(time,{samples})")
    return circuit


def couple(circuit: Circuit, neuron: Neuron | CellCircuit, array: PairArray) -> None:
    """Let the neurons of a population drive each other through an array, whose word lines follow their outputs.

    Args:
        circuit: of `pulsed_population` or `sampled_population`.
        neuron: the circuit of each.
        array: [neurons, neurons].
    """
    cell, count = as_cell(neuron), len(array.g_plus)
    circuit.V("rest", "rest", circuit.gnd, cell.rest)
    membranes = [f"mem_{index}" for index in range(count)]
    add_array(circuit, "r", array, [(nodes_of(cell, node)[-1], "rest", 1.0) for node in membranes], membranes)


def _population(
    neuron: Neuron | CellCircuit, count: int, parameters: Mapping[str, Array], title: str
) -> Circuit:
    for name, values in parameters.items():
        if np.shape(values) != (count,):
            raise InputError(
                f"parameter {name} has shape {np.shape(values)}; give one for each of {count} neurons"
            )
    circuit = Circuit(title)
    cell = as_cell(neuron)
    cell.define_in(Definitions(circuit), varying=parameters)
    for index in range(count):
        own = {instance_parameter(name): float(values[index]) for name, values in parameters.items()}
        circuit.X(f"n_{index}", "neuron", *nodes_of(cell, f"mem_{index}"), **own)
    return circuit
