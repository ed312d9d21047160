"""Engineering notation at the edges; inside memsim every number is a float in SI units.

Scale factors follow SPICE, in upper or lower case: t g meg k m u n p f, and µ for u. Two readings that SPICE
makes silently are refused here, because they are more often meant otherwise:

    10M     milli in SPICE, mega in SI: write 10m or 10meg
    1F      femto in SPICE, one farad to everybody else: write 1f for femto, 1 for one farad
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

from memsim.errors import InputError

__all__ = ["format_si", "parse_si", "si_prefix", "spice_number"]

_EXPONENTS = {
    "t": 12,
    "g": 9,
    "meg": 6,
    "k": 3,
    "": 0,
    "m": -3,
    "u": -6,
    "µ": -6,
    "n": -9,
    "p": -12,
    "f": -15,
}
_UNITS = {
    "v": "V",
    "a": "A",
    "ohm": "Ω",
    "ohms": "Ω",
    "ω": "Ω",
    "f": "F",
    "h": "H",
    "hz": "Hz",
    "w": "W",
    "j": "J",
}
_UNITS |= {"s": "S or s"}  # without upper and lower case, siemens and second are the same
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([a-zµΩω]*)\s*", re.IGNORECASE)
_SPICE_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)(meg|mil|[tgkmunpf])?[a-z]*")
_SPICE_SCALES = {name: float(f"1e{exponent}") for name, exponent in _EXPONENTS.items()} | {"mil": 25.4e-6}
_PREFIXES = {12: "T", 9: "G", 6: "M", 3: "k", 0: "", -3: "m", -6: "µ", -9: "n", -12: "p", -15: "f"}


def spice_number(word: str) -> float | None:
    """A number as ngspice reads it: scale suffix, then any letters (`10k`, `1meg`, `1mil`, `5ns`); None for other text.

    Nothing is refused: `1M` is a thousandth and `1F` is 1e-15.
    """
    found = _SPICE_NUMBER.fullmatch(word.lower())
    return float(found[1]) * _SPICE_SCALES.get(found[2] or "", 1.0) if found else None


def parse_si(text: str, unit: str = "") -> float:
    """Read a number in engineering notation.

    Args:
        text: such as `10k`, `5n`, `2.5meg`, `1e-3`, `10 kOhm`, `5uA`.
        unit: the unit expected, such as `"A"`; the text may leave it out but not name another one.

    Returns:
        The value in SI units.

    Raises:
        InputError: the text is no number, its suffix is unknown or has two readings, or its unit is not the
            one expected.
    """
    match = _NUMBER.fullmatch(text.replace("μ", "µ"))
    if match is None:
        raise InputError(f"{text!r} is not a number; write for example 10k, 5n, 2.5meg, 1e-3 or 5uA")
    number, suffix = match.groups()
    scale, found = _read_suffix(text, suffix, unit)
    if unit and found and unit not in found.split(" or "):
        raise InputError(f"{text!r} is in {found}, expected {unit}; give the value in {unit}")
    # Scaling the decimal exponent, not the float, gives the float nearest to what was written.
    mantissa, _, exponent = number.lower().partition("e")
    value = float(f"{mantissa}e{int(exponent or 0) + scale}")
    if not math.isfinite(value):
        raise InputError(f"{text!r} is too large for a number in floating point; the largest is 1.8e308")
    return value


def _read_suffix(text: str, suffix: str, expected: str) -> tuple[int, str]:
    low = suffix.lower()
    if suffix.startswith("M") and not low.startswith("meg"):
        raise InputError(f"{text!r} can mean milli (SPICE) or mega (SI); write m for milli, meg for mega")
    if suffix == "F" or (suffix and suffix == expected and low in _EXPONENTS):
        raise InputError(f"{text!r} can end in a scale factor (SPICE) or in a unit; write {low}, or no unit")
    if low in _EXPONENTS:
        return _EXPONENTS[low], ""
    for prefix, exponent in _EXPONENTS.items():
        if low.startswith(prefix) and low[len(prefix) :] in _UNITS:
            return exponent, _UNITS[low[len(prefix) :]]
    raise InputError(
        f"{text!r} ends in {suffix!r}; known scale factors are t g meg k m u n p f, "
        "known units V A Ohm F H S s Hz W J"
    )


def si_prefix(magnitude: float) -> tuple[float, str]:
    """Scale and SI prefix that bring a magnitude between 1 and 1000, such as `(1e-6, "µ")` for 5e-6."""
    if magnitude == 0 or not math.isfinite(magnitude):
        return 1.0, ""
    exponent = min(max(_thousands(Decimal(repr(float(magnitude)))), min(_PREFIXES)), max(_PREFIXES))
    return float(f"1e{exponent}"), _PREFIXES[exponent]


def format_si(value: float, unit: str = "", digits: int = 4) -> str:
    """Write a value for people: `format_si(5e-6, "A")` is `5 µA`; mega is written M, as SI does.

    Args:
        value: in SI units.
        unit: symbol of the unit; a plain number is followed by the prefix alone.
        digits: significant digits, 1 to 17; trailing zeros are not written. From 17 digits `parse_si` gives
            back the very same float.
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}".rstrip()
    rounded = Decimal(f"{value:.{digits - 1}e}")
    exponent = _thousands(rounded)
    if exponent not in _PREFIXES:
        return f"{rounded.normalize():e} {unit}".rstrip()
    return f"{rounded.scaleb(-exponent).normalize():f} {_PREFIXES[exponent]}{unit}".rstrip()


def format_value(value: float, unit: str, digits: int = 4) -> str:
    """As `format_si`, but a plain number where the unit takes no prefix: `1`, `1/V` or none."""
    if unit in {"", "1"}:
        return f"{value:.{digits}g}"
    return f"{value:.{digits}g} {unit}" if unit.startswith("1/") else format_si(value, unit, digits)


def _thousands(value: Decimal) -> int:
    return 3 * (value.adjusted() // 3)
