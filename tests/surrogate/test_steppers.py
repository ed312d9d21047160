"""Integrators: closed forms, and the measured order of convergence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PySpice.Spice.Netlist import Circuit

from memsim.circuits import Constant, DeviceSubCircuit, IntegrateAndFire, Samples
from memsim.devices import load_device
from memsim.errors import InputError
from memsim.surrogate import DEFAULT_STEPPER, STEPPERS, CompiledCircuit, reference

SLOPE_TOLERANCE = 0.15
IMPLICIT = [name for name, stepper in STEPPERS.items() if stepper.implicit]


def rc_circuit(start: float = 0.0) -> Circuit:
    """1 kohm and 1 uF: a time constant of 1 ms."""
    circuit = Circuit("rc")
    circuit.V("in", "drive", circuit.gnd, 0)
    circuit.R("1", "drive", "out", 1e3)
    circuit.C("1", "out", circuit.gnd, 1e-6, initial_condition=start)
    return circuit


def neuron() -> Circuit:
    return IntegrateAndFire.published().circuit()


def neuron_behind_a_resistor() -> Circuit:
    """The input reaches the membrane of a device through a node without a capacitor."""
    circuit = Circuit("cell with an algebraic node")
    circuit.subcircuit(DeviceSubCircuit(load_device("mif-set1"), "gate"))
    circuit.I("in", circuit.gnd, "soma", 0)
    circuit.C("soma", "soma", circuit.gnd, 1e-9)
    circuit.R("series", "soma", "axon", 2e3)
    circuit.X("m1", "gate", "axon", "e")
    circuit.V("e", "e", circuit.gnd, -0.025)
    circuit.X("m2", "gate", "axon", circuit.gnd)
    return circuit


@pytest.mark.parametrize("name", STEPPERS)
def test_rc_step_response(name):
    """v = 1 - exp(-t / RC); a first-order step of RC/1000 errs by half of that."""
    t = torch.arange(3001, dtype=torch.float64) * 1e-6
    twin = CompiledCircuit(rc_circuit(), inputs=("vin",), stepper=name)
    v = twin(torch.ones_like(t), dt=1e-6)[0]["v(out)"]
    assert torch.max(torch.abs(v - (1 - torch.exp(-t / 1e-3)))) < (
        2e-4 if STEPPERS[name].order == 1 else 1e-7
    )


@pytest.mark.parametrize("name", IMPLICIT)
def test_stiff_decay_is_damped(name):
    """L-stable: 100 time constants a step leave less than 5 % after one step, nothing after ten."""
    twin = CompiledCircuit(rc_circuit(start=1.0), inputs=("vin",), stepper=name)
    v = twin(torch.zeros(11, dtype=torch.float64), dt=0.1)[0]["v(out)"]
    assert abs(float(v[1])) < 0.05
    assert abs(float(v[10])) < 1e-12


# (circuit, input, span, coarsest steps): spans cover the fast rise; steps are in the asymptotic range of each
PROBLEMS = {
    "ramp into RC": (rc_circuit, "vin", Samples((0.0, 2e-3), (0.0, 1.0)), 2e-3, 50),
    "neuron": (neuron, "iin", Constant(5e-6), 1e-3, 200),
    "algebraic node": (neuron_behind_a_resistor, "iin", Constant(5e-6), 1e-3, 200),
}


RUNS = [(name, problem) for name in STEPPERS for problem in PROBLEMS
        if problem != "algebraic node" or STEPPERS[name].implicit]  # fmt: skip


@pytest.mark.parametrize(("name", "problem"), RUNS)
def test_order_of_convergence(name, problem):
    """Slope of log error over log step across three halvings; inputs are straight lines, so the input is exact."""
    make, source, stimulus, span, coarsest = PROBLEMS[problem]
    exact = reference.simulate(make(), stimuli={source: stimulus}, stop=span, step=span / coarsest)
    twin = CompiledCircuit(make(), inputs=(source,), stepper=name)
    signals = twin.unknowns
    counts = coarsest * 2 ** np.arange(4)
    errors = []
    for count in counts:
        t = np.linspace(0, span, count + 1)
        with torch.no_grad():
            waveforms, _ = twin(torch.as_tensor(stimulus(t)), dt=span / count)
        stride = count // coarsest
        each = [
            np.max(np.abs(waveforms[s].numpy()[::stride] - exact[s].values)) / np.ptp(exact[s].values)
            for s in signals
        ]
        errors.append(max(each))
    slope = np.polyfit(np.log(1 / counts), np.log(errors), 1)[0]
    assert slope == pytest.approx(STEPPERS[name].order, abs=SLOPE_TOLERANCE)


def test_default_is_second_order_and_implicit():
    assert (STEPPERS[DEFAULT_STEPPER].order, STEPPERS[DEFAULT_STEPPER].implicit) == (2, True)


def test_unknown_stepper_names_the_known():
    with pytest.raises(InputError, match="unknown stepper 'rk4'; known: guarded, rosenbrock2"):
        CompiledCircuit(neuron(), inputs=("iin",), stepper="rk4")


def test_explicit_steps_refuse_a_node_without_capacitor():
    with pytest.raises(
        InputError, match=r"explicit-euler needs a capacitor at every node, and v\(axon\) has none"
    ):
        CompiledCircuit(neuron_behind_a_resistor(), inputs=("iin",), stepper="explicit-euler")
