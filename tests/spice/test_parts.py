"""Uncoupled parts of a circuit: found where they are, kept together where they are not, and merged again."""

import numpy as np
import pytest
from PySpice.Spice.Netlist import Circuit

from memsim.circuits import Sine
from memsim.spice import simulate, split


def names(circuit):
    return [sorted(str(name).lower() for name in part.element_names) for part in split(circuit)]


def cells(count=2, *, supply=True):
    """`count` RC cells on one ideal supply."""
    circuit = Circuit("cells")
    if supply:
        circuit.V("dd", "vdd", circuit.gnd, 1)
    for i in range(count):
        circuit.R(f"c{i}", "vdd" if supply else f"in{i}", f"out{i}", 1e3 * (i + 1))
        circuit.C(f"c{i}", f"out{i}", circuit.gnd, 1e-9, ic=0)
    return circuit


def test_a_shared_supply_is_repeated_in_each_part():
    assert names(cells()) == [["cc0", "rc0", "vdd"], ["cc1", "rc1", "vdd"]]


def test_the_circuit_is_not_changed():
    circuit = cells()
    before = str(circuit)
    parts = split(circuit)
    assert str(circuit) == before
    assert [str(node) for node in parts[1].nodes if str(node).startswith("out")] == ["out1"]


def test_one_piece_is_the_circuit_itself():
    circuit = cells(1)
    assert split(circuit) == [circuit]


def test_supplies_in_series_come_along():
    circuit = cells()
    circuit.V("2", "top", "vdd", 1)
    circuit.R("t", "top", "tail", 1e3)
    circuit.C("t", "tail", circuit.gnd, 1e-9)
    assert names(circuit)[2] == ["ct", "rt", "v2", "vdd"]
    assert names(circuit)[0] == ["cc0", "rc0", "vdd"]


def test_a_scaled_supply_couples_nothing():
    circuit = cells()
    circuit.VCVS("1", "double", circuit.gnd, "vdd", circuit.gnd, voltage_gain=2)
    circuit.R("d", "double", "end", 1e3)
    circuit.C("d", "end", circuit.gnd, 1e-9)
    assert names(circuit)[2] == ["cd", "e1", "rd", "vdd"]


def test_nothing_is_lost():
    circuit = cells()
    circuit.V("idle", "rest", circuit.gnd, 1)
    circuit.R("load", "vdd", circuit.gnd, 1e3)
    circuit.CurrentSource("bias", circuit.gnd, "rest", 1e-6)
    assert sorted({name for part in names(circuit) for name in part}) == sorted(
        map(str.lower, circuit.element_names)
    )


@pytest.mark.parametrize(
    "couple",
    [
        lambda c: c.R("x", "out0", "out1", 1e6),
        lambda c: c.C("x", "out0", "out1", 1e-12),
        lambda c: c.VCCS("x", "out1", c.gnd, "out0", c.gnd, transconductance=1e-3),
        lambda c: c.B("x", "out1", c.gnd, i="1e-6*v(out0)"),
        lambda c: c.B("x", "out1", c.gnd, i="1e-6*v(vdd,out0)"),
        lambda c: c.V("x", "out0", "out1", 0),
        lambda c: c.CurrentSource("x", "out0", "out1", 1e-6),
        lambda c: c.CCCS("x", "out1", c.gnd, source="Vdd", current_gain=0.1),  # reads what both cells draw
        lambda c: c.B("x", "out1", c.gnd, i="0.1*i(vdd)"),
        lambda c: c.VCVS("x", "out1", c.gnd, "out0", c.gnd, voltage_gain=1),
    ],
)
def test_what_couples_stays_together(couple):
    circuit = cells()
    couple(circuit)
    assert len(split(circuit)) == 1


def test_coupled_inductors_stay_together():
    circuit = Circuit("coils")
    for i in (0, 1):
        circuit.L(i, f"a{i}", circuit.gnd, 1e-6)
        circuit.R(i, f"a{i}", circuit.gnd, 1e3)
    assert len(split(circuit)) == 2
    circuit.CoupledInductor("1", "L0", "L1", 0.9)
    assert len(split(circuit)) == 1


def test_what_cannot_be_told_apart_stays_together():
    circuit = cells()
    circuit.raw_spice = "r_raw out0 out1 1k"
    assert split(circuit) == [circuit]


def test_initial_conditions_go_to_their_part():
    circuit = cells()
    circuit.raw_spice = ".param p=1\n.ic v(out0)=0.25 v(out1)=0.5"
    parts = split(circuit)
    assert [part.raw_spice for part in parts] == [
        ".param p=1\n.ic v(out0)=0.25",
        ".param p=1\n.ic v(out1)=0.5",
    ]


@pytest.mark.spice
def test_two_cells_together_equal_each_alone():
    both = simulate(cells(2), stop=4e-6, step=1e-8)
    for i in (0, 1):
        expected = 1 - np.exp(-both["time"] / ((i + 1) * 1e-6))
        # Second-order error of gear at h = RC/100, plus linear interpolation h^2/8 of the second derivative.
        np.testing.assert_allclose(both[f"v(out{i})"], expected, atol=1e-4)
    alone = simulate(cells(1), stop=4e-6, step=1e-8)
    np.testing.assert_allclose(
        np.interp(alone["time"], both["time"], both["v(out0)"]), alone["v(out0)"], atol=2e-5
    )
    # The supply's current is that of both cells, and it is what the resistors carry.
    drawn = (1 - both["v(out0)"]) / 1e3 + (1 - both["v(out1)"]) / 2e3
    np.testing.assert_allclose(
        both["i(vdd)"], -drawn, atol=1e-9
    )  # interpolation is linear, so Kirchhoff holds


@pytest.mark.spice
def test_parts_get_their_own_stimuli_and_saves(tmp_path):
    circuit = cells(2, supply=False)
    for i in (0, 1):
        circuit.V(f"drive{i}", f"in{i}", circuit.gnd, 0)
    stimuli = {"vdrive0": Sine(1.0, 1e6), "vdrive1": Sine(2.0, 1e6)}
    result = simulate(circuit, stimuli=stimuli, stop=2e-6, step=1e-8, keep=tmp_path)
    # Between points h apart a line misses a sine of 1 V by (2 pi f h)^2 / 8.
    missed = 2 * (2 * np.pi * 1e6 * 1e-8) ** 2 / 8
    np.testing.assert_allclose(result["v(in1)"], 2 * result["v(in0)"], atol=missed)
    assert sorted(path.name for path in tmp_path.glob("*.cir")) == ["part0.cir", "part1.cir"]
    assert list(simulate(circuit, stimuli=stimuli, stop=2e-6, step=1e-8, save=["v(out1)"])) == ["v(out1)"]
