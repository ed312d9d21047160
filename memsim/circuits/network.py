"""Layers of crossbar synapses and memristive neurons as one circuit.

Every word line i of a layer meets a pair of bit lines for each neuron j, through resistors of conductance
G+_ij and G-_ij. Both bit lines are held at virtual ground by a sense source; current mirrors pass their
difference, times the mirror ratio, into the membrane of neuron j. The word lines of the first layer follow one
shared pulse, scaled by the image; those of later layers follow the membranes before them, relative to rest. Layers may
have further arrays, from other layers or from their own membranes, with mirrors of their own into the same neurons.
Mirrors of a layer may have further branches into the neurons of later ones, which then get its currents, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PySpice.Spice.Netlist import Circuit

from memsim.circuits.cell import CellCircuit, Definitions, as_cell, instance_parameter, nodes_of
from memsim.circuits.neurons import Neuron
from memsim.errors import InputError

Array = NDArray[np.float64]
Source = tuple[str, object, float]
"""Node and reference of a voltage, and the gain from it to a word line."""
LINE_RESISTANCE = 1e3
"""Of the resistor that makes a driver slow [ohm]; its capacitor follows from the time constant."""


@dataclass(frozen=True)
class PairArray:
    """Conductances of differential pairs and the mirror ratio behind them.

    Attributes:
        g_plus: [word lines, neurons] in S; 0 for an open cell.
        g_minus: [word lines, neurons] in S.
        mirror_ratio: current into the membrane over difference of the bit line currents; one for all neurons, or
            [neurons].
        tau: time constant of the drivers of its word lines [s]; they are ideal where left out.
        lines: which outputs of what drives it its word lines follow; all, in order, where left out.
    """

    g_plus: Array
    g_minus: Array
    mirror_ratio: float | Array
    tau: float | None = field(default=None, kw_only=True)
    lines: Sequence[int] | None = field(default=None, kw_only=True)

    def ratio_of(self, column: int) -> float:
        """Of the mirrors of one neuron."""
        return float(np.broadcast_to(self.mirror_ratio, self.g_plus.shape[1:])[column])

    def followed(self, outputs: Sequence[Source]) -> Sequence[Source]:
        """Those of the outputs that its word lines follow."""
        return outputs if self.lines is None else [outputs[line] for line in self.lines]

    def __post_init__(self) -> None:
        if self.g_plus.ndim != 2 or self.g_plus.shape != self.g_minus.shape:
            raise InputError(
                f"conductances have shapes {self.g_plus.shape} and {self.g_minus.shape}; give two equal matrices"
            )
        for name, matrix in (("g_plus", self.g_plus), ("g_minus", self.g_minus)):
            bad = np.argwhere(~(np.isfinite(matrix) & (matrix >= 0)))
            if len(bad):
                cell = tuple(int(i) for i in bad[0])
                raise InputError(
                    f"{name}{list(cell)} = {matrix[cell]!r} S is out of range; allowed: finite, >= 0"
                )


@dataclass(frozen=True)
class CrossbarLayer(PairArray):
    """The array of a layer, whose word lines are the neurons of the layer before, and its neurons.

    Attributes:
        neurons: values in which the neurons differ from the network's, [neurons] each, such as `cmem`.
        bias: voltage of a last word line that is always on [V]; there is none where left out.
        source: number of the layer that drives the array of the layer, 0 for the inputs; the one before where left out.
        others: further arrays by the number of the layer that drives them, from 1 on: its own for a recurrent one, 0
            for the inputs.
        copies: numbers of layers before, from 1 on, whose currents, those from their own neurons aside, go into its
            neurons, too.
    """

    neurons: Mapping[str, Array] = field(default_factory=dict)
    bias: float | None = None
    source: int | None = None
    others: Sequence[tuple[int, PairArray]] = ()
    copies: Sequence[int] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, values in self.neurons.items():
            if np.shape(values) != self.g_plus.shape[1:]:
                raise InputError(
                    f"{name} has shape {np.shape(values)}; give one for each of {self.g_plus.shape[1]} neurons"
                )


def membrane(layer: int, index: int) -> str:
    """Node name of a neuron's membrane in a network."""
    return f"mem{layer}_{index}"


def neuron_instance(layer: int, index: int) -> str:
    """Name of a neuron's sub-circuit in a network."""
    return f"xn{layer}_{index}"


def network_circuit(
    layers: Sequence[CrossbarLayer],
    neuron: Neuron | CellCircuit | Sequence[Neuron | CellCircuit],
    inputs: Sequence[float] | int | None = None,
    *,
    title: str = "memristive network",
) -> Circuit:
    """The network with one input applied.

    Args:
        layers: conductances layer by layer; the word lines of a layer are the neurons of the one before.
        neuron: the neuron circuit, started at rest, of all layers, or of each; its initial potential is the rest
            potential.
        inputs: scale on each input line of one pulse, which source `Vdrive` carries; or how many lines there are, line
            i with a source `Vdrive<i>` of its own. Where left out, as many as the first layer has.
        title: first line of the deck.

    Raises:
        InputError: sizes that do not fit together.
    """
    circuit = Circuit(title)
    families = _families(circuit, layers, neuron)
    if inputs is None:
        inputs = layers[0].g_plus.shape[0] - (layers[0].bias is not None)
    if isinstance(inputs, int):
        sources = _own_sources(circuit, inputs)
    else:
        circuit.V("drive", "pulse", circuit.gnd, 0)
        sources = [("pulse", circuit.gnd, float(scale)) for scale in inputs]
    for family in dict.fromkeys(families):
        circuit.V(family.rest, family.rest, circuit.gnd, family.cell.rest)
    outputs, mirrored = [sources], list[dict[str, PairArray]]([{}])
    for number, (layer, family) in enumerate(zip(layers, families, strict=True), start=1):
        columns = layer.g_plus.shape[1]
        outputs.append(
            [
                (nodes_of(family.cell, membrane(number, column))[-1], family.rest, 1.0)
                for column in range(columns)
            ]
        )
        membranes = [membrane(number, column) for column in range(columns)]
        before = outputs[number - 1 if layer.source is None else layer.source]
        add_array(circuit, str(number), layer, layer.followed(before), membranes, layer.bias)
        feeding: dict[str, PairArray] = {str(number): layer}
        for index, (source, array) in enumerate(layer.others):
            add_array(circuit, f"{number}x{index}", array, array.followed(outputs[source]), membranes)
            if source != number:  # what a layer hears of itself is its own
                feeding[f"{number}x{index}"] = array
        for copied in layer.copies:
            feeding |= _copy(circuit, mirrored[copied], membranes, f"to{number}")
        mirrored.append(feeding)
        for column, node in enumerate(membranes):
            own = {instance_parameter(name): float(values[column]) for name, values in layer.neurons.items()}
            circuit.X(f"n{number}_{column}", family.subcircuit, *nodes_of(family.cell, node), **own)
    return circuit


def _copy(
    circuit: Circuit, arrays: Mapping[str, PairArray], membranes: Sequence[str], branch: str
) -> Mapping[str, PairArray]:
    """Add branches of the mirrors behind arrays into further membranes; these arrays."""
    for name, array in arrays.items():
        for column, node in enumerate(membranes):
            for sign in ("p", "n"):
                _mirror(circuit, sign, f"{name}_{column}", array.ratio_of(column), node, branch)
    return arrays


def add_array(  # noqa: PLR0917 - what it lies between
    circuit: Circuit,
    name: str,
    array: PairArray,
    sources: Sequence[Source],
    membranes: Sequence[str],
    bias: float | None = None,
) -> None:
    """Add an array of pairs and its mirrors.

    Args:
        circuit: where to add it.
        name: that its nodes and elements have in common; that of a layer's own array is its number.
        array: the array.
        sources: node, reference and gain of what each word line follows.
        membranes: nodes that the mirrors drive.
        bias: voltage of a last word line that is always on [V]; there is none where left out.

    Raises:
        InputError: not one source for each word line.
    """
    rows = array.g_plus.shape[0]
    if len(sources) + (bias is not None) != rows:
        raise InputError(
            f"layer {name} has {rows} word lines and {len(sources) + (bias is not None)} inputs; they must match"
        )
    for row, source in enumerate(sources):
        slow = source if array.tau is None else _slow(circuit, f"{name}_{row}", source, array.tau)
        node, reference, gain = slow
        circuit.VCVS(f"w{name}_{row}", f"wl{name}_{row}", circuit.gnd, node, reference, voltage_gain=gain)
    if bias is not None:
        circuit.V(f"bias{name}", f"wl{name}_{rows - 1}", circuit.gnd, bias)
    for column, node in enumerate(membranes):
        _column(circuit, name, column, array, node)


@dataclass(frozen=True, eq=False)
class _Family:
    """Neurons of one circuit: the sub-circuit that they are, and the node of their rest potential."""

    cell: CellCircuit
    subcircuit: str
    rest: str


def _families(
    circuit: Circuit,
    layers: Sequence[CrossbarLayer],
    neuron: Neuron | CellCircuit | Sequence[Neuron | CellCircuit],
) -> list[_Family]:
    """Family of each layer, its sub-circuit defined with all values in which its neurons differ."""
    given = list(neuron) if isinstance(neuron, Sequence) else [neuron] * len(layers)
    if len(given) != len(layers):
        raise InputError(f"{len(given)} neurons do not fit {len(layers)} layers; give one, or one for each")
    kinds = {id(one): as_cell(one) for one in given}
    definitions, families = Definitions(circuit), dict[int, _Family]()
    for index, (key, cell) in enumerate(kinds.items(), start=1):
        number = str(index) if len(kinds) > 1 else ""
        families[key] = _Family(cell, f"neuron{number}", f"rest{number}")
        varying = {
            name for layer, one in zip(layers, given, strict=True) if id(one) == key for name in layer.neurons
        }
        cell.define_in(definitions, families[key].subcircuit, varying=sorted(varying))
    return [families[id(one)] for one in given]


def _slow(circuit: Circuit, key: str, source: Source, tau: float) -> Source:
    """A node that follows a source with a time constant."""
    node, reference, gain = source
    circuit.VCVS(f"d{key}", f"dl{key}", circuit.gnd, node, reference, voltage_gain=gain)
    circuit.R(f"d{key}", f"dl{key}", f"xl{key}", LINE_RESISTANCE)
    circuit.C(f"d{key}", f"xl{key}", circuit.gnd, tau / LINE_RESISTANCE)
    return f"xl{key}", circuit.gnd, 1.0


def _own_sources(circuit: Circuit, rows: int) -> list[Source]:
    for row in range(rows):
        circuit.V(f"drive{row}", f"drive{row}", circuit.gnd, 0)
    return [(f"drive{row}", circuit.gnd, 1.0) for row in range(rows)]


def _column(circuit: Circuit, name: str, column: int, array: PairArray, node: str) -> None:
    """A pair of bit lines and the mirrors from them into a membrane."""
    key = f"{name}_{column}"
    for sign, conductance in (("p", array.g_plus), ("n", array.g_minus)):
        bit_line = f"bl{sign}{key}"
        for row, value in enumerate(conductance[:, column]):
            if value:
                circuit.R(f"{sign}{name}_{row}_{column}", f"wl{name}_{row}", bit_line, float(1 / value))
        circuit.V(f"s{sign}{key}", bit_line, circuit.gnd, 0)
        _mirror(circuit, sign, key, array.ratio_of(column), node)


def _mirror(  # noqa: PLR0917 - what it lies between
    circuit: Circuit, sign: str, key: str, ratio: float, node: str, branch: str = ""
) -> None:
    """What a bit line carries, times the ratio, into a membrane or out of it."""
    ends = (circuit.gnd, node) if sign == "p" else (node, circuit.gnd)
    circuit.CCCS(f"{sign}{key}{branch}", *ends, source=f"Vs{sign}{key}", current_gain=ratio)
