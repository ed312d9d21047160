"""How capacitors start, in all three engines: at their `ic`, or uncharged, whatever they are connected to."""

from __future__ import annotations

import numpy as np
import pytest
from PySpice.Spice.Netlist import Circuit

from memsim import spice
from memsim.circuits import Constant, nodal_equations
from memsim.surrogate import CompiledCircuit, reference, simulate


def island() -> Circuit:
    """C between a and b alone: the voltage across it is a state, the potential they share is not."""
    circuit = Circuit("floating capacitor")
    circuit.I("in", circuit.gnd, "a", 0)
    circuit.R("1", "a", circuit.gnd, 1e3)
    circuit.C("1", "a", "b", 1e-6, initial_condition=0.3)
    circuit.R("2", "b", circuit.gnd, 2e3)
    return circuit


def charged_pair() -> Circuit:
    circuit = Circuit("grounded and floating capacitor")
    circuit.I("in", circuit.gnd, "a", 0)
    circuit.R("1", "a", circuit.gnd, 1e3)
    circuit.C("g", "a", circuit.gnd, 1e-6, initial_condition=0.1)
    circuit.C("1", "a", "b", 1e-6, initial_condition=0.3)
    circuit.R("2", "b", circuit.gnd, 2e3)
    return circuit


def capacitive_divider() -> Circuit:
    """The source jumps at t = 0; the capacitors divide the jump."""
    circuit = Circuit("capacitive divider")
    circuit.V("in", "d", circuit.gnd, 0)
    circuit.C("1", "d", "b", 1e-6)
    circuit.C("2", "b", circuit.gnd, 2e-6)
    circuit.R("2", "b", circuit.gnd, 2e3)
    return circuit


def coupled_to_a_bias() -> Circuit:
    circuit = Circuit("capacitor to a DC source")
    circuit.V("x", "d", circuit.gnd, 0.5)
    circuit.I("in", circuit.gnd, "b", 0)
    circuit.C("1", "b", "d", 1e-6)
    circuit.R("2", "b", circuit.gnd, 2e3)
    return circuit


CIRCUITS = (island, charged_pair, capacitive_divider, coupled_to_a_bias)
STOP = 5e-3


def drive(circuit: Circuit) -> dict[str, Constant]:
    return (
        {"vin": Constant(1.0)} if any(e.name == "Vin" for e in circuit.elements) else {"iin": Constant(1e-3)}
    )


def test_island_has_the_closed_form():
    """u falls from 0.3 V to R1 I with time constant (R1 + R2) C, and v(b) = -R2 C du/dt."""
    data = simulate(island(), stimuli=drive(island()), stop=STOP, step=1e-5)
    t = data["time"].values
    u = 1.0 + (0.3 - 1.0) * np.exp(-t / 3e-3)
    # second order at a step of RC/300
    assert data["v(a)"].values - data["v(b)"].values == pytest.approx(u, abs=1e-6)
    assert data["v(b)"].values == pytest.approx((1.0 - u) * 2 / 3, abs=1e-6)


def test_island_is_one_state_and_one_algebraic_row():
    equations = nodal_equations(island(), ("iin",))
    assert [s.name for s in equations.unknowns] == ["v(a)", "v(b,a)"]
    assert equations.algebraic == (0,)


def test_divider_starts_divided():
    twin = CompiledCircuit(capacitive_divider(), inputs=("vin",))
    import torch

    waveforms, _ = twin(torch.full((2,), 3.0, dtype=torch.float64), dt=1e-9)
    assert float(waveforms["v(b)"][0]) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("make", CIRCUITS)
def test_twin_and_reference_agree(make):
    twin = simulate(make(), stimuli=drive(make()), stop=STOP, step=1e-5)
    exact = reference.simulate(make(), stimuli=drive(make()), stop=STOP, step=1e-5)
    for name in twin.data_vars:
        assert twin[name].values == pytest.approx(exact[name].values, abs=1e-5)  # second order at RC/100


@pytest.mark.spice
@pytest.mark.parametrize("make", CIRCUITS)
def test_ngspice_starts_the_same(make):
    """From 20 us on: the first steps of ngspice, 1 us long, are of first order."""
    exact = reference.simulate(make(), stimuli=drive(make()), stop=STOP, step=1e-5)
    data = spice.simulate(make(), stimuli=drive(make()), stop=STOP, step=1e-6)
    t = exact["time"].values[2:]
    for name in exact.data_vars:
        assert np.interp(t, data["time"], data[name]) == pytest.approx(exact[name].values[2:], abs=2e-4)
