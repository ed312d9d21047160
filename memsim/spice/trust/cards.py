"""Netlist lines of a stranger: elements and cards, with the models, options and functions in them."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from memsim.errors import NetlistError
from memsim.spice.trust.vocabulary import (
    CARDS,
    ELEMENTS,
    FOREIGN,
    FUNCTIONS,
    MODELS,
    NAMES_A_FILE,
    OF_NGSPICE,
    OPTIONS,
    SOURCES,
    WITHOUT_EFFECT,
)
from memsim.text import meant

_PLAIN = re.compile(r"[a-z][\w.:#-]*(?: [\w.:#+-]+)+", re.ASCII)
"""An element of words and numbers alone, which is most of a large deck."""
_NAME = re.compile(r"[a-z][\w.:+/#$%&@!?^-]*(?= |$)", re.ASCII)
"""Of an element: nothing in it that ngspice would replace, so that the line stays an element."""
_CARD = re.compile(r"\.([a-z]+)(?=[ (=]|$)")
_FORBIDDEN = re.compile(r"[`\\]")
_FILE = re.compile(rf"{NAMES_A_FILE.pattern}|simulation ?=|process\w{{0,9}} ?=")
_CALL = re.compile(r"(?<![\w.#:@\[])([a-z_]\w*)\(")
_MODEL = re.compile(r"\.model [^ ,\"'{}()=]+ (?:ako ?: ?[^ ,\"'{}()=]+ )?([a-z_]\w*)(?=[ (]|$)(.*)")
_WIDTH = re.compile(r"\.width( (in|out) ?= ?\d{1,3})+")
_DIGITS = re.compile(r"numdgt ?= ?(?!\d{1,2}\b)|\b(?:width|height) ?= ?(?!\d{1,3}\b)")
_OPTION = re.compile(r"([a-z]\w*)(?: ?= ?(?:[\w.+-]+|\{[^{}]*\}|'[^']*'))?[ ,]*")
_FUNC = re.compile(r"\.(?:func|param) ([a-z_]\w*) ?\(")
_HARMLESS = CARDS | WITHOUT_EFFECT
_KNOWN = _HARMLESS | OF_NGSPICE
_WITH_CALLS = frozenset("bcdefghijklmqrvxyz")
_CARDS_WITH_CALLS = frozenset(("param", "params", "func"))


def functions(text: str) -> str | None:
    """Name of the function that a line defines, or None."""
    found = _FUNC.match(text)
    return found[1] if found else None


def check_known(text: str, place: str) -> None:
    """Raise NetlistError for a card that no ngspice has, which is a mistake and not a matter of trust."""
    found = _CARD.match(text)
    if found is None or found[1] in _KNOWN or found[1].startswith("inc"):
        return
    said = FOREIGN.get(found[1]) or f"no card of ngspice{meant(found[1], CARDS, '.')}"
    raise NetlistError(f"{place}: `.{found[1]}` is {said}", remedy="")


def reason(text: str, defined: AbstractSet[str]) -> str | None:
    """Why a netlist line is refused, or None.

    Args:
        text: the logical line in lower case, its words one blank apart.
        defined: functions that the deck defines.
    """
    if _PLAIN.fullmatch(text) is not None and text[1] != "#":
        return _file_reason(text) if "file" in text else None
    if _FORBIDDEN.search(text):
        return "back quotes and backslashes can run or hide commands"
    return _card_reason(text, defined) if text[0] == "." else _element_reason(text, defined)


def _element_reason(text: str, defined: AbstractSet[str]) -> str | None:
    if text[0] not in ELEMENTS:
        return "neither an element nor a card"
    if (
        text[1:2] == "#"
    ):  # where ngspice rewrites an element it makes a comment of it: `*#`, which it executes
        return "a name whose second character is # can become a command"
    if _NAME.match(text) is None:
        return "an element whose name is not a plain word"
    return _file_reason(text) or (_call_reason(text, defined) if text[0] in _WITH_CALLS else None)


def _file_reason(text: str) -> str | None:
    return "a source or model that reads a file or runs a program" if _FILE.search(text) else None


def _call_reason(text: str, defined: AbstractSet[str]) -> str | None:
    for found in _CALL.finditer(text):
        name = found[1]
        if name not in FUNCTIONS and name not in SOURCES and name not in defined:
            return f"{name}( is no function that memsim knows{meant(name, FUNCTIONS)}"
    return None


def _card_reason(text: str, defined: AbstractSet[str]) -> str | None:
    found = _CARD.match(text)
    if found is None or found[1] not in _HARMLESS:
        return "a card that is not known to be harmless"
    name = found[1]
    if name == "model":
        return _model_reason(text, defined)
    if name in ("options", "option", "opt"):
        return _options_reason(text[found.end() :])
    if name == "width" and _WIDTH.fullmatch(text) is None:
        return "a width that is no number of at most three digits"
    if '"' in text and name not in ("print", "plot", "save"):
        return "a string where none is needed can become a file name"
    return _call_reason(text, defined) if name in _CARDS_WITH_CALLS else None


def _model_reason(text: str, defined: AbstractSet[str]) -> str | None:
    found = _MODEL.fullmatch(text)
    if found is None:
        return "a model whose type is not a plain word"
    if found[1] not in MODELS:
        return f"a model of the type {found[1]}, which is not known to be harmless{meant(found[1], MODELS)}"
    return _file_reason(found[2]) or _call_reason(found[2], defined)


def _options_reason(text: str) -> str | None:
    if _DIGITS.search(text):
        return "a number of digits or columns that ngspice has no room for"
    text = text.strip()
    position = 0
    while position < len(text):
        found = _OPTION.match(text, position)
        if found is None:
            return "an option whose value is neither a number nor a word"
        if found[1] not in OPTIONS:
            return f"the option {found[1]}, which is not known to be harmless{meant(found[1], OPTIONS)}"
        position = found.end()
    return None
