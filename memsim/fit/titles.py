"""Titles of columns, in the words of people and instruments: which quantity, in which unit."""

from __future__ import annotations

import re
from typing import NamedTuple

QUANTITIES = {"time": "s", "voltage": "V", "current": "A"}
_WORDS = {
    "time": "t time times zeit elapsed timestamp temps tiempo tempo relative",
    "voltage": "v u av vd volt volts voltage bias spannung tension tensión tensione tensao tensão spanning vin vmem "
    "vdev vdevice vdrive vsource vbias vds vgs",
    "current": "i ai id amp amps ampere amperes current curr strom courant corriente corrente stroom idev idevice imem "
    "ids igs",
}
_OTHER = frozenset(
    [
        "density",
        "log",
        "log10",
        "ln",
        "normalized",
        "normalised",
        "norm",
        "derivative",
        "noise",
        "error",
        "std",
        "sigma",
        "ratio",
        "limit",
        "compliance",
    ]
)
"""Words of a title that make another quantity of it."""
_UNITS = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "sekunden": "s", "volt": "V", "volts": "V",
    "millivolt": "mV", "millivolts": "mV", "ampere": "A", "amperes": "A", "amp": "A", "amps": "A",
    "milliampere": "mA", "milliamps": "mA", "microampere": "uA", "microamps": "uA", "nanoampere": "nA",
    "milliseconds": "ms", "microseconds": "us", "volt dc": "V", "amp dc": "A", "volts dc": "V", "amps dc": "A",
}  # fmt: skip
UNIT = re.compile(r"^(?P<scale>[kmuµμnpf]?)(?P<unit>[VAs])$")
SCALES = {"": 1.0, "k": 1e3, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
_SPICE = re.compile(r"(?P<kind>[VvIi])\((?P<node>[^()]*)\)(?: *\[(?P<unit>[^\]]*)\])?")
_BRACKET = re.compile(r"(?P<name>.*?)[ _]*[\[(](?P<unit>[^\])]*)[\])]\.?")
_SLASH = re.compile(r"(?P<name>.*\S) */ *(?P<unit>\S+)")
_IN = re.compile(r"(?P<name>.*\S)(?: in |, *)(?P<unit>\S+)", re.IGNORECASE)
_TAIL = re.compile(r"(?P<name>.*\w)_(?P<unit>[kmuµμnpf]?[VAs])")
_INDEX = re.compile(r"\d+|ch\w*", re.IGNORECASE)


class Title(NamedTuple):
    """What a title says.

    Attributes:
        quantity: `time`, `voltage`, `current`, or None.
        unit: as it is written; empty where it says none.
    """

    quantity: str | None
    unit: str


def scale_of(unit: str, quantity: str) -> float | None:
    """Scale of a unit of a quantity, in SI; None where it is none."""
    found = UNIT.match(_UNITS.get(unit.lower(), unit))
    return SCALES[found["scale"]] if found is not None and found["unit"] == QUANTITIES[quantity] else None


def title_of(text: str) -> Title:
    """Quantity and unit of a title: `Drain Current (mA)`, `current in mA`, `V(n001)`, `AV(1)`, `Spannung / V`."""
    text = text.strip().strip('"').strip()
    spice = _SPICE.fullmatch(text)
    if spice is not None and not _is_unit(spice["node"]):
        return Title("voltage" if spice["kind"] in "vV" else "current", spice["unit"] or "")
    for form in (_BRACKET, _SLASH, _IN, _TAIL):
        found = form.fullmatch(text)
        if found is not None and (
            form is _BRACKET or _is_unit(found["unit"]) or _claims_a_unit(text, found["unit"])
        ):
            unit = "" if _INDEX.fullmatch(found["unit"]) else found["unit"].strip()
            return Title(_quantity(found["name"], unit), unit)
    return Title(_quantity(text, ""), "")


def _is_unit(text: str) -> bool:
    return UNIT.match(_UNITS.get(text.lower(), text)) is not None


def _claims_a_unit(text: str, last: str) -> bool:
    """Whether a short last word stands where a unit does, although it is none."""
    return text.lower().endswith(f" in {last.lower()}") and len(last) < 5


def _quantity(name: str, unit: str) -> str | None:
    """The only quantity that the words of a name, or its unit beside unknown words, speak of."""
    words = [re.sub(r"\d+$", "", word) for word in re.split(r"[^\w]+|_", name.lower()) if word]
    if _OTHER & set(words):
        return None
    found = [quantity for quantity, known in _WORDS.items() if set(words) & set(known.split())]
    if len(found) > 1 and unit:
        found = [quantity for quantity in found if scale_of(unit, quantity) is not None]
    return found[0] if len(found) == 1 else None
