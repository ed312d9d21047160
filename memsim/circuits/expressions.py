"""Values as netlists write them: numbers with suffixes, and arithmetic over parameters, read as ngspice reads them."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Mapping
from typing import Any

from memsim.errors import InputError
from memsim.units import spice_number

_TOKEN = re.compile(
    r"\s*((?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?[a-z]*|[a-z_]\w*|[-+*/()])", re.ASCII | re.IGNORECASE
)
_TWO_READINGS = re.compile(r"[\d.](M|F)$|[\d.][aA]")
"""`1M` and `1F` are a thousandth and 1e-15 for ngspice, and mostly meant otherwise; `1a` depends on its version."""
_MIL = re.compile(r"[\d.]mil", re.IGNORECASE)
"""25.4e-6 alone, a thousandth inside an expression."""


def evaluate(value: Any, scope: Mapping[str, float], what: str) -> float:
    """A value of PySpice as a float.

    Args:
        value: a number, a number with unit, a text such as `"2.2k"`, or arithmetic with + - * / and brackets over
            numbers and parameters, in braces or quotes: `"{2*r}"`.
        scope: parameters by their names in lower case.
        what: name of the value, for the error.

    Raises:
        InputError: anything else.
    """
    try:
        number = _of_text(value, scope) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, ZeroDivisionError, RecursionError):
        known = ", ".join(scope) or "none"
        raise InputError(
            f"{what} = {value!r} is neither a number nor + - * / of numbers and parameters in braces (in scope: "
            f"{known}); give the number, or simulate with ngspice"
        ) from None
    if not math.isfinite(number):
        raise InputError(f"{what} = {value!r} is not finite; give a number in SI units")
    return number


def resolve(values: Mapping[str, Any], scope: Mapping[str, float], what: str) -> dict[str, float]:
    """Values that may use each other and the scope, in any order; those that cannot be evaluated are left out.

    A name means the value given here, not the one of the scope, as it does to ngspice.
    """
    known: dict[str, float] = {}
    waiting = dict(values)
    outer = {name: value for name, value in scope.items() if name not in values}
    while waiting:
        before = len(waiting)
        for name, value in list(waiting.items()):
            try:
                known[name] = evaluate(value, {**outer, **known}, f"{what}.{name}")
                del waiting[name]
            except InputError:
                continue
        if len(waiting) == before:
            break
    return known


def _of_text(text: str, scope: Mapping[str, float]) -> float:
    text = text.strip()
    if text[:1] + text[-1:] in ("{}", "''"):
        tokens = deque(_tokens(text[1:-1]))
        value = _sum(tokens, scope)
        if tokens:
            raise ValueError(text)
        return value
    return _number(text)


def _tokens(text: str) -> list[str]:
    text = text.rstrip()
    found, end = [], 0
    while end < len(text):
        token = _TOKEN.match(text, end)
        if token is None:
            raise ValueError(text)
        found.append(token[1])
        end = token.end()
    return found


def _number(word: str) -> float:
    number = None if _TWO_READINGS.search(word) else spice_number(word)
    if number is None:
        raise ValueError(word)
    return number


def _sum(tokens: deque[str], scope: Mapping[str, float]) -> float:
    value = _product(tokens, scope)
    while tokens and tokens[0] in "+-":
        sign = 1 if tokens.popleft() == "+" else -1
        value += sign * _product(tokens, scope)
    return value


def _product(tokens: deque[str], scope: Mapping[str, float]) -> float:
    value = _factor(tokens, scope)
    while tokens and tokens[0] in "*/":
        times = tokens.popleft() == "*"
        factor = _factor(tokens, scope)
        value = value * factor if times else value / factor
    return value


def _factor(tokens: deque[str], scope: Mapping[str, float]) -> float:
    if not tokens:
        raise ValueError
    word = tokens.popleft()
    if word in "+-":
        return _factor(tokens, scope) * (1 if word == "+" else -1)
    if word == "(":
        value = _sum(tokens, scope)
        if not tokens or tokens.popleft() != ")":
            raise ValueError
        return value
    if _MIL.search(word):
        raise ValueError(word)
    return scope[word.lower()] if word.lower() in scope else _number(word)
