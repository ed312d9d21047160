"""What a sweep runs at each point: a shipped circuit with some values replaced, or a deck with other `.param`s.

A subject travels to worker processes, so it holds plain values; circuits are built where they run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import xarray as xr

from memsim.errors import InputError
from memsim.units import parse_si

if TYPE_CHECKING:
    from PySpice.Spice.Netlist import Circuit

    from memsim.circuits.catalogue import Bench
    from memsim.circuits.stimuli import Stimulus
    from memsim.surrogate import CompiledCircuit

# What can be set of an element of a circuit, and its unit.
_VALUES = {
    "Capacitor": ("capacitance", "F"),
    "Resistor": ("resistance", "Ω"),
    "VoltageSource": ("dc_value", "V"),
    "CurrentSource": ("dc_value", "A"),
}
_STIMULUS_UNITS = {
    "tau": "s",
    "width": "s",
    "period": "s",
    "rise": "s",
    "fall": "s",
    "delay": "s",
    "frequency": "Hz",
}
_PARAM = re.compile(r"(?<![\w.])([a-z_]\w*)(\s*=\s*)(\{[^{}]*\}|'[^']*'|[^\s,={}']+)", re.IGNORECASE)


@dataclass(frozen=True)
class Nominal:
    """Value of a parameter where a sweep does not change it, NaN where it is an expression; and its unit."""

    value: float
    unit: str


class Subject(Protocol):
    """What can be run with other values."""

    def parameters(self) -> dict[str, Nominal]:
        """Everything that can be changed."""

    def run(self, values: Mapping[str, float]) -> xr.Dataset:
        """Waveforms with some values changed; raises MemsimError where the run fails."""

    def fingerprint(self) -> str:
        """Text that differs where results could."""


@dataclass(frozen=True)
class ShippedCircuit:
    """A circuit of the catalogue.

    Parameters are named as the torch twin names them: `cmem`, `v1`, `xm1.r_on`; the start of a state `xm1.x_0`; a
    field of a stimulus `iin.peak`.
    """

    name: str
    engine: str
    stop: float | None
    step: float | None
    timeout: float

    def _bench(self) -> Bench:
        from memsim.circuits.catalogue import load_bench

        bench = load_bench(self.name)
        return replace(bench, stop=self.stop or bench.stop, step=self.step or bench.step)

    def parameters(self) -> dict[str, Nominal]:
        bench = self._bench()
        found = _circuit_values(bench.circuit, bench.stimuli) | _stimulus_values(bench)
        if self.engine == "torch":  # starts of states are compiled in
            twin = _twin(self.name)
            return {
                name: one for name, one in found.items() if name in twin.values or _is_stimulus(bench, name)
            }
        return found

    def run(self, values: Mapping[str, float]) -> xr.Dataset:
        from memsim.circuits import state_bounds, with_device_currents

        bench = _changed(self._bench(), values)
        state_bounds(bench.circuit)  # checks every value of every device
        waves = self._simulate(bench, values)
        for source, stimulus in bench.stimuli.items():
            if source[0] == "i":
                attrs = {"units": "A", "long_name": f"current of {source}"}
                waves[f"i({source})"] = ("time", stimulus(waves["time"].values), attrs)
        return with_device_currents(bench.circuit, waves)

    def _simulate(self, bench: Bench, values: Mapping[str, float]) -> xr.Dataset:
        if self.engine == "torch":
            return _run_twin(
                self.name, bench, {n: v for n, v in values.items() if not _is_stimulus(bench, n)}
            )
        from memsim import spice

        return spice.simulate(
            bench.circuit, stimuli=bench.stimuli, stop=bench.stop, step=bench.step, timeout=self.timeout
        )

    def fingerprint(self) -> str:
        from memsim.spice import deck

        bench = self._bench()
        return deck(bench.circuit, stimuli=bench.stimuli, stop=bench.stop, step=bench.step)


@dataclass(frozen=True)
class ParametricDeck:
    """A deck whose `.param` values are changed.

    Attributes:
        text: the deck, with absolute includes; known to be harmless, or trusted.
        timeout: time limit of a run [s].
        bounds: physical range of states by waveform.
    """

    text: str
    timeout: float
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def parameters(self) -> dict[str, Nominal]:
        return {
            found[1].lower(): Nominal(_number(found[3]), "1")
            for line in _param_lines(self.text)
            for found in _PARAM.finditer(self.text.split("\n")[line])
        }

    def run(self, values: Mapping[str, float]) -> xr.Dataset:
        from memsim import spice
        from memsim.spice.checks import check_result

        lines = self.text.split("\n")
        for line in _param_lines(self.text):
            lines[line] = _PARAM.sub(lambda found: _replaced(found, values), lines[line])
        waves = spice.simulate("\n".join(lines), timeout=self.timeout, trust=True)
        check_result(waves, bounds=self.bounds)
        return waves

    def fingerprint(self) -> str:
        from memsim.spice.lines import expand

        return "\n".join(line.text for line in expand(self.text, Path.cwd()))


def deck_subject(path: Path, timeout: float, *, trust: bool) -> ParametricDeck:
    """A deck file, checked as `memsim run` checks it.

    Raises:
        InputError: it cannot be read.
        UntrustedDeckError: it wants more than to simulate, and `trust` is False.
    """
    from memsim.spice import check_trust
    from memsim.spice.lines import absolute_includes, read_deck

    try:
        text = read_deck(path)
    except (OSError, ValueError) as error:  # a name with a null byte is a ValueError
        raise InputError(
            f"deck {str(path)!r} cannot be read ({error}); give the path of a .cir file"
        ) from error
    if not trust:
        check_trust(text, path.resolve().parent)
    return ParametricDeck(absolute_includes(text, path.resolve().parent), timeout)


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

    return ParametricDeck(
        deck(circuit, stimuli=stimuli, stop=stop, step=step), timeout, dict(state_bounds(circuit))
    )


def _circuit_values(circuit: Circuit, driven: Mapping[str, Stimulus]) -> dict[str, Nominal]:
    subcircuits = {sub.name.lower(): sub for sub in circuit.subcircuits}
    found: dict[str, Nominal] = {}
    for element in circuit.elements:
        name, kind = str(element.name).lower(), type(element).__name__
        if kind in _VALUES and name not in driven:
            attribute, unit = _VALUES[kind]
            found[name] = Nominal(float(getattr(element, attribute)), unit)
        elif kind == "SubCircuitElement":
            sub = subcircuits[str(element.subcircuit_name).lower()]
            specs = getattr(getattr(sub, "device", None), "parameters", {})
            for parameter, default in (sub.parameters | element.parameters).items():
                unit = specs[parameter].unit if parameter in specs else "1"
                found[f"{name}.{parameter}"] = Nominal(float(default), unit)
    return found


def _stimulus_values(bench: Bench) -> dict[str, Nominal]:
    described: dict[str, Any] = {
        source: stimulus for source, stimulus in bench.stimuli.items() if is_dataclass(stimulus)
    }
    return {
        f"{source}.{one.name}": Nominal(
            float(getattr(stimulus, one.name)),
            _STIMULUS_UNITS.get(one.name, "A" if source[0] == "i" else "V"),
        )
        for source, stimulus in described.items()
        for one in fields(stimulus)
        if isinstance(getattr(stimulus, one.name), int | float)
    }


def _is_stimulus(bench: Bench, name: str) -> bool:
    return name.partition(".")[0] in bench.stimuli


def _changed(bench: Bench, values: Mapping[str, float]) -> Bench:
    """The bench with values replaced in its own circuit, which is not shared."""
    elements = {str(element.name).lower(): element for element in bench.circuit.elements}
    stimuli = dict(bench.stimuli)
    for name, value in values.items():
        owner, _, parameter = name.partition(".")
        if owner in stimuli:
            changed: Any = stimuli[owner]
            stimuli[owner] = replace(changed, **{parameter: value})
        elif parameter:
            elements[owner].parameters[parameter] = value
        else:
            setattr(elements[owner], _VALUES[type(elements[owner]).__name__][0], value)
    return replace(bench, stimuli=stimuli)


@cache
def _twin(name: str) -> CompiledCircuit:
    """The compiled circuit, kept: compiling takes longer than many a run."""
    from memsim.circuits.catalogue import load_bench
    from memsim.surrogate import CompiledCircuit

    bench = load_bench(name)
    return CompiledCircuit(bench.circuit, inputs=tuple(bench.stimuli))


def _run_twin(name: str, bench: Bench, values: Mapping[str, float]) -> xr.Dataset:
    import numpy as np
    import torch

    from memsim.circuits import dataset, state_bounds
    from memsim.spice.checks import check_result

    times = np.arange(round(bench.stop / bench.step) + 1) * bench.step
    drive = {source: torch.as_tensor(stimulus(times)) for source, stimulus in bench.stimuli.items()}
    with torch.no_grad():
        waves, _ = _twin(name)(drive, dt=bench.step, parameters=dict(values))
    bounds = state_bounds(bench.circuit)
    data = dataset(times, {one: wave.numpy() for one, wave in waves.items()}, bounds)
    check_result(data, bounds=bounds)
    return data


def _param_lines(text: str) -> list[int]:
    """Indices of the lines of top-level `.param` cards and their continuations."""
    found, depth, inside = [], 0, False
    for index, line in enumerate(text.split("\n")):
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
