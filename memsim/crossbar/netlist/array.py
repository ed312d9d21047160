"""The sub-circuit `crossbar`: word lines, bit lines and cells.

Word line i meets bit line j at the nodes `w<i>_<j>` and `b<i>_<j>`. A segment without resistance is no element: the
nodes at its ends are one, with the name of the one nearer to the port.
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
    "* rw<i>_<j>, rb<j>_<k>: wire segments, counted from the port; rc or xc: cells",
)


def array_lines(cells: CellText, wires: Wires) -> Iterator[str]:
    """The sub-circuit a line at a time: word lines, bit lines, cells, after what the cells are instances of.

    Raises:
        InputError: a resistance that does not fit the array, or a floating bit line without cells.
    """
    rows, columns = cells.present.shape
    drop = system(cells.present.double(), wires).drop
    word = drop.word.detach().expand(rows, columns).tolist()
    bit = drop.bit.detach().expand(rows, columns).mT.tolist()
    right = [torch.inf] * rows if drop.right is None else drop.right.detach().expand(rows, 1)[:, 0].tolist()
    yield from cells.definitions
    yield from wrapped([".subckt", "crossbar", *ports(rows, columns)])
    yield from _LEGEND
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
    for row, values in enumerate(cells.rows()):
        for column, value in enumerate(values):
            if value is not None:
                ends = f"{word_nodes[row][column]} {bit_nodes[column][row]}"
                yield f"{cells.element}{row}_{column} {ends} {value}"
    yield ".ends"


def ports(rows: int, columns: int) -> list[str]:
    """Ports of the sub-circuit: `in<i>` of each word line, `out<j>` of each bit line."""
    return [*(f"in{row}" for row in range(rows)), *(f"out{column}" for column in range(columns))]


def wrapped(words: list[str]) -> Iterator[str]:
    """A card over as many lines as keep it readable."""
    line = words[0]
    for word in words[1:]:
        if len(line) + len(word) >= _WIDTH:
            yield line
            line = "+"
        line = f"{line} {word}"
    yield line


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
