"""Arrays with sense amplifiers as the text of stand-alone ngspice decks, without transistors.

A bit line is held at virtual ground by `bitline`, which gives its current in LSB as a voltage. The latch of `senseamp`
follows what it compares while the clock c is low, and grows away from zero once it is high (a behavioural form of the
regeneration of a clocked comparator: Razavi, IEEE Solid-State Circuits Magazine 7(2), 2015):

    d = plus - minus + offset + hysteresis m
    tau dq/dt = (1 - c) (d / 10 - q) + c (2 tanh q - q),    tau / 10 dm/dt = c q^2 (tanh(10 q) - m)

The loop gain of 2 makes q grow as exp(t / tau) from d / 10, until it settles at +-1.915. After a time t, sums below
10 q exp(-t / tau) have not reached q yet: that is the metastability window. What the latch has decided stays as m until
it has decided again, which the square of q waits for; before the first decision m is -1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from memsim.circuits.samples import Samples
from memsim.crossbar import Wires
from memsim.crossbar.netlist.array import array_lines, wrapped
from memsim.crossbar.netlist.cells import resistors
from memsim.errors import InputError
from memsim.imc.layers import MappedLayer

PERIOD = 1.2e-9
"""Of a read [s]: half for the array to settle, half for the latch to decide."""
TIME_CONSTANT = 50e-12
"""Of the latch [s]."""
EDGE = 20e-12
"""Of inputs and clock [s]."""
SWING = 10.0
"""Sum [LSB] that the latch follows as 1 V; decisions are near +-1.9 V."""
_DECIDED = 1.0
_SUBCIRCUITS = (
    "* holds a bit line at virtual ground; v(sum) is its current in LSB",
    ".subckt bitline in sum",
    "vhold in 0 0",
    "bsum sum 0 v = i(vhold) / {lsb}",
    ".ends",
    "* follows (plus - minus + offset) / 10 while the clock is low, decides while it is high",
    ".subckt senseamp plus minus clock q params: offset=0 hysteresis=0",
    "cq q 0 1e-12",
    "bq 0 q i = {conductance} * (1 - v(clock))",
    "+ * ((v(plus) - v(minus) + ({{offset}}) + ({{hysteresis}}) * v(m)) / {swing} - v(q))",
    "+ + {conductance} * v(clock) * (2 * tanh(v(q)) - v(q))",
    "* the last decision, low before the first",
    "cm m 0 1e-13",
    "bm 0 m i = {conductance} * v(clock) * v(q)^2 * (tanh(10 * v(q)) - v(m))",
    ".ic v(m)=-1",
    ".ends",
)


def read_deck(layer: MappedLayer, inputs: Tensor, *, title: str = "array with sense amplifiers") -> str:
    """Deck for reads of one array one after the other; decisions are the signs of v(q<line>) at `decision_times`.

    Args:
        layer: a layer that fits one array, read by sense amplifiers, with nothing that is drawn for each read.
        inputs: spikes, [reads, rows], of one inference.
        title: first line of the deck, in ASCII.

    Raises:
        InputError: a layer of several arrays, with other converters, with noise, or inputs that do not fit.
    """
    card = layer.card
    if layer.tiles != 1 or card.converter.kind != "sense-amplifier":
        raise InputError(
            f"{layer.name} has {layer.tiles} arrays read by {card.converter.kind} converters; a deck has one array "
            "with sense amplifiers"
        )
    drawn = {
        "converter.noise": card.converter.noise,
        "converter.metastable": card.converter.metastable,
        "cell.read_noise": card.cell.read_noise,
    }
    for name, value in drawn.items():
        if value:
            raise InputError(
                f"{name} = {value:g} is drawn for each read, which a deck does not do; set it to 0"
            )
    if inputs.ndim != 2 or inputs.shape[1] != layer.rows:
        raise InputError(f"inputs have shape {list(inputs.shape)}; give [reads, {layer.rows}]")
    (cells,) = layer.cells()
    cells = torch.nn.functional.pad(
        cells.double(), (0, 0, 0, card.array.rows - layer.rows), value=card.cell.conductance_min
    )
    lines = [
        title,
        *array_lines(resistors(cells), Wires(**card.wires.model_dump())),
        *_subcircuits(card.cell.lsb),
        *_drivers(inputs, card.array.rows, card.cell.read_voltage),
        *_clock(),
        *(f"xline{line} out{line} sum{line} bitline" for line in range(cells.shape[1])),
        *_amplifiers(layer),
        *wrapped([".save", *(f"v(q{line})" for line in range(layer.neurons * card.slices))]),
        f".tran {EDGE:g} {len(inputs) * PERIOD:g} 0 {PERIOD / 20:g}",
        ".end",
        "",
    ]
    return "\n".join(lines)


def decision_times(reads: int) -> Tensor:
    """When the decisions of each read stand [s]."""
    return (torch.arange(reads, dtype=torch.float64) + 1) * PERIOD - 2 * EDGE


def metastable_window() -> float:
    """Sums that stay undecided in the time that the latch has [LSB]."""
    return SWING * _DECIDED * math.exp(-(PERIOD / 2 - 3 * EDGE) / TIME_CONSTANT)


def _subcircuits(lsb: float) -> Iterator[str]:
    values = {"lsb": repr(lsb), "conductance": f"{1e-12 / TIME_CONSTANT:g}", "swing": f"{SWING:g}"}
    for line in _SUBCIRCUITS:
        yield line.format(**values) if not line.startswith((".", "*")) else line


def _drivers(inputs: Tensor, rows: int, voltage: float) -> Iterator[str]:
    for row in range(rows):
        levels = (voltage * inputs[:, row]).tolist() if row < inputs.shape[1] else [0.0] * len(inputs)
        times = [0.0]
        values = levels[:1]
        for read, (before, after) in enumerate(pairwise(levels), start=1):
            if after != before:
                times += [read * PERIOD, read * PERIOD + EDGE]
                values += [before, after]
        yield from Samples(times, values).netlist_lines(f"vdrive{row}", f"in{row}", "0")


def _clock() -> Iterator[str]:
    half = PERIOD / 2
    yield f"vclock clock 0 pulse(0 1 {half:g} {EDGE:g} {EDGE:g} {half - 2 * EDGE:g} {PERIOD:g})"


def _amplifiers(layer: MappedLayer) -> Iterator[str]:
    slices, hysteresis = layer.card.slices, layer.card.converter.hysteresis
    for line, offset in enumerate(layer.thresholds()[0].tolist()):
        neuron, digit = divmod(line, slices)
        plus = neuron * layer.card.lines + digit
        minus = plus + slices if layer.card.differential else layer.columns
        yield f"xamp{line} sum{plus} sum{minus} clock q{line} senseamp offset={offset!r} hysteresis={hysteresis!r}"
