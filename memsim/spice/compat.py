"""Decks of other simulators: what ngspice does for their dialects by itself, and what it leaves to do."""

from __future__ import annotations

import re

from memsim.errors import InputError
from memsim.spice.lines import split_lines

MODES = {"lt": "ltpsa", "ps": "psa", "hs": "hsa"}
"""What ngspice calls its modes for the dialects of LTspice, PSpice and HSPICE, of the whole deck."""
_NAMES = {"lt": "LTspice", "ps": "PSpice", "hs": "HSPICE"}
_OF_LTSPICE = re.compile(
    r"^[ \t]*\.(?:backanno|step|wave)\b|\b(?:stp|if|inv|buf|idt|sdt|uplim|dnlim)[ \t]*\(|\brser=|^\* .*\.asc[ \t\r]*$"
    r"|^[ \t]*\.tran[ \t]+(?:0[ \t]|\S+[ \t\r]*$)",
    re.IGNORECASE | re.MULTILINE,
)
_LIBRARY = re.compile(
    r"([ \t]*)\.lib[ \t]+(\"[^\"]+\"|'[^']+'|[^\s\"']*[./][^\s\"']*)[ \t\r]*", re.IGNORECASE
)
_TRANSIENT = re.compile(r"[ \t]*\.tran[ \t]+(?P<words>[^\r]*)\r?", re.IGNORECASE)
_POINTS = 1000
"""Of a transient of LTspice, which needs no print step."""


def mode_of(compat: str | None) -> str | None:
    """What ngspice calls a dialect.

    Raises:
        InputError: an unknown one.
    """
    if compat is None:
        return None
    if compat not in MODES:
        known = ", ".join(f"{name} ({_NAMES[name]})" for name in MODES)
        raise InputError(f"compat = {compat!r} is no dialect that ngspice reads; use one of {known}")
    return MODES[compat]


def translated(text: str, compat: str | None) -> str:
    """A deck with what ngspice does not read of a dialect in its own words; its lines keep their numbers."""
    if compat not in ("lt", "ps"):
        return text
    lines = [
        _LIBRARY.sub(r"\1.include \2", line) if ".lib" in line.lower() else line for line in split_lines(text)
    ]
    return "\n".join(map(_transient, lines)) if compat == "lt" else "\n".join(lines)


def looks_like_ltspice(text: str) -> bool:
    """Whether a deck has words of LTspice that ngspice reads in that mode alone."""
    return _OF_LTSPICE.search(text) is not None


def _transient(line: str) -> str:
    """`.tran stop` and `.tran 0 stop start step` of LTspice, with the print step that ngspice wants."""
    found = _TRANSIENT.fullmatch(line)
    if found is None:
        return line
    words = found["words"].split()
    times = [word for word in words if word.lower() not in ("uic", "startup", "steady", "nodiscard")]
    flags = [word for word in words if word.lower() == "uic"]
    if len(times) == 1:
        times = ["0", times[0]]
    if len(times) > 1 and times[0] in ("0", "0s"):
        stop = times[1].strip("{}")
        times[0] = times[3] if len(times) > 3 else f"{{({stop})/{_POINTS}}}"
    return " ".join([".tran", *times, *flags])
