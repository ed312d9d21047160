"""Decks whose numbers are changed from point to point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from memsim.errors import InputError
from memsim.sweep.places import NOMINAL_TEMPERATURE, TEMPERATURE, changed, places
from memsim.sweep.subject import Nominal
from memsim.units import parse_si

if TYPE_CHECKING:
    from PySpice.Spice.Netlist import Circuit

    from memsim.circuits.stimuli import Stimulus
    from memsim.spice.netlist import Netlist


@dataclass(frozen=True)
class ParametricDeck:
    """A deck whose values of `.param`, elements (`r1`), models (`mem.ron`) and temperature (`temp`) are changed.

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
        found = {name: Nominal(_number(there[0].text), "1") for name, there in places(self._lines()).items()}
        return {TEMPERATURE: Nominal(NOMINAL_TEMPERATURE, "degC")} | found

    def run(self, values: Mapping[str, float]) -> xr.Dataset:
        from memsim import spice
        from memsim.spice.checks import check_result

        netlist = self.netlist.with_text("\n".join(changed(self._lines(), values)))
        waves = _as_one(spice.run_deck(netlist, timeout=self.timeout))
        check_result(
            waves.drop_vars([name for name in waves if "measure" in waves[name].attrs]), bounds=self.bounds
        )
        return waves

    def _lines(self) -> list[str]:
        return self.netlist.text.split("\n")

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


def _as_one(analyses: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """The last analysis, with what the others gave as numbers: operating points and measures."""
    *others, last = analyses.values()
    numbers = {
        name: values
        for data in others
        for name, values in data.data_vars.items()
        if not values.dims and name not in last
    }
    return last.assign(numbers)


def _number(text: str) -> float:
    try:
        return parse_si(text.strip("{}' "))
    except InputError:
        return float("nan")
