"""Mistakes in a deck that ngspice accepts in silence, found before it runs."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING

from memsim.errors import NetlistError, SingularMatrixError
from memsim.spice import analyses
from memsim.spice.groups import Groups
from memsim.spice.lines import Line, expand

if TYPE_CHECKING:
    from collections.abc import Sequence

# Fewest words of an element: its name, its nodes and what it cannot do without.
FEWEST_WORDS = {
    "r": 4, "c": 4, "l": 4, "v": 3, "i": 3, "d": 4, "b": 4, "e": 4, "g": 4, "f": 5, "h": 5, "k": 4,
    "q": 5, "j": 5, "z": 5, "m": 6, "s": 6, "w": 5, "t": 5, "o": 6, "u": 5, "x": 3, "y": 6,
}  # fmt: skip
# How many of the words after the name are nodes through which current can flow.
CURRENT_NODES = {
    "r": 2, "c": 2, "l": 2, "v": 2, "d": 2, "b": 2, "e": 2, "g": 2, "f": 2, "h": 2, "q": 3, "j": 3, "z": 3,
    "m": 4, "s": 2, "w": 2, "t": 4, "o": 4, "u": 3, "y": 4,
}  # fmt: skip
GROUND = "0"
INTERP = re.compile(r"\binterp\b")
FORBIDDEN = (
    (
        re.compile(r"\blimit\s*\("),
        "`limit(` gives wrong values in ngspice's default mode; write `x < a ? a : x > b ? b : x`",
    ),
    (
        re.compile(r"(?<![.\w])if\s*\("),
        "`if(` is not known in ngspice's default mode; write a ternary `condition ? a : b`",
    ),
)


def lint(text: str, folder: str | Path) -> None:
    """Check a deck for what ngspice would simulate wrongly without a word.

    Args:
        text: the deck; its first line is the title.
        folder: where relative includes start.

    Raises:
        NetlistError: an element lacks a node or a value, a function means something else than it says,
            there is no ground, analysis or `.end`, a file is missing; names line number and line.
        SingularMatrixError: a node has no element but current sources.
    """
    lint_lines(expand(text, Path(folder)))


def lint_lines(lines: Sequence[Line], compat: str | None = None) -> None:
    """Check the logical lines of a deck in a dialect, those of its included files among them; raises as `lint`."""
    netlist = [line for line in lines if not line.control]
    for line in netlist:
        _check_line(line, FORBIDDEN if compat is None else ())
    _check_blocks(lines)
    if not (analyses.cards(lines) or analyses.commanded(lines)):
        raise NetlistError("the deck has no analysis, neither a card such as `.tran 1n 1u` nor a command")
    named = (word for line in netlist if line.text.startswith(".global") for word in line.words[1:])
    ground = frozenset((GROUND, "gnd", *named))
    for scope, ports in _scopes(netlist):
        _check_connections(scope, ports, ground)


def _check_line(line: Line, forbidden: Sequence[tuple[re.Pattern[str], str]]) -> None:
    text = line.text
    if text.startswith(".opt") and INTERP.search(text):
        raise NetlistError(
            f"{line.place}: `interp` makes ngspice write misaligned data; interpolate the result"
        )
    if "(" in text and not text.startswith((".if", ".elseif", ".title", ".model")):
        for pattern, reason in forbidden:
            if pattern.search(text):
                raise NetlistError(f"{line.place}: {reason}")
    fewest = FEWEST_WORDS.get(text[0])
    if fewest is None:
        return
    words = line.words if "=" in text else text.split(None, fewest)
    if len(words) < fewest or "=" in words[1] or ("=" in words[2]):
        foreign = "; elements with a Y of Xyce are none of ngspice" if text[0] == "y" else ""
        raise NetlistError(
            f"{line.place}: a node or value is missing; `{words[0]}` needs {fewest - 1} of them{foreign}"
        )
    if text[0] in "rcl" and "=" in text and _lacks_value(words):
        raise NetlistError(f"{line.place}: `{words[0]}` has no value; ngspice would take one of its own")


def _lacks_value(words: Sequence[str]) -> bool:
    named = any(re.match(r"[rcl]=", word) for word in words[3:])
    return not named and re.match(r"(ic|tc\d?|m|temp|dtemp|scale|noisy)=", words[3]) is not None


def _check_blocks(lines: Sequence[Line]) -> None:
    cards = [line for line in lines if line.text[0] == "."]
    for opening, closing in ((".control", ".endc"), (".subckt", ".ends")):
        opened = [line for line in cards if line.text.startswith(opening)]
        closed = [line for line in cards if line.text.startswith(closing)]
        if len(opened) != len(closed):
            place = (opened or closed)[-1].place
            raise NetlistError(f"{place}: {len(opened)} `{opening}` but {len(closed)} `{closing}`")


def _scopes(lines: Sequence[Line]) -> list[tuple[list[Line], list[str]]]:
    """The top level and every sub-circuit as (elements, ports); current may enter through the ports."""
    top: list[Line] = []
    scopes: list[tuple[list[Line], list[str]]] = [(top, [])]
    stack = [top]
    for line in lines:
        first = line.text[0]
        if first.isalpha():
            stack[-1].append(line)
        elif line.text.startswith(".subckt"):
            ports = [word for word in line.words[2:] if "=" not in word and word != "params:"]
            stack.append([])
            scopes.append((stack[-1], ports))
        elif line.text.startswith(".ends") and len(stack) > 1:
            stack.pop()
    return scopes


def _check_connections(elements: Sequence[Line], ports: Sequence[str], ground: AbstractSet[str]) -> None:
    """Every node that takes current must reach ground, or a port, by something else than current sources.

    Args:
        elements: of one scope.
        ports: of its sub-circuit.
        ground: names of nodes that are ground, or known everywhere.
    """
    if not elements or any(line.text[0] in "anp" for line in elements):
        return  # code models name ports in brackets, and each kind its own way
    groups = Groups()
    groups.join([GROUND, *ports])
    grounded = bool(ports)
    connected: set[str] = set()
    for line in elements:
        nodes, conducts = _nodes(line, ground)
        grounded = grounded or GROUND in nodes
        connected.update(nodes)
        if conducts:
            groups.join(nodes)
    if not grounded:
        raise NetlistError(
            f"{elements[0].place}: no element is connected to ground; one node must be named `0`"
        )
    lost = connected - groups.members(GROUND)
    for line in elements if lost else ():
        for node in _nodes(line, ground)[0]:
            if node in lost:
                raise SingularMatrixError(
                    f"{line.place}: node `{node}` has no path to ground except by current sources"
                )


def _nodes(line: Line, ground: AbstractSet[str]) -> tuple[list[str], bool]:
    """Nodes through which the element's current flows, and whether it ties their voltages together."""
    kind = line.text[0]
    if kind == "x":
        plain = [word for word in line.words[1:] if "=" not in word and word != "params:"]
        nodes = plain[:-1]
    else:
        count = 2 if kind == "i" else CURRENT_NODES.get(kind, 0)
        nodes = line.text.split(None, 1 + count)[1 : 1 + count]
    return [GROUND if node in ground else node for node in nodes], kind != "i"
