"""What a sweep runs at each point, and shipped circuits with some values replaced.

A subject travels to worker processes, so it holds plain values; circuits are built where they run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import xarray as xr

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


@dataclass(frozen=True)
class Nominal:
    """Value of a parameter where a sweep does not change it, NaN where it is an expression; and its unit."""

    value: float
    unit: str


class Subject(Protocol):
    """What can be run with other values."""

    @property
    def needs_ngspice(self) -> bool:
        """Whether it runs in ngspice."""

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

    @property
    def needs_ngspice(self) -> bool:
        return self.engine == "ngspice"

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
    import torch

    from memsim.circuits import dataset, state_bounds
    from memsim.circuits.stimuli import time_points
    from memsim.spice.checks import check_result

    twin = _twin(name)
    times = time_points(bench.stop, bench.step, len(twin.unknowns) + len(twin.system.equations.waveforms))
    drive = {source: torch.as_tensor(stimulus(times)) for source, stimulus in bench.stimuli.items()}
    with torch.no_grad():
        waves, _ = twin(drive, dt=bench.step, parameters=dict(values))
    bounds = state_bounds(bench.circuit)
    data = dataset(times, {one: wave.numpy() for one, wave in waves.items()}, bounds)
    check_result(data, bounds=bounds)
    return data
