"""Decks that run their analyses by commands, or take measures: what they found is written at their end.

ngspice writes results as they come where it runs cards in batch mode; then it takes no measures, and results of
commands are lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from memsim.spice.lines import Line, split_lines

_END = re.compile(r"[ \t]*\.end[ \t\r]*", re.IGNORECASE)
_OPENING = ("if", "while", "dowhile", "foreach", "repeat")
_LEAVING = ("quit", "exit")


def writing(text: str, lines: Iterable[Line], raw: str, *, run: bool) -> str:
    """A deck that ends with writing all of its results.

    Args:
        text: of the deck.
        lines: of it, without those of included files.
        raw: name of the file of results.
        run: whether the cards of its analyses are to be run; else its own commands do.
    """
    physical = split_lines(text)
    for line in _leaving(lines):
        physical[line.number - 1] = "*"
    end = next((number for number, line in enumerate(physical) if _END.fullmatch(line)), len(physical))
    commands = [
        *(["run"] if run else []),
        *("set filetype=binary", "set appendwrite", "foreach memsim_plot $plots", "setplot $memsim_plot"),
        *(f"write {raw}", "end", "quit"),
    ]
    return "\n".join([*physical[:end], ".control", *commands, ".endc", ".end", ""])


def without_lines(text: str, numbers: Iterable[int]) -> str:
    """A deck without some of its cards, and the lines that continue them; its other lines keep their numbers."""
    physical = split_lines(text)
    for number in numbers:
        end = number
        while end < len(physical) and physical[end].lstrip().startswith("+"):
            end += 1
        physical[number - 1 : end] = ["*"] * (end - number + 1)
    return "\n".join(physical)


def _leaving(lines: Iterable[Line]) -> list[Line]:
    """Commands that end ngspice, outside of loops and conditions."""
    found, depth = [], 0
    control = [line for line in lines if line.control]
    for line in control if any(line.text.startswith(_LEAVING) for line in control) else ():
        word = line.text.split(maxsplit=1)[0]
        depth += (word in _OPENING) - (word == "end")
        if word in _LEAVING and depth == 0:
            found.append(line)
    return found
