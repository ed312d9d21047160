"""Any step is safe: a thousandth to ten times the fastest time constant, on every card and every neuron.

    python benchmarks/any_step.py

Each circuit is driven five ways. Its fastest time constant is that of the largest eigenvalue along SciPy's solution of
the same equations (LSODA, relative tolerance 1e-10). A run in equal steps, over at most `MOST_STEPS` of them, must be
refused, or stay within the physical range and differ from that solution by no more than three times its own estimate.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from common import save_result
from PySpice.Spice.Netlist import Netlist

from memsim.circuits import AlphaTrain, Constant, PulseTrain, Sine, Stimulus, device_bench
from memsim.circuits.flatten import state_bounds
from memsim.circuits.nodal import nodal_equations
from memsim.devices import card_names, load_card
from memsim.errors import ConvergenceError, SimulationError
from memsim.networks import SHIPPED, load_cell
from memsim.surrogate import CompiledCircuit, reference
from memsim.surrogate.estimate import estimate_error

MULTIPLES = (1e-3, 1e-2, 0.1, 1.0, 10.0)
"""Steps in fastest time constants."""
MOST_STEPS = 2000
SAMPLES = 500
"""Points of the solution at which eigenvalues are looked at."""
PROMISE = 3.0
ROUNDING = 1e-6
"""Error, over a state's range or the largest potential, that counts as none: LSODA is right to little more."""


@dataclass(frozen=True)
class Case:
    """One run, and how it ended: refused, or with error and estimate over a state's range or the largest potential."""

    circuit: str
    drive: str
    step: float
    multiple: float
    refused: str = ""
    error: float = 0.0
    estimate: float = 0.0

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        return bool(self.refused) or self.error <= PROMISE * self.estimate + ROUNDING


@dataclass(frozen=True)
class Subject:
    """A circuit, its driven source, five drives, and the time to look at [s]."""

    name: str
    circuit: Netlist
    source: str
    drives: dict[str, Stimulus]
    stop: float


def subjects() -> Iterator[Subject]:
    """Every card on its bench, and every neuron."""
    for name in card_names():
        card = load_card(name)
        if card.drive is None:
            continue
        d, period = card.drive, 1 / card.drive.frequency
        drives: dict[str, Stimulus] = {}
        for sign in (1, -1):
            level = d.offset + sign * d.amplitude
            edge = period / 100
            drives[f"pulse to {level:g} V"] = PulseTrain(level, period / 4, period / 2, edge, edge)
        for share in (0.3, 0.7, 1.0):
            drives[f"sine, {share:g}"] = Sine(share * d.amplitude, d.frequency, share * d.offset)
        bench = device_bench(card.device, series_resistance=d.series_resistance)
        yield Subject(name, bench, "vdrive", drives, period)
    for neuron in SHIPPED:
        scale = 1e-3 ** (int(neuron[-1]) - 1) if neuron[-1].isdigit() else 1.0
        stop = 1e-3 if neuron.endswith("-b") else 5e-3
        kicks = {
            f"alpha, {peak:g} A": AlphaTrain(peak, stop / 5, (0.0, stop / 2))
            for peak in (5e-6 * scale, 40e-6 * scale)
        }
        steady = {f"steady, {level:g} A": Constant(level) for level in (5e-6 * scale, 20e-6 * scale)}
        edges = PulseTrain(30e-6 * scale, stop / 5, stop / 2, stop / 1e3, stop / 1e3)
        yield Subject(
            neuron, load_cell(neuron).circuit.circuit(), "iin", {**kicks, **steady, "rectangles": edges}, stop
        )


def fastest(circuit: Netlist, source: str, stimulus: Stimulus, stop: float) -> float:
    """The shortest time constant [s] along the solution."""
    twin = CompiledCircuit(circuit, inputs=(source,))
    bound, equations = twin.on_numbers(), nodal_equations(circuit, (source,))
    solution = reference.simulate(circuit, stimuli={source: stimulus}, stop=stop, step=stop / SAMPLES)
    names = [symbol.name for symbol in equations.unknowns]
    size, rates = len(names), []
    mass = np.zeros((size, size))
    for key, value in bound.mass.items():
        mass[key] = value
    moving = [i for i in range(size) if i not in bound.algebraic]
    still = list(bound.algebraic)
    for t, *y in zip(solution["time"].values, *(solution[n].values for n in names), strict=True):
        jacobian = np.zeros((size, size))
        for key, value in bound.linearise(list(map(float, y)), [float(stimulus(t))], [0.0]).jacobian.items():
            jacobian[key] = value
        reduced = jacobian[np.ix_(moving, moving)]
        if still:
            coupling = np.linalg.solve(jacobian[np.ix_(still, still)], jacobian[np.ix_(still, moving)])
            reduced = reduced - jacobian[np.ix_(moving, still)] @ coupling
        rates.append(np.abs(np.linalg.eigvals(np.linalg.solve(mass[np.ix_(moving, moving)], reduced))).max())
    return 1 / max(*rates, 1 / stop)


def run(subject: Subject, drive: str) -> Iterator[Case]:
    """All steps of one circuit under one drive."""
    name, circuit, source, stop = subject.name, subject.circuit, subject.source, subject.stop
    stimulus = subject.drives[drive]
    constant = fastest(circuit, source, stimulus, stop)
    twin, states = CompiledCircuit(circuit, inputs=(source,)), state_bounds(circuit)
    for multiple in MULTIPLES:
        step = min(multiple * constant, stop / 10)
        end = step * min(MOST_STEPS, int(stop / step))
        try:
            estimate = estimate_error(twin, {source: stimulus}, stop=end, step=step)
        except ConvergenceError as error:
            yield Case(name, drive, step, multiple, refused=str(error).splitlines()[0])
            continue
        times = np.arange(round(end / step) + 1) * step
        with torch.no_grad():
            waves, _ = twin(torch.as_tensor(stimulus(times)), dt=step)
        exact = reference.simulate(circuit, stimuli={source: stimulus}, stop=end, step=step)
        peak = max(float(np.abs(exact[n].values).max()) for n in waves if n not in states) or 1.0
        scale = {n: 1.0 if n in states else peak for n in waves}
        errors = {n: float(np.abs(wave.numpy() - exact[n].values).max()) for n, wave in waves.items()}
        worst = max(waves, key=lambda n: (errors[n] - PROMISE * estimate.errors[n]) / scale[n])
        error, stated = errors[worst] / scale[worst], estimate.errors[worst] / scale[worst]
        yield Case(name, drive, step, multiple, "", error, stated)


def main() -> None:
    """Print what broke the promise, and save all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="circuits whose name begins so")
    parser.add_argument("--drives", type=int, default=5, help="how many of the five drives, the last first")
    given = parser.parse_args()
    only = given.only
    cases: list[Case] = []
    for subject in subjects():
        if not subject.name.startswith(only):
            continue
        own: list[Case] = []
        for drive in list(subject.drives)[-given.drives :]:
            try:
                own += run(subject, drive)
            except SimulationError as error:
                print(f"{subject.name}, {drive}: no reference ({str(error).splitlines()[0]})", flush=True)
        for case in own:
            if not case.kept:
                where = f"{case.circuit}, {case.drive}, {case.multiple:g} x"
                print(f"{where}: error {case.error:.2e}, estimate {case.estimate:.2e}", flush=True)
        refused, broken = sum(bool(case.refused) for case in own), sum(not case.kept for case in own)
        print(f"{subject.name}: {len(own)} runs, {refused} refused, {broken} beyond the promise", flush=True)
        cases += own
    if not only:
        command = f"python benchmarks/any_step.py --drives {given.drives}"
        save_result("any_step", command, {"cases": [asdict(case) for case in cases]})


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        main()
