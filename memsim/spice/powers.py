"""Odd powers in expressions of decks: ngspice takes the magnitude of the base, so that the sign is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from memsim.spice.lines import Line

_POWER = re.compile(r"\*\*|\^")
_CALL = re.compile(r"(?<![\w.])pow\(")
_BEHIND = re.compile(r"\s*([+-]?\s*[\w.]+(?:e[+-]?\d+)?|\(|\{)")
_PARAMETER = re.compile(r"(?<![\w.])([a-z_]\w*) ?= ?(\{[^{}]*\}|'[^']*'|[^\s,={}']+)")
_FUNCTION = re.compile(r"\.func ([a-z_]\w*) ?\(([^()]*)\)")
_SIGNED = re.compile(r"(?<![\w.])[vi]\(")
_NEVER_NEGATIVE = re.compile(r"(?:abs|exp|sqrt|cosh|u|uramp)\(")
MOST_POWERS = 100
"""Of a line that are looked at; nobody writes more."""
LONGEST_BASE = 2000
_CLOSING = {"(": ")", "{": "}"}


def odd_powers(lines: Sequence[Line]) -> Iterator[str]:
    """A warning for each line with an odd power of what may be negative: a voltage, a current, an argument."""
    suspects = [line for line in lines if "^" in line.text or "**" in line.text or "pow(" in line.text]
    parameters = _parameters(lines) if suspects else {}
    for line in suspects:
        function = _FUNCTION.match(line.text)
        names = [name.strip() for name in function[2].split(",")] if function else []
        signed = re.compile(
            "|".join([_SIGNED.pattern, *(rf"(?<![\w.]){re.escape(name)}(?!\w)" for name in names if name)])
        )
        for base, exponent in _powers(line.text[function.end() if function else 0 :]):
            if signed.search(base) and not _NEVER_NEGATIVE.match(base) and _is_odd(exponent, parameters):
                yield (
                    f"{line.place}: ngspice takes the magnitude of `{base[:40]}` before the power {exponent.strip()}, "
                    "so the sign is lost; write pwr(x, n), or a product such as x*x*x"
                )
                break


def _parameters(lines: Sequence[Line]) -> Mapping[str, float]:
    from memsim.circuits.expressions import resolve  # most decks have no powers

    given = {
        found[1]: found[2]
        for line in lines
        if line.text.startswith(".param")
        for found in _PARAMETER.finditer(line.text)
    }
    return resolve(given, {}, ".param")


def _is_odd(exponent: str, parameters: Mapping[str, float]) -> bool:
    from memsim.circuits.expressions import resolve

    text = exponent.strip().strip("{}").strip()
    value = resolve({"power": f"{{{text}}}"}, parameters, "power").get("power")
    return value is not None and value % 2 == 1


def _powers(text: str) -> Iterator[tuple[str, str]]:
    """Base and exponent of every power in an expression."""
    for sign in islice(_POWER.finditer(text), MOST_POWERS):
        behind = _BEHIND.match(text, sign.end())
        if behind is None:
            continue
        opening = behind[1]
        end = _closed(text, behind.start(1)) if opening in _CLOSING else behind.end()
        yield (
            _before(text[max(sign.start() - LONGEST_BASE, 0) : sign.start()].rstrip()),
            text[behind.start(1) : end],
        )
    for call in islice(_CALL.finditer(text), MOST_POWERS):
        inside = text[call.end() : _closed(text, call.end() - 1) - 1]
        base, comma, exponent = _at_comma(inside)
        if comma:
            yield base, exponent


def _closed(text: str, start: int) -> int:
    """Where the bracket at a place has been closed."""
    opening, closing, depth = text[start], _CLOSING[text[start]], 0
    for place in range(start, len(text)):
        depth += (text[place] == opening) - (text[place] == closing)
        if depth == 0:
            return place + 1
    return len(text)


def _before(text: str) -> str:
    """The operand at the end of a text: a bracket with the name before it, or a name."""
    place = len(text)
    if text.endswith(")"):
        depth = 0
        while place > 0:
            place -= 1
            depth += (text[place] == ")") - (text[place] == "(")
            if depth == 0:
                break
    while place > 0 and re.match(r"[\w.]", text[place - 1]):
        place -= 1
    return text[place:]


def _at_comma(text: str) -> tuple[str, str, str]:
    depth = 0
    for place, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            return text[:place].strip(), ",", text[place + 1 :]
    return text, "", ""
