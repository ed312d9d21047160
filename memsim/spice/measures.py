"""Measures that a deck takes of its own analyses, with `.meas` cards and `meas` commands."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import xarray as xr

from memsim.errors import DeckWarning
from memsim.spice.lines import Line

_MEASURE = re.compile(r"\.?meas(?:ure)? (tran|ac|dc|sp|noise) ([^ =]+)")


@dataclass(frozen=True)
class DeckMeasure:
    """One measure of a deck.

    Attributes:
        kind: of the analysis: `tran`, `ac`, `dc`.
        name: under which its value is found.
        text: the line.
    """

    kind: str
    name: str
    text: str


def measures_of(lines: Iterable[Line]) -> tuple[DeckMeasure, ...]:
    """Every measure of a deck, each once."""
    found = (
        (_MEASURE.match(line.text), line.text) for line in lines if line.text.startswith((".mea", "mea"))
    )
    unique = {
        (match[1], match[2]): DeckMeasure(match[1], match[2], text)
        for match, text in found
        if match is not None
    }
    return tuple(unique.values())


def with_measures(
    analyses: Mapping[str, xr.Dataset], measures: Sequence[DeckMeasure], log: str
) -> dict[str, xr.Dataset]:
    """Analyses with their measures as numbers, which ngspice says in its log; NaN where one failed.

    Where a deck repeats an analysis, each has its own.
    """
    found = dict(analyses)
    for measure in measures:
        keys = [key for key in found if key.partition("-")[0] == measure.kind]
        values = _said(log, measure.name)
        if not keys:
            _warn(f"`{measure.text}` is of an analysis that this deck does not have")
        elif len(values) < len(keys):
            _warn(f"ngspice could not take `{measure.text}`; {measure.name} is NaN")
        values += [math.nan] * (len(keys) - len(values))
        for key, value in zip(keys, values, strict=False):
            attrs = {"units": "1", "long_name": measure.name, "measure": measure.text}
            found[key] = found[key].assign({measure.name: ((), value, attrs)})
    return found


def _said(log: str, name: str) -> list[float]:
    """Values that a log has of a measure, in order."""
    pattern = rf"^{re.escape(name)}[ \t]*=[ \t]*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)(?=\s|$)"
    return [float(text) for text in re.findall(pattern, log, flags=re.IGNORECASE | re.MULTILINE)]


def _warn(message: str) -> None:
    warnings.warn(message, DeckWarning, stacklevel=2)
