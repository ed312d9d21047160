"""The elements of an array: word lines, bit lines and cells, without a sub-circuit around them.

Word line i begins at the node `in<i>`, bit line j ends at `out<j>`; they meet at `w<i>_<j>` and `b<i>_<j>`. A segment
without resistance is no element: the nodes at its ends are one, with the name of the one nearer to `in<i>` or `out<j>`.
A sub-circuit of its own would need a port for each line, and ngspice has room for about 1000.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from memsim.crossbar.netlist.cells import CellText
from memsim.crossbar.system import system
from memsim.crossbar.wires import Wires

_WIDTH = 110
_LEGEND = (
    "* cells <i>_<j> lie between nodes w<i>_<j> of word line i and b<i>_<j> of bit line j",
    "* rw<i>_<k>, rb<j>_<k>: segments of their wires, counted from in<i> and from out<j>; rc or xc: cells",
)


def array_lines(cells: CellText, wires: Wires) -> Iterator[str]:
    """The deck's lines for an array: what cells are instances of, word lines, bit lines, cells.

    Raises:
        InputError: a resistance that does not fit the array, or a floating bit line without cells.
    """
    rows, columns = cells.present.shape
    drop = system(cells.present.double(), wires).drop
    word = drop.word.detach().expand(rows, columns).tolist()
    bit = drop.bit.detach().expand(rows, columns).mT.tolist()
    right = [torch.inf] * rows if drop.right is None else drop.right.detach().expand(rows, 1)[:, 0].tolist()
    yield from cells.definitions
    yield from _LEGEND
    word_nodes, bit_nodes = [], []
    for row, (segments, far) in enumerate(zip(word, right, strict=True)):
        end = f"in{row}"
        nodes = _nodes(end, [f"w{row}_{column}" for column in range(columns)], segments)
        if far == 0:
            nodes = [end if node == nodes[-1] else node for node in nodes]
        yield from _wire(f"rw{row}", [end, *nodes], segments)
        if far < torch.inf:
            yield from _wire(f"rright{row}", [nodes[-1], end], [far])
        word_nodes.append(nodes)
    for column, segments in enumerate(bit):
        end = f"out{column}"
        nodes = _nodes(end, [f"b{row}_{column}" for row in reversed(range(rows))], segments[::-1])
        yield from _wire(f"rb{column}", [end, *nodes], segments[::-1])
        bit_nodes.append(nodes[::-1])
    for row, values in enumerate(cells.rows()):
        for column, value in enumerate(values):
            if value is not None:
                ends = f"{word_nodes[row][column]} {bit_nodes[column][row]}"
                yield f"{cells.element}{row}_{column} {ends} {value}"


def wrapped(words: list[str]) -> Iterator[str]:
    """A card over as many lines as keep it readable."""
    line = words[0]
    for word in words[1:]:
        if len(line) + len(word) >= _WIDTH:
            yield line
            line = "+"
        line = f"{line} {word}"
    yield line


def _nodes(end: str, names: list[str], segments: list[float]) -> list[str]:
    """Nodes along a wire from its end on, each the one before it where no resistance lies between."""
    nodes = []
    node = end
    for name, resistance in zip(names, segments, strict=True):
        node = name if resistance else node
        nodes.append(node)
    return nodes


def _wire(element: str, nodes: list[str], segments: list[float]) -> Iterator[str]:
    for number, resistance in enumerate(segments):
        if nodes[number] != nodes[number + 1]:
            yield f"{element}_{number} {nodes[number]} {nodes[number + 1]} {resistance!r}"
