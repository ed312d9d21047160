"""Nodal equations: what they say of simple circuits, and which circuits they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from PySpice.Spice.Netlist import Circuit, SubCircuit

from memsim.circuits import (
    DeviceSubCircuit,
    IntegrateAndFire,
    StaticDeviceSubCircuit,
    ThresholdSwitching,
    flatten,
    nodal_equations,
    state_bounds,
)
from memsim.devices import MODELS, ThresholdSwitch
from memsim.errors import InputError
from memsim.spice import deck
from memsim.surrogate.reference import equilibrium


def number(expr: sp.Expr, equations) -> float:
    return float(expr.subs(equations.parameters))


def test_divider():
    """10 V over 1 k and 3 k ohm: 7.5 V."""
    circuit = Circuit("divider")
    circuit.V("s", "top", circuit.gnd, 10)
    circuit.R("1", "top", "mid", 1e3)
    circuit.R("2", "mid", circuit.gnd, 3e3)
    equations = nodal_equations(circuit)
    (mid,) = equations.unknowns
    (solution,) = sp.solve(equations.flow[0], mid)
    assert number(solution, equations) == pytest.approx(7.5, rel=1e-15)
    assert equations.algebraic == (0,)


def test_voltage_sources_in_series_add_and_cost_no_unknown():
    circuit = Circuit("stack")
    circuit.V("1", "a", circuit.gnd, 1.0)
    circuit.V("2", "b", "a", 0.5)
    circuit.V("3", "b", "c", 0.2)  # the other way round: c = 1.3 V
    circuit.R("load", "c", circuit.gnd, 1e3)
    equations = nodal_equations(circuit)
    assert equations.unknowns == ()
    assert number(equations.waveforms["v(c)"], equations) == pytest.approx(1.3, rel=1e-15)


def test_voltage_source_between_two_free_nodes_is_one_unknown():
    """b floats 0.5 V above a; 1 mA into both through 1 k and 1 k ohm to ground."""
    circuit = Circuit("supernode")
    circuit.I("in", circuit.gnd, "a", 1e-3)
    circuit.V("d", "b", "a", 0.5)
    circuit.R("1", "a", circuit.gnd, 1e3)
    circuit.R("2", "b", circuit.gnd, 1e3)
    equations = nodal_equations(circuit)
    (unknown,) = equations.unknowns
    (solution,) = sp.solve(equations.flow[0], unknown)
    assert number(equations.waveforms["v(a)"].subs(unknown, solution), equations) == pytest.approx(0.25)
    assert number(equations.waveforms["v(b)"].subs(unknown, solution), equations) == pytest.approx(0.75)


def random_circuit(seed: int) -> Circuit:
    """Four nodes, every pair joined by a resistor, a capacitor or a device, none of them to ground but one."""
    random = np.random.default_rng(seed)
    circuit = Circuit("random")
    for name, model in MODELS.items():
        circuit.subcircuit(DeviceSubCircuit(model(), name.replace("-", "_")))
    nodes = ["a", "b", "c", "d"]
    for i, plus in enumerate(nodes):
        for minus in nodes[:i]:
            kind = random.choice(["R", "C", *MODELS])
            if kind == "R":
                circuit.R(plus + minus, plus, minus, random.uniform(1e3, 1e4))
            elif kind == "C":
                circuit.C(plus + minus, plus, minus, random.uniform(1e-9, 1e-8))
            else:
                circuit.X(plus + minus, str(kind).replace("-", "_"), plus, minus)
    circuit.R("ground", "a", circuit.gnd, 1e3)
    circuit.I("in", "b", "c", 1e-6)
    return circuit


@pytest.mark.parametrize("seed", range(8))
def test_charge_is_conserved(seed):
    """Currents into all nodes sum to what leaves through the one resistor to ground, in any state."""
    equations = nodal_equations(random_circuit(seed), ("iin",))
    nodes = [s for s in equations.unknowns if s.name.count(".") == 0]
    random = np.random.default_rng(seed + 100)
    point = {symbol: random.uniform(0, 0.5) for symbol in (*equations.unknowns, *equations.inputs)}
    point |= equations.parameters
    rows = [equations.unknowns.index(s) for s in nodes if "," not in s.name]
    total = sum(float(equations.flow[row].subs(point).rewrite("exp")) for row in rows)
    leaving = float(equations.waveforms["v(a)"].subs(point)) / 1e3
    size = sum(abs(float(equations.flow[row].subs(point).rewrite("exp"))) for row in rows)
    assert total == pytest.approx(-leaving, abs=1e-13 * size)
    for column, unknown in enumerate(
        equations.unknowns
    ):  # no capacitor to ground: every column of M sums to zero
        if unknown in nodes:
            assert (
                abs(sum(float(equations.mass.get((r, column), sp.S.Zero).subs(point)) for r in rows)) < 1e-20
            )


def test_mass_matrix_of_the_neuron_is_its_capacitance():
    equations = nodal_equations(IntegrateAndFire.published().circuit(), ("iin",))
    assert [s.name for s in equations.unknowns] == ["v(xm1.x)", "v(xm2.x)", "v(mem)"]
    assert [number(equations.mass[k, k], equations) for k in range(3)] == [1, 1, 1e-9]
    assert len(equations.mass) == 3


def build(*steps) -> Circuit:
    circuit = Circuit("under test")
    for step in steps:
        step(circuit)
    return circuit


def resistor(value):
    return lambda c: c.R("1", "a", c.gnd, value)


REFUSED = {
    "loop of sources": (
        build(lambda c: c.V("1", "a", c.gnd, 1), lambda c: c.V("2", "a", c.gnd, 1), resistor(1)),
        "v2 closes a loop of voltage sources",
    ),
    "long loop of sources": (
        build(
            lambda c: c.V("1", "a", c.gnd, 1),
            lambda c: c.V("2", "b", "a", 1),
            lambda c: c.V("3", "b", c.gnd, 1),
        ),
        "v3 closes a loop",
    ),
    "current into nothing": (
        build(resistor(1), lambda c: c.I("1", c.gnd, "b", 1)),
        "nothing holds node b of i1",
    ),
    "island of resistors": (
        build(resistor(1), lambda c: c.R("2", "b", "c", 1), lambda c: c.I("1", c.gnd, "b", 1)),
        "nothing holds node b",
    ),
    "inductor": (build(resistor(1), lambda c: c.L("1", "a", c.gnd, 1e-3)), "l1 is a Inductor"),
    "negative resistance": (build(resistor(-5)), "resistance r1 = -5 ohm is out of range; allowed: > 0"),
    "no resistance": (build(resistor(0)), "resistance r1 = 0 ohm"),
    "resistance NaN": (build(resistor(math.nan)), "r1 = nan is not finite"),
    "infinite capacitance": (
        build(resistor(1), lambda c: c.C("1", "a", c.gnd, math.inf)),
        "c1 = inf is not finite",
    ),
    "initial voltage NaN": (
        build(resistor(1), lambda c: c.C("1", "a", c.gnd, 1e-9, initial_condition=math.nan)),
        "c1 .*nan",
    ),
    "source NaN": (build(resistor(1), lambda c: c.V("1", "b", "a", math.nan)), "v1 .*nan"),
    "current source infinite": (
        build(resistor(1), lambda c: c.I("1", "b", "a", math.inf), lambda c: c.R("2", "b", "a", 1)),
        "i1 .*inf",
    ),
    "words for a number": (build(resistor("five")), "r1 = 'five' is neither a number nor"),
    "sub-circuit without definition": (
        build(lambda c: c.X("1", "ghost", "a", c.gnd)),
        "'ghost', which is not defined",
    ),
}


@pytest.mark.parametrize(("circuit", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(circuit, message):
    with pytest.raises(InputError, match=message):
        nodal_equations(circuit)


def test_unknown_input_names_the_sources():
    with pytest.raises(InputError, match=r"input 'vin' is not .*; its sources: v1, v2, iin"):
        nodal_equations(IntegrateAndFire.published().circuit(), ("vin",))


def test_device_parameter_out_of_range_on_an_instance():
    circuit = Circuit("bad instance")
    circuit.subcircuit(DeviceSubCircuit(ThresholdSwitch(), "switch"))
    circuit.X("m1", "switch", "a", circuit.gnd, r_on=-1e3)
    with pytest.raises(InputError, match=r"xm1\.r_on = -1000\.0 ohm is out of range"):
        nodal_equations(circuit)


@pytest.mark.parametrize("parameters", [{"ron": 1e3}, {"x_0": 1.5}, {"x_0": math.nan}])
def test_bad_instance_parameters(parameters):
    circuit = Circuit("bad instance")
    circuit.subcircuit(DeviceSubCircuit(ThresholdSwitch(), "switch"))
    circuit.X("m1", "switch", "a", circuit.gnd, **parameters)
    with pytest.raises(InputError, match="xm1"):
        nodal_equations(circuit)


def nested() -> Circuit:
    """Two cells of a parallel R and C with parameters in braces, inside a pair, inside the circuit."""
    cell = SubCircuit("cell", "top", "bottom", r=1e3, c=1e-9)
    cell.R("leak", "top", "bottom", "{r}")
    cell.C("store", "top", "bottom", "{c}")
    pair = SubCircuit("pair", "left", "right", rl=2e3)
    pair.X("a", "cell", "left", "between", r="{rl}")
    pair.X("b", "cell", "between", "right")
    circuit = Circuit("nested")
    circuit.subcircuit(cell)
    circuit.subcircuit(pair)
    circuit.X("p", "pair", "entry", circuit.gnd, rl=5e3)
    circuit.I("in", circuit.gnd, "entry", 1e-3)
    return circuit


def test_nested_sub_circuits():
    elements = {element.name: element for element in flatten(nested())}
    assert set(elements) == {"xp.xa.rleak", "xp.xa.cstore", "xp.xb.rleak", "xp.xb.cstore", "iin"}
    assert elements["xp.xa.rleak"].nodes == ("entry", "xp.between")
    assert elements["xp.xb.rleak"].nodes == ("xp.between", "0")
    values = nodal_equations(nested()).parameter_values()
    assert values["xp.xa.rleak"] == 5e3
    assert values["xp.xb.rleak"] == 1e3
    assert equilibrium(nested()) == pytest.approx({"v(entry)": 6.0, "v(xp.between)": 1.0}, rel=1e-9)


def test_equilibrium_of_the_published_neuron():
    """True rest -6.69 mV with states 7.52e-3 and 8.6e-5, printed to two and three digits."""
    rest = equilibrium(IntegrateAndFire.published().circuit())
    assert rest["v(mem)"] == pytest.approx(-6.69e-3, abs=1e-5)
    assert rest["v(xm1.x)"] == pytest.approx(7.52e-3, rel=1e-3)
    assert rest["v(xm2.x)"] == pytest.approx(8.6e-5, rel=1e-2)


def test_static_devices_have_no_states():
    circuit = Circuit("frozen")
    circuit.subcircuit(StaticDeviceSubCircuit(ThresholdSwitch(initial={"x": 0.25}), "frozen"))
    circuit.X("m1", "frozen", "a", circuit.gnd)
    circuit.I("in", circuit.gnd, "a", 1e-6)
    conductance = 0.25 / 1e3 + 0.75 / 100e3
    assert equilibrium(circuit)["v(a)"] == pytest.approx(1e-6 / conductance, rel=1e-9)
    assert state_bounds(circuit) == {}


def test_state_bounds():
    assert state_bounds(IntegrateAndFire.published().circuit()) == {"v(xm1.x)": (0, 1), "v(xm2.x)": (0, 1)}


@pytest.mark.parametrize(
    "make", [IntegrateAndFire.published, ThresholdSwitching.set_a, ThresholdSwitching.set_b]
)
def test_equal_circuits_give_equal_text(make):
    one, two = make().circuit(), make().circuit()
    assert str(one) == str(two)
    assert deck(one, stop=1e-3, step=1e-6) == deck(two, stop=1e-3, step=1e-6)
    assert str(one).isascii()


def test_neurons_check_their_values():
    with pytest.raises(InputError, match="parameter set 4 does not exist"):
        IntegrateAndFire.published(4)
    with pytest.raises(InputError, match="membrane_capacitance = -1e-09 is out of range"):
        ThresholdSwitching(ThresholdSwitching.set_a().devices, membrane_capacitance=-1e-9)
    with pytest.raises(InputError, match="e1 and e2 = nan"):
        IntegrateAndFire(IntegrateAndFire.published().devices, 1e-9, e1=math.nan)


def test_starting_from_rest():
    neuron = IntegrateAndFire.published()
    resting = neuron.starting_from(equilibrium(neuron.circuit()))
    again = equilibrium(resting.circuit())
    assert again["v(mem)"] == pytest.approx(resting.initial_voltage, abs=1e-9)
