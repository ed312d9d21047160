"""Where a deck says its numbers: values of `.param`, of elements and of models, each under a name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

TEMPERATURE = "temp"
NOMINAL_TEMPERATURE = 27.0
"""Of ngspice [°C]."""
_VALUE = r"(\{[^{}]*\}|'[^']*'|[^\s,={}'()]+)"
_ASSIGNMENT = re.compile(rf"(?<![\w.])([a-z_]\w*)\s*=\s*{_VALUE}", re.IGNORECASE)
_PASSIVE = re.compile(rf"\s*([rcl]\w*)\s+\S+\s+\S+\s+(?![rcl]\s*=){_VALUE}", re.IGNORECASE)
_NAMED = re.compile(rf"\s*(([rcl])\w*)\s+\S+\s+\S+\s+\2\s*=\s*{_VALUE}", re.IGNORECASE)
_SOURCE = re.compile(r"\s*([vi]\w*)\s+\S+\s+\S+\s+(?:dc\s*=?\s*)?([-+.\d]\S*|\{[^{}]*\})", re.IGNORECASE)
_MODEL = re.compile(r"\s*\.model\s+(\S+)\s+\w+", re.IGNORECASE)
_TEMPERATURE_CARD = re.compile(rf"\s*\.temp\s+{_VALUE}", re.IGNORECASE)
_NUMBER = re.compile(r"[-+.\d{']")


class Place(NamedTuple):
    """A number in a deck: its line, from 0, where it stands in it, and its text."""

    line: int
    start: int
    end: int
    text: str


def places(lines: Sequence[str]) -> dict[str, list[Place]]:
    """Every number of a deck outside of its sub-circuits and commands, by its name in lower case.

    A value of `.param` is called as there, one of an element by the element, one of a model `MODEL.NAME`. Where two
    have one name, the parameter has it.
    """
    found: dict[str, list[Place]] = {}
    others: dict[str, list[Place]] = {}
    for name, place, is_parameter in _numbers(lines):
        (found if is_parameter else others).setdefault(name.lower(), []).append(place)
    return found | {name: there for name, there in others.items() if name not in found}


def changed(lines: Sequence[str], values: Mapping[str, float]) -> list[str]:
    """The deck with other numbers in places of these names; temperature gets a card where it has none."""
    known = places(lines)
    result = list(lines)
    wanted = [(place, values[name]) for name, there in known.items() if name in values for place in there]
    for place, value in sorted(wanted, key=lambda one: one[0], reverse=True):
        line = result[place.line]
        result[place.line] = f"{line[: place.start]}{value!r}{line[place.end :]}"
    if TEMPERATURE in values and TEMPERATURE not in known:
        end = next((k for k, line in enumerate(result) if line.strip().lower() == ".end"), len(result))
        result.insert(end, f".temp {values[TEMPERATURE]!r}")
    return result


def _numbers(lines: Sequence[str]) -> Iterator[tuple[str, Place, bool]]:
    for number, line, card in _cards(lines):
        if card.startswith(".param"):
            for match in _ASSIGNMENT.finditer(line):
                yield match[1], _place(number, match, 2), True
        elif (model := _MODEL.match(card)) is not None:
            for match in _ASSIGNMENT.finditer(line):
                yield f"{model[1]}.{match[1]}", _place(number, match, 2), False
        elif (card_of := _TEMPERATURE_CARD.match(line)) is not None:
            yield TEMPERATURE, _place(number, card_of, 1), False
        else:
            yield from _of_element(number, line)


def _of_element(number: int, line: str) -> Iterator[tuple[str, Place, bool]]:
    named = _NAMED.match(line)
    if named is not None:
        yield named[1], _place(number, named, 3), False
        return
    match = _PASSIVE.match(line) or _SOURCE.match(line)
    if match is not None and _NUMBER.match(match[2]):
        yield match[1], _place(number, match, 2), False


def _place(number: int, match: re.Match[str], group: int) -> Place:
    return Place(number, match.start(group), match.end(group), match[group])


def _cards(lines: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Number and text of each line outside of sub-circuits and commands, and what it continues, in lower case."""
    depth, control, card = 0, False, ""
    for number, line in enumerate(lines):
        content = line.strip().lower()
        if number == 0 or not content or content.startswith("*"):
            continue
        card = card if content.startswith("+") else content
        control = (control or content.startswith(".control")) and not content.startswith(".endc")
        depth += content.startswith(".subckt")
        depth -= content.startswith(".ends")
        if depth == 0 and not control:
            yield number, line, card
