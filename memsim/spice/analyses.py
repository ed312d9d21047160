"""Analyses of a deck: those it asks for, and what came out of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import xarray as xr

from memsim.spice.lines import Line
from memsim.spice.rawfile import Plot, to_dataset

CARD = re.compile(r"\.(tran|op|dc|ac|noise|tf|pz|sens|disto|pss|sp)\b")
COMMAND = re.compile(r"(run|tran|op|dc|ac|noise|tf|pz|sens|disto|sp)\b")
INTERACTIVE = "batchmode"
"""A control block that asks for it runs its analyses in an interactive session alone."""
_CONSTANTS = "constants"
_TOTALS = "integrated noise"
_KINDS = {
    "transient analysis": "tran",
    "ac analysis": "ac",
    "dc transfer characteristic": "dc",
    "operating point": "op",
    "noise spectral density curves": "noise",
    _TOTALS: "noise",
    "transfer function": "tf",
    "pole-zero analysis": "pz",
    "sensitivity analysis": "sens",
    "sp analysis": "sp",
}


def cards(lines: Iterable[Line]) -> list[tuple[str, Line]]:
    """Kind and line of every analysis card."""
    found = ((CARD.match(line.text), line) for line in lines if line.text[0] == "." and not line.control)
    return [(match[1], line) for match, line in found if match is not None]


def commanded(lines: Iterable[Line]) -> bool:
    """Whether a control block runs analyses."""
    control = [line.text for line in lines if line.control]
    return any(map(COMMAND.match, control)) and not any(INTERACTIVE in text for text in control)


def by_kind(plots: Sequence[Plot]) -> dict[str, xr.Dataset]:
    """Waveforms of each analysis: `tran`, `ac`, `noise`; a second one of a kind is `tran-2`.

    The integrals of a noise analysis are numbers beside its spectra: `onoise_total`, `inoise_total`.
    """
    found: dict[str, xr.Dataset] = {}
    noise = ""
    for plot in plots:
        name = plot.name.lower()
        if name == _CONSTANTS:
            continue
        if name == _TOTALS and noise:
            found[noise] = found[noise].assign(_totals(to_dataset(plot)))
            continue
        key = _numbered(kind_of(plot), found)
        noise = key if kind_of(plot) == "noise" else noise
        found[key] = to_dataset(plot)
    return found


def kind_of(plot: Plot) -> str:
    """`tran` of a `Transient Analysis`, by ngspice's own words where it is another."""
    name = plot.name.lower()
    return _KINDS.get(name) or re.sub(r"\W+", "-", name).strip("-") or "plot"


def _numbered(kind: str, known: Iterable[str]) -> str:
    count = sum(name == kind or name.startswith(f"{kind}-") for name in known)
    return f"{kind}-{count + 1}" if count else kind


def _totals(integrals: xr.Dataset) -> dict[str, xr.DataArray]:
    return {re.sub(r"^v\((.*)\)$", r"\1", str(name)): values for name, values in integrals.items()}
