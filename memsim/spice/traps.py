"""What a deck may say and SPICE reads otherwise than it is mostly meant: each a warning, wrong for sure an error."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import pairwise

from memsim.errors import DeckWarning, NetlistError
from memsim.spice import analyses
from memsim.spice.lines import Line
from memsim.spice.powers import odd_powers
from memsim.units import spice_number

_VALUES = {"r": 3, "c": 3, "l": 3, "v": 3, "i": 3}
"""Where the values of an element begin, after its name and nodes."""
_SOURCES = "vi"
_SUSPECT = re.compile(
    r"\d[A-Za-z]+\d|\d,\d|[\d.][MF]|^[Rr]\S* \S+ \S+ [+-]?\.?0|[Pp][UuWw]L|^\.(?:[Aa]|[Nn]|[Dd])",
    re.MULTILINE,
)
"""What a line has at least that is looked at more closely."""
_LETTERS_INSIDE = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?!e[+-]?\d)[a-z]+\d+[a-z]*", re.IGNORECASE)
_COMMA_INSIDE = re.compile(r"[+-]?\d+,\d+[a-z]*", re.IGNORECASE)
_MILLI = re.compile(r"[+-]?[\d.]+(?:e[+-]?\d+)?M(?!eg|il|EG|IL)[A-Za-z]*")
_FEMTO = re.compile(r"[+-]?[\d.]+(?:e[+-]?\d+)?F")
_ELEMENT_TITLE = re.compile(
    r"[rclvi]\w{1,5} [\w.+-]+ [\w.+-]+ (?:[+-]?\.?\d|(?:dc|ac) [+-]?\.?\d|(?:pulse|sin|pwl|exp)[ (]+[+-]?\.?\d)"
)
_ONE_FREQUENCY = re.compile(r"\.(?:ac|noise .*) (?:dec|oct) \S+ (\S+) \1")
_PULSE = re.compile(r"\bpulse[ (]+([^()]*)")
_PWL = re.compile(r"\bpwl ?\(?([^()=]*)\)?(?: r=| td=|$)")


def warn_of_traps(title: str, lines: Sequence[Line]) -> None:
    """Warn of what a deck probably does not mean.

    Args:
        title: its first line.
        lines: its logical lines, those of included files among them.

    Raises:
        NetlistError: a value that cannot be meant as ngspice reads it.
    """
    for message in _found(title, lines):
        warnings.warn(message, DeckWarning, stacklevel=2)


def _found(title: str, lines: Sequence[Line]) -> Iterator[str]:
    first = " ".join(title.lower().split())
    if _ELEMENT_TITLE.match(first) or analyses.CARD.match(first):
        yield f"deck, line 1: the first line of a deck is its title, so `{title[:120]}` is not part of the circuit"
    if not any(line.text == ".end" for line in lines):
        yield "the deck has no `.end`; it is taken for complete"
    netlist = [line for line in lines if not line.control]
    for line in _suspects(netlist):
        if line.text[0] in _VALUES:
            yield from _of_values(line, line.own.split()[_VALUES[line.text[0]] :])
        elif line.text.startswith((".param", ".tran", ".ac", ".dc")):
            yield from _of_values(line, line.own.replace("=", " ").split()[1:])
        if _ONE_FREQUENCY.fullmatch(line.text):
            raise NetlistError(
                f"{line.place}: from a frequency to itself ngspice gives no result; write `lin 1` for one frequency"
            )
        if line.text[0] in _SOURCES:
            yield from _of_edges(line)
    yield from odd_powers(netlist)
    yield from _of_initial_values(netlist)


def _suspects(netlist: Sequence[Line]) -> list[Line]:
    """Lines that are looked at more closely; in most decks none is, which one search over all of them tells."""
    if _SUSPECT.search("\n".join([line.own for line in netlist])) is None:
        return []
    return [line for line in netlist if _SUSPECT.search(line.own) is not None]


def _of_values(line: Line, words: Sequence[str]) -> Iterator[str]:
    joined = re.sub(r"\{[^{}]*\}|'[^']*'", " ", " ".join(words))
    for word in re.split(r"[\s()=]+", joined):
        if _COMMA_INSIDE.fullmatch(word) and line.text[0] in "rcl":
            raise NetlistError(
                f"{line.place}: `{word}` has a comma, where ngspice ends the number; write a point"
            )
        for part in word.split(","):
            yield from _of_number(line, part)
    if line.text[0] == "r" and words and spice_number(words[0]) == 0:
        yield f"{line.place}: ngspice takes 1 mΩ for a resistance of 0; use a voltage source of 0 V for a short"


def _of_number(line: Line, word: str) -> Iterator[str]:
    if _LETTERS_INSIDE.fullmatch(word) and not re.fullmatch(r"[\d.]+d[+-]?\d+", word, re.IGNORECASE):
        read = re.match(r"[+-]?[\d.]+[a-zA-Z]+", word)
        raise NetlistError(
            f"{line.place}: `{word}` is `{read[0] if read else word}` to ngspice, which ignores digits after a suffix; "
            "write the number with a point, such as 4.7k"
        )
    if _MILLI.fullmatch(word):
        yield f"{line.place}: `{word}` is in thousandths to SPICE; write m for milli, meg for mega"
    elif _FEMTO.fullmatch(word):
        yield f"{line.place}: `{word}` is 1e-15 farad to SPICE; write f for femto, or no unit for farad"


def _of_edges(line: Line) -> Iterator[str]:
    pulse = _PULSE.search(line.text)
    if pulse is not None:
        numbers = [spice_number(word) for word in re.split(r"[ ,]+", pulse[1].strip())]
        if 0.0 in numbers[3:5]:
            yield (
                f"{line.place}: a rise or fall time of 0 becomes the print step of `.tran`; write a short one, "
                "such as 1n"
            )
    pwl = _PWL.search(line.text)
    if pwl is not None:
        times = [spice_number(word) for word in re.split(r"[ ,]+", pwl[1].strip())[::2]]
        known = [time for time in times if time is not None]
        for earlier, later in pairwise(known):
            if len(known) < len(times) or later > earlier:
                continue
            if later < earlier:
                raise NetlistError(
                    f"{line.place}: the times of a PWL must increase, but {later:g} s follows {earlier:g} s"
                )
            yield f"{line.place}: two values of a PWL at {later:g} s; write the second one a little later"
            break


def _of_initial_values(netlist: Sequence[Line]) -> Iterator[str]:
    transients = [line for line in netlist if line.text.startswith(".tran")]
    if not transients or any(line.text.split()[-1] == "uic" for line in transients):
        return
    for line in netlist:
        if line.text[0] in "cl" and re.search(r"\bic ?=", line.text):
            yield (
                f"{line.place}: ngspice ignores IC= of an element unless `.tran` ends with `uic`; add it, or write "
                "`.ic v(node)=...`"
            )
            return
