"""Decks whose `.param` values are changed from point to point."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from memsim.errors import InputError
from memsim.sweep.subject import Nominal
from memsim.units import parse_si

if TYPE_CHECKING:
    from PySpice.Spice.Netlist import Circuit

    from memsim.circuits.stimuli import Stimulus
    from memsim.spice.netlist import Netlist

_PARAM = re.compile(r"(?<![\w.])([a-z_]\w*)(\s*=\s*)(\{[^{}]*\}|'[^']*'|[^\s,={}']+)", re.IGNORECASE)


@dataclass(frozen=True)
class ParametricDeck:
    """A deck whose `.param` values are changed.

    Attributes:
        netlist: the deck with the files it includes, so that workers need no files of ours.
        timeout: time limit of a run [s].
        bounds: physical range of states by waveform.
    """

    netlist: Netlist
    timeout: float
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    needs_ngspice = True

    def parameters(self) -> dict[str, Nominal]:
        lines = self.netlist.text.split("\n")
        return {
            found[1].lower(): Nominal(_number(found[3]), "1")
            for line in _param_lines(lines)
            for found in _PARAM.finditer(lines[line])
        }

    def run(self, values: Mapping[str, float]) -> xr.Dataset:
        from memsim import spice
        from memsim.spice.checks import check_result

        lines = self.netlist.text.split("\n")
        for line in _param_lines(lines):
            lines[line] = _PARAM.sub(lambda found: _replaced(found, values), lines[line])
        waves = spice.simulate(self.netlist.with_text("\n".join(lines)), timeout=self.timeout)
        check_result(waves, bounds=self.bounds)
        return waves

    def fingerprint(self) -> str:
        return b"\0".join(self.netlist.files.values()).decode("utf-8", errors="backslashreplace")


def deck_subject(path: Path, timeout: float, *, trust: bool) -> ParametricDeck:
    """A deck file, checked as `memsim run` checks it.

    Raises:
        InputError: it cannot be read.
        UntrustedDeckError: it wants more than to simulate, and `trust` is False.
        NetlistError, SingularMatrixError: it has a mistake that ngspice would not report.
    """
    from memsim.spice.netlist import read_netlist

    return ParametricDeck(read_netlist(path, trust=trust), timeout)


def circuit_subject(
    circuit: Circuit,
    timeout: float,
    *,
    stop: float,
    step: float,
    stimuli: Mapping[str, Stimulus] | None = None,
) -> ParametricDeck:
    """A PySpice circuit, whose `circuit.parameter(name, value)` are the parameters."""
    from memsim.circuits import state_bounds
    from memsim.spice import deck
    from memsim.spice.netlist import read_netlist

    text = deck(circuit, stimuli=stimuli, stop=stop, step=step)
    return ParametricDeck(read_netlist(text, trust=True), timeout, dict(state_bounds(circuit)))


def _param_lines(lines: Sequence[str]) -> list[int]:
    """Indices of the lines of top-level `.param` cards and their continuations."""
    found, depth, inside = [], 0, False
    for index, line in enumerate(lines):
        content = line.strip().lower()
        if content.startswith("*") or not content:
            continue
        inside = content.startswith(".param") or (inside and content.startswith("+"))
        depth += content.startswith(".subckt")
        depth -= content.startswith(".ends")
        if inside and depth == 0 and index > 0:
            found.append(index)
    return found


def _replaced(found: re.Match[str], values: Mapping[str, float]) -> str:
    value = values.get(found[1].lower())
    return found[0] if value is None else f"{found[1]}{found[2]}{value!r}"


def _number(text: str) -> float:
    try:
        return parse_si(text.strip("{}' "))
    except InputError:
        return float("nan")
