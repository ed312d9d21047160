"""A crossbar with wires as the text of a stand-alone ngspice deck.

Word line i crosses bit line j at the nodes `w<i>_<j>` and `b<i>_<j>` of the sub-circuit `crossbar`. A segment
without resistance is no element: the nodes at its ends are one, with the name of the one nearer to the port.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from memsim.crossbar.system import system
from memsim.crossbar.wires import Wires
from memsim.errors import InputError

_KLU_CELLS = 256  # from here on factorising shows; ngspice without KLU ignores the option
_WORDS_PER_LINE = 16


def crossbar_deck(
    conductance: Tensor,
    voltage: Tensor,
    wires: Wires,
    *,
    bit_line_voltage: Tensor | float = 0.0,
    title: str = "crossbar",
) -> str:
    """Deck for the operating point of one array; current out of bit line j is `i(vsense<j>)`.

    Args:
        conductance: of each cell, [rows, columns] in S; an open cell is left out.
        voltage: of each word line driver, [rows] in V.
        wires: resistances of the wires and the ends of the lines.
        bit_line_voltage: at which the sense ends hold the bit lines, a number or [columns], in V.
        title: first line of the deck, in ASCII.

    Raises:
        InputError: a shape or a value that cannot be used.
    """
    if conductance.ndim != 2 or voltage.shape != conductance.shape[:1]:
        raise InputError(
            f"conductance {list(conductance.shape)} and voltage {list(voltage.shape)} are not one array with one "
            "vector; give [rows, columns] and [rows]"
        )
    if not title.isascii() or "\n" in title:
        raise InputError(f"title = {title!r} cannot be the first line of a deck; give one line in ASCII")
    rows, columns = conductance.shape
    held = torch.as_tensor(bit_line_voltage, dtype=torch.float64).expand(columns).tolist()
    floats = torch.isinf(torch.as_tensor(wires.sense)).expand(columns).tolist()
    ports = [*(f"in{row}" for row in range(rows)), *(f"out{column}" for column in range(columns))]
    lines = [
        title,
        *subcircuit_lines(conductance, wires, ports),
        *(f"vdrive{row} in{row} 0 {value!r}" for row, value in enumerate(voltage.tolist())),
        *(
            f"vsense{column} out{column} 0 {held[column]!r}"
            for column in range(columns)
            if not floats[column]
        ),
        *_wrapped(["xarray", *ports, "crossbar"]),
        *([".options klu"] if rows * columns >= _KLU_CELLS else []),
        ".op",
        ".end",
        "",
    ]
    return "\n".join(lines)


def subcircuit_lines(conductance: Tensor, wires: Wires, ports: list[str]) -> Iterator[str]:
    """The sub-circuit `crossbar`, a line at a time: its word lines, its bit lines, its cells."""
    conductance = conductance.detach().double()
    drop = system(conductance, wires).drop
    rows, columns = conductance.shape
    yield from _wrapped([".subckt", "crossbar", *ports])
    word, bit = (
        drop.word.detach().expand(rows, columns).tolist(),
        drop.bit.detach().expand(rows, columns).mT.tolist(),
    )
    right = [torch.inf] * rows if drop.right is None else drop.right.detach().expand(rows, 1)[:, 0].tolist()
    word_nodes, bit_nodes = [], []
    for row, (segments, far) in enumerate(zip(word, right, strict=True)):
        port = f"in{row}"
        nodes = _nodes(port, [f"w{row}_{column}" for column in range(columns)], segments)
        if far == 0:
            nodes = [port if node == nodes[-1] else node for node in nodes]
        yield from _wire(f"rw{row}", [port, *nodes], segments)
        if far < torch.inf:
            yield from _wire(f"rright{row}", [nodes[-1], port], [far])
        word_nodes.append(nodes)
    for column, segments in enumerate(bit):
        port = f"out{column}"
        nodes = _nodes(port, [f"b{row}_{column}" for row in reversed(range(rows))], segments[::-1])
        yield from _wire(f"rb{column}", [port, *nodes], segments[::-1])
        bit_nodes.append(nodes[::-1])
    for row, values in enumerate(conductance.tolist()):
        for column, value in enumerate(values):
            if value:
                yield f"rc{row}_{column} {word_nodes[row][column]} {bit_nodes[column][row]} {1 / value!r}"
    yield ".ends"


def _nodes(port: str, names: list[str], segments: list[float]) -> list[str]:
    """Nodes along a wire from its port on, each the one before it where no resistance lies between."""
    nodes = []
    node = port
    for name, resistance in zip(names, segments, strict=True):
        node = name if resistance else node
        nodes.append(node)
    return nodes


def _wire(element: str, nodes: list[str], segments: list[float]) -> Iterator[str]:
    for number, resistance in enumerate(segments):
        if nodes[number] != nodes[number + 1]:
            yield f"{element}_{number} {nodes[number]} {nodes[number + 1]} {resistance!r}"


def _wrapped(words: list[str]) -> Iterator[str]:
    """A card over as many lines as keep it readable."""
    for start in range(0, len(words), _WORDS_PER_LINE):
        yield ("+ " if start else "") + " ".join(words[start : start + _WORDS_PER_LINE])
