"""Waveforms of a circuit's parts as one data set."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySpice.Spice.Netlist import Circuit


def saved_in(parts: Sequence[Circuit], save: Sequence[str] | None) -> list[list[str] | None]:
    """Which of the variables to keep belong to which part; None stands for all.

    Raises:
        InputError: a variable names no node or element of the circuit, or nothing is to be kept.
    """
    if save is None:
        return [None for _ in parts]
    if isinstance(save, str) or not save:
        raise InputError(
            f"save = {save!r}, but a list of variables such as ['v(mem)'] is needed; None keeps all"
        )
    names = [_names(part) for part in parts]
    wanted = {name.lower(): _owners(name.lower()) for name in save}
    lost = [name for name, words in wanted.items() if not any(words & own for own in names)]
    if lost:
        raise InputError(
            f"save names {lost}, which the circuit does not have; nodes and elements: {_some(names)}"
        )
    return [[name for name, words in wanted.items() if words & own] for own in names]


def _owners(name: str) -> set[str]:
    """Top-level nodes or elements that a variable belongs to: `xm1` for `v(xm1.x)` and `i(v.xm1.vs)`."""
    inside = re.sub(r"^[vi]\((.*)\)$|^@([^\[]*).*$", r"\1\2", name)
    levels = [piece.strip().split(".") for piece in inside.split(",")]
    return {level[0] if len(level) == 1 or level[0].startswith("x") else level[1] for level in levels}


def _names(part: Circuit) -> set[str]:
    elements = {element.name.lower() for element in part.elements}
    return elements | {str(node).lower() for element in part.elements for node in element.nodes} - {
        "0",
        "gnd",
        "",
    }


def _some(names: Sequence[set[str]]) -> str:
    every = sorted(set().union(*names))
    return ", ".join(every[:20]) + (", ..." if len(every) > 20 else "")


def merge(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Put the parts on the time grid of the one with the most points, linearly interpolated.

    A voltage that several parts have is the same in all, as an ideal source gives it; the current of such
    a source is the sum over the parts.
    """
    if len(parts) == 1:
        return parts[0]
    finest = max(parts, key=lambda part: part.sizes["time"])
    time = finest["time"]
    merged = xr.Dataset(coords={"time": time}, attrs=dict(parts[0].attrs))
    for part in parts:
        columns = {}
        for name, values in part.data_vars.items():
            here = np.interp(time.values, part["time"].values, values.values)
            if name not in merged:
                columns[name] = ("time", here, values.attrs)
            elif str(name).startswith("i("):
                columns[name] = ("time", merged[name].values + here, values.attrs)
        merged = merged.assign(columns)
    return merged
