"""Lines of a stranger's control block: commands with their arguments.

ngspice replaces `$name` by the variable's value, then looks for back quotes, `;` and `>` in what came out: the title
of a deck, which `$curplottitle` gives, can so become a command. Hence only variables that the deck's own commands set
may be read, and none that ngspice fills with text from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from memsim.spice.trust.vocabulary import (
    COMMANDS,
    NAMES_A_FILE,
    RESERVED,
    VARIABLES,
    WITHOUT_ARGUMENTS,
)
from memsim.text import meant

_COMMAND = re.compile(r"([a-z]+)(?= |$) ?(.*)")
_FORBIDDEN = re.compile(r"[`;|<>!\\~]|&(?<!\$&)")
_REFERENCE = re.compile(r"\$(?:\?[a-z_]\w*|&[\w.:#@]+|([a-z_]\w*))?")
_SETTING = re.compile(r"(?:set|foreach) ([a-z_]\w*)")
_SET = re.compile(r"([a-z_]\w*)(?: ?= ?([\w.+-]+))?")
_FOREACH = re.compile(r"([a-z_]\w*)((?: (?:[\w.+-]+|\$&[\w.:#@]+|\$[a-z_]\w*))*)")
_OF_PICTURES = ("hardcopy", "gnuplot", "asciiplot", "set ")
_PICTURE = re.compile(r"(?:hardcopy|gnuplot|asciiplot)(?= |$)|set (?:color\d+|hcopy\w*|gnuplot_\w+) ?=")
_COLOUR = re.compile(r"color\d{1,3}")


def variables(lines: Iterable[str]) -> frozenset[str]:
    """Names that the `set` and `foreach` of a deck's control lines (lower case) give values to."""
    found = (_SETTING.match(line) for line in lines if line.startswith(("set ", "foreach ")))
    return frozenset(one[1] for one in found if one is not None)


def draws(text: str) -> bool:
    """Whether a command only makes a picture in a file, or says how pictures look: nothing that is simulated needs it.

    Args:
        text: the line in lower case, its words one blank apart.
    """
    return text.startswith(_OF_PICTURES) and _PICTURE.match(text) is not None and _hidden_reason(text) is None


def reason(text: str, known: AbstractSet[str]) -> str | None:
    """Why a line of a control block is refused, or None.

    Args:
        text: the line in lower case, its words one blank apart.
        known: variables that the deck sets.
    """
    if text in WITHOUT_ARGUMENTS:
        return None
    hidden = _hidden_reason(text)
    if hidden is not None:
        return hidden
    found = _COMMAND.fullmatch(text)
    if found is None or found[1] not in COMMANDS:
        return f"a command that is not known to be harmless{meant(found[1], COMMANDS) if found else ''}"
    return _arguments_reason(found[1], found[2], known)


def _arguments_reason(name: str, arguments: str, known: AbstractSet[str]) -> str | None:
    if name in WITHOUT_ARGUMENTS and arguments:
        return f"`{name}` takes no arguments here; what follows could name a file"
    if name in ("set", "unset"):
        return _set_reason(arguments)
    if NAMES_A_FILE.search(arguments):
        return "an argument that names a file"
    if name == "foreach":
        return _foreach_reason(arguments) or _reference_reason(arguments, known)
    return _reference_reason(arguments, known)


def _hidden_reason(text: str) -> str | None:
    if text.startswith("+"):
        return "a continuation line in a control block can hide commands"
    if _FORBIDDEN.search(text):
        return "redirection, shell and command separators are not allowed in a control block"
    return None


def _set_reason(arguments: str) -> str | None:
    found = _SET.fullmatch(arguments)
    if found is None or not (found[1] in VARIABLES or _COLOUR.fullmatch(found[1])):
        return "a variable that is not known to be harmless"
    if found[1] in ("numdgt", "width", "height") and not re.fullmatch(r"\d{1,2}", found[2] or "0"):
        return "a number of digits or columns that ngspice has no room for"
    return None


def _foreach_reason(arguments: str) -> str | None:
    found = _FOREACH.fullmatch(arguments)
    if found is None or found[1] in RESERVED or found[1].startswith("cur"):
        return "a loop variable or a value that is not known to be harmless"
    return None


def _reference_reason(arguments: str, known: AbstractSet[str]) -> str | None:
    for found in _REFERENCE.finditer(arguments):
        name = found[1]
        if found[0] == "$" or (name is not None and (name not in known or name in RESERVED)):
            return f"the variable {found[0]}, which this deck does not set"
        if name is not None and name.startswith("cur") and name != "curplot":
            return f"the variable {found[0]}, whose text comes from elsewhere"
    return None
