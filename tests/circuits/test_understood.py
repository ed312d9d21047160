"""What PySpice circuits carry: the same waveform in ngspice, torch and SciPy, or an error that names it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySpice.Spice.Netlist import Circuit, SubCircuit
from PySpice.Unit import u_kOhm, u_nF

from memsim import spice, surrogate
from memsim.circuits import Constant, DeviceSubCircuit, all_stimuli, nodal_equations, own_stimuli
from memsim.circuits.expressions import evaluate
from memsim.devices import ThresholdSwitch
from memsim.errors import InputError
from memsim.surrogate import reference
from memsim.units import spice_number

STOP, STEP = 10e-6, 20e-9
DRIVE = {"iin": Constant(1e-3)}


def low_pass(**of_resistor) -> Circuit:
    """1 mA into 1 kohm beside 10 nF."""
    circuit = Circuit("low pass")
    circuit.I("in", circuit.gnd, "b", 0)
    circuit.R("1", "b", circuit.gnd, **({"resistance": 1e3} | of_resistor))
    circuit.C("1", "b", circuit.gnd, 10e-9)
    return circuit


def with_capacitor(**of_capacitor) -> Circuit:
    circuit = low_pass()
    circuit.C("2", "b", circuit.gnd, **({"capacitance": 1e-9} | of_capacitor))
    return circuit


def with_lines(lines: str) -> Circuit:
    circuit = low_pass()
    circuit.raw_spice = lines
    return circuit


def with_parameters(resistance: str, **parameters: object) -> Circuit:
    circuit = low_pass(resistance=resistance)
    for name, value in parameters.items():
        circuit.parameter(name, value)
    return circuit


def disabled() -> Circuit:
    circuit = low_pass()
    circuit.R("2", "b", circuit.gnd, 10)
    circuit["R2"].enabled = False
    return circuit


def starting_between() -> Circuit:
    """Two capacitors in a row, started by the potentials of their nodes."""
    circuit = low_pass()
    circuit.C("2", "b", "d", 2e-9)
    circuit.R("2", "d", circuit.gnd, 3e3)
    circuit.raw_spice = ".ic v(b)=0.5 v(d)={0.1+0.1}"
    return circuit


def part(name: str, *lines: str, value: str = "{r}", **parameters: object) -> SubCircuit:
    made = SubCircuit(name, "a", **parameters)
    made.R("1", "a", "inner", value)
    made.C("1", "inner", made.gnd, 1e-9)
    made.R("2", "inner", made.gnd, 1e3)
    made.raw_spice = "\n".join(lines)
    return made


def using(*parts: SubCircuit, instance: dict[str, object] | None = None, **parameters: object) -> Circuit:
    """The low pass beside an instance of the last part, which may use the others."""
    circuit = low_pass()
    for name, value in parameters.items():
        circuit.parameter(name, value)
    for definition in parts:
        circuit.subcircuit(definition)
    circuit.X("1", parts[-1].name, "b", **(instance or {}))
    return circuit


def outer(**parameters: object) -> SubCircuit:
    made = SubCircuit("outer", "a", **parameters)
    made.X("1", "part", "a")
    return made


HONOURED = {
    "multiplier": low_pass(multiplier=4),
    "m": low_pass(m=2.5),
    "scale": low_pass(scale=3),
    "scale and multiplier": low_pass(scale=3, multiplier=2),
    "attributes of other analyses": low_pass(ac=5, noisy=False, temperature=80),
    "temperature": low_pass(device_temperature=30),
    "capacitor's multiplier": with_capacitor(multiplier=3),
    "capacitor's scale": with_capacitor(scale=3, m=2),
    "capacitor's temperature": with_capacitor(temperature=80),
    "two starts": with_capacitor(initial_condition=0.0),
    "disabled": disabled(),
    "text": low_pass(resistance="2.2kOhm"),
    "mil": low_pass(resistance="1e8mil"),
    "units of PySpice": low_pass(resistance=2 @ u_kOhm),
    "nanofarads": with_capacitor(capacitance=2 @ u_nF),
    "parameter": with_parameters("{rload}", RLoad="3k"),
    "parameter in quotes": with_parameters("'rload'", rload="3k"),
    "parameters of parameters": with_parameters("{2*q}", q="r/2+1meg*1u", r="{s}", s=1500),
    "raw parameters": with_lines(".param a=2 b={2*a}\n* a comment\n\n.ic v(b)={b/10}"),
    "start of a node": starting_between(),
    "start inside": using(part("part", ".ic v(a)=0.1 v(inner)=0.4", r=1e3)),
    "last start counts": with_lines(".ic v(b)=0.1\n.IC V( B ) = 0.3"),
    "parameter in a sub-circuit": using(part("part", value="{2*r}"), r="500"),
    "own parameter first": using(part("part", r=2e3), r="500"),
    "defaults of each other": using(part("part", value="{q}", q="{2*r}", r="{s/2}", s=2000), r="500"),
    "argument": using(part("part", r=2e3), instance={"r": "{q*2}"}, q=350),
    "parameter of the user of a user": using(part("part"), outer(r=3e3), r=400),
    "argument over default": using(part("part", value="{q}", q="{r}", r=1e3), instance={"r": 4e3}),
}


def assert_all_agree(circuit: Circuit, stimuli=DRIVE) -> None:
    """Equal in all engines within 3e-4: straight lines between points 20 ns apart err by (20 / 500)^2 / 8 = 2e-4."""
    runs = [
        spice.simulate(circuit, stimuli=stimuli, stop=STOP, step=STEP, options={"reltol": 1e-7}),
        surrogate.simulate(circuit, stimuli=stimuli, stop=STOP, step=STEP, tolerance=1e-8),
        reference.simulate(circuit, stimuli=stimuli, stop=STOP, step=STEP),
    ]
    truth = runs[-1]
    for name in {"v(b)", "v(d)", "v(x1.inner)"} & set(truth):
        size = max(float(np.abs(truth[name]).max()), 1e-3)
        for run in runs[:-1]:  # both have points at the corners
            found = np.interp(truth["time"], run["time"], run[name])
            error = np.abs(found - truth[name].values)[1:]  # ngspice begins after the start
            assert np.max(error) < 3e-4 * size, (name, run.attrs["engine"])


@pytest.mark.spice
@pytest.mark.parametrize("name", HONOURED)
def test_honoured_alike(name):
    assert_all_agree(HONOURED[name])


def test_multiplier_is_parallel_elements():
    """A quarter of 1 kohm under 1 mA."""
    (value,) = (v for k, v in nodal_equations(low_pass(multiplier=4)).parameter_values().items() if k == "r1")
    assert value == 250


def behind(change) -> Circuit:
    circuit = low_pass()
    change(circuit)
    return circuit


def changed_device() -> Circuit:
    circuit = low_pass()
    device = DeviceSubCircuit(ThresholdSwitch(), "switch")
    device.R("more", "p", "n", 1e3)
    circuit.subcircuit(device)
    circuit.X("m1", "switch", "b", circuit.gnd)
    return circuit


def with_device(lines: str = "", raw_spice: str = "") -> Circuit:
    circuit = with_lines(lines)
    circuit.subcircuit(DeviceSubCircuit(ThresholdSwitch(), "switch"))
    circuit.X("m1", "switch", "b", circuit.gnd)
    circuit["Xm1"].raw_spice = raw_spice
    return circuit


REFUSED = {
    "raw words": (
        low_pass(raw_spice="m=4"),
        r"r1 has raw_spice = 'm=4', .*; simulate with ngspice, or remove",
    ),
    "raw words of an instance": (with_device(raw_spice="m=2"), "`m=2` of xm1"),
    "raw element": (with_lines("rx b 0 100"), "`rx b 0 100` of the circuit is not understood"),
    "raw line in a sub-circuit": (
        using(part("part", "rx a 0 1", r=1)),
        "`rx a 0 1` of sub-circuit x1 is not understood",
    ),
    "parameter of a sub-circuit's body": (
        using(part("part", ".param q=2", r=1)),
        "`.param q=2` of sub-circuit x1",
    ),
    "options": (with_lines(".options temp=100"), "`.options temp=100`"),
    "include": (behind(lambda c: c.include("parts.lib")), "`.include parts.lib`"),
    "library": (behind(lambda c: c.lib("parts.lib", "fast")), "`.lib parts.lib`"),
    "global node": (Circuit("t", global_nodes=("vdd",)), "`.global vdd`"),
    "start of a node without capacitor": (
        behind(
            lambda c: (c.R("2", "b", "e", 1), c.R("3", "e", c.gnd, 1), setattr(c, "raw_spice", ".ic v(e)=1"))
        ),
        r"`.ic v\(e\)` starts a node without a capacitor",
    ),
    "start that is no arithmetic": (
        with_lines(".ic v(b)={sqrt(2)}"),
        r"`.ic v\(b\)={sqrt\(2\)}` of the circuit",
    ),
    "start of a state": (with_device(".ic v(xm1.x)=0.5"), r"`.ic v\(xm1.x\)` .* x_0"),
    "model of a capacitor": (with_capacitor(model="plate"), "c2 has model = 'plate'"),
    "zero multiplier": (low_pass(multiplier=0), "multiplier of r1 = 0 is out of range; allowed: > 0"),
    "negative scale": (with_capacitor(scale=-1), "scale of c2 = -1 is out of range"),
    "changed device": (changed_device(), "the change of sub-circuit switch"),
    "two readings": (low_pass(resistance="1M"), "r1 = '1M' is neither"),
    "digits after the suffix": (low_pass(resistance="4k7"), "r1 = '4k7' is neither"),
    "power": (with_parameters("{r**2}", r=10), r"r1 = '{r\*\*2}' is neither .*in scope: r"),
    "unknown parameter": (low_pass(resistance="{rload}"), "r1 = '{rload}' is neither .*in scope: none"),
    "division by zero": (with_parameters("{1/r}", r=0), "r1 = '{1/r}'"),
    "circle": (with_parameters("{q}", q="r", r="q"), "r1 = '{q}'"),
    "default of itself": (using(part("part", r="{2*r}"), r=1), "part.r = '{2.r}'"),
    "source with a text": (behind(lambda c: c.V("2", "e", "b", "DC 1 AC 1")), "v2 = 'DC 1 AC 1'"),
    "driven source": (
        behind(lambda c: c.SinusoidalVoltageSource("s", "e", "b")),
        "vs is a SinusoidalVoltageSource, a function of time; name it among the inputs",
    ),
}


@pytest.mark.parametrize(("circuit", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_by_name(circuit, message):
    with pytest.raises(InputError, match=message):
        nodal_equations(circuit, ("iin",) if "IIn" in circuit.element_names else ())


@pytest.mark.spice
def test_what_the_twin_refuses_runs_in_ngspice():
    data = spice.simulate(with_lines("rx b 0 1k"), stimuli=DRIVE, stop=STOP, step=STEP)
    assert float(data["v(b)"][-1]) == pytest.approx(0.5 * (1 - np.exp(-2)), rel=1e-3)  # 500 ohm, 5 us


NUMBERS = st.sampled_from(["2", "-3", "0.5k", "3m", "1e-1", "4.meg", ".25u", "7kohm", "r", "q"])


def arithmetic() -> st.SearchStrategy[str]:
    return st.recursive(
        NUMBERS,
        lambda parts: st.one_of(
            st.tuples(parts, st.sampled_from(["+", "-", "*", "/", " + ", " / "]), parts).map("".join),
            parts.map(lambda text: f"({text})"),
            parts.map(lambda text: f"(-1*{text})"),
        ),
        max_leaves=6,
    )


@pytest.mark.spice
@settings(max_examples=3, deadline=None)
@given(st.lists(arithmetic(), min_size=30, max_size=30))
def test_arithmetic_is_that_of_ngspice(texts):
    """Each value as a voltage source; numbers beyond what a circuit can have are left out."""
    scope = {"r": 1500.0, "q": -2.0}
    circuit = Circuit("values")
    circuit.parameter("r", "1.5k")
    circuit.parameter("q", "-2")
    values = {}
    for index, text in enumerate(texts):
        try:
            value = evaluate(f"{{{text}}}", scope, text)
        except InputError:  # a division by zero
            continue
        if abs(value) < 1e8:
            values[f"v(n{index})"] = value
            circuit.V(str(index), f"n{index}", circuit.gnd, f"{{{text}}}")
            circuit.R(str(index), f"n{index}", circuit.gnd, 1e3)
    data = spice.simulate(circuit, stop=1e-6, step=1e-7)
    for name, value in values.items():
        # ngspice writes what it has evaluated with 17 digits, but gmin of 1e-12 S loads no source: only rounding
        assert float(data[name][-1]) == pytest.approx(value, rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize(
    ("text", "value"),
    [("1meg", 1e6), ("1mil", 25.4e-6), ("2.2kOhm", 2200), ("5ns", 5e-9), ("1F", 1e-15), ("x", None)],
)
def test_numbers_with_suffixes(text, value):
    assert spice_number(text) == (None if value is None else pytest.approx(value, rel=1e-15))


def driven(kind: str, *arguments, **named) -> Circuit:
    """A source of PySpice that drives a low pass through 1 kohm."""
    circuit = Circuit("driven")
    if kind.endswith("Current"):
        getattr(circuit, f"{kind}Source")("s", circuit.gnd, "b", *arguments, **named)
    else:
        getattr(circuit, f"{kind}Source")("s", "a", circuit.gnd, *arguments, **named)
        circuit.R("s", "a", "b", 1e3)
    circuit.R("1", "b", circuit.gnd, 1e3)
    circuit.C("1", "b", circuit.gnd, 10e-9)
    return circuit


DRIVEN = {
    "sine": driven("SinusoidalVoltage", dc_offset=3, offset=0.2, amplitude=0.5, frequency=200e3),
    "sine of current": driven("SinusoidalCurrent", amplitude=1e-3, frequency=200e3),
    "pulses": driven("PulseVoltage", 0.1, 1, 1e-6, 3e-6, 0.5e-6, 0.1e-6, 0.2e-6, dc_offset=5),
    "pulses of current": driven("PulseCurrent", 0, 1e-3, 1e-6, 3e-6, rise_time=0.1e-6, fall_time=0.1e-6),
    "early pulses": driven("PulseVoltage", 0.1, 1, 1e-6, 3e-6, -1e-6, 0.1e-6, 0.2e-6),
    "lines": driven("PieceWiseLinearVoltage", [(1e-6, 0.3), (2e-6, 1), (5e-6, -0.5)], dc=2),
    "lines of current": driven("PieceWiseLinearCurrent", [(0, 0), (2e-6, 1e-3)]),
}


@pytest.mark.spice
@pytest.mark.parametrize("name", DRIVEN)
def test_sources_of_pyspice_alike(name):
    assert_all_agree(DRIVEN[name], {})


@pytest.mark.spice
def test_edges_of_zero_take_the_step_with_a_warning():
    circuit = driven("PulseVoltage", 0, 1, 1e-6, 3e-6)
    with pytest.warns(UserWarning, match="SPICE takes the time step of 2e-08 s") as told:
        (pulses,) = own_stimuli(circuit, step=STEP).values()
    assert [str(warning.message).split(",")[0] for warning in told] == [
        "vs: rise_time = 0",
        "vs: fall_time = 0",
    ]
    assert (pulses.rise, pulses.fall) == (STEP, STEP)
    with pytest.warns(UserWarning, match="vs: (rise|fall)_time = 0"):
        data = spice.simulate(circuit, stop=STOP, step=STEP)
    assert np.abs(data["v(a)"].values - pulses(data["time"]))[1:].max() < 1e-6


NOT_UNDERSTOOD = {
    "delay": (driven("SinusoidalVoltage", delay=1e-6), "vs: delay = 1e-06 s is not understood"),
    "damping": (driven("SinusoidalVoltage", damping_factor=1e3), "vs: damping_factor = 1000"),
    "no frequency": (driven("SinusoidalVoltage", frequency=0), "vs: sine frequency = 0.0 is out of range"),
    "phase": (driven("PulseVoltage", 0, 1, 1e-6, 3e-6, 0, 1e-7, 1e-7, phase=1e-6), "vs: phase = "),
    "no width": (driven("PulseVoltage", 0, 1, 0, 3e-6, 0, 1e-7, 1e-7), "vs: pulse_width = 0, for which"),
    "does not fit": (driven("PulseVoltage", 0, 1, 3e-6, 3e-6, 0, 1e-7, 1e-7), "vs: .* does not fit into its"),
    "repeated": (
        driven("PieceWiseLinearVoltage", [(0, 0), (1e-6, 1)], repeat_time=1e-6),
        "vs: repeat_time = ",
    ),
    "delayed": (driven("PieceWiseLinearVoltage", [(0, 0), (1e-6, 1)], delay_time=1e-6), "vs: delay_time = "),
    "back in time": (driven("PieceWiseLinearVoltage", [(1e-6, 0), (0, 1)]), "vs: .* does not increase"),
    "exponential": (
        driven("ExponentialVoltage", 0, 1, 1e-6, 1e-6, 2e-6, 1e-6),
        "vs is a ExponentialVoltageSource, which the torch and SciPy engines do not understand; give a stimulus",
    ),
    "modulated": (
        driven("SingleFrequencyFMCurrent", 0, 1, 1e6, 1, 1e3),
        "vs|is is a SingleFrequencyFMCurrentSource",
    ),
}


@pytest.mark.filterwarnings("ignore:.*time step")
@pytest.mark.parametrize(("circuit", "message"), NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD.keys())
def test_arguments_of_sources_refused_by_name(circuit, message):
    for engine in (surrogate, reference):
        with pytest.raises(InputError, match=message):
            engine.simulate(circuit, stimuli={}, stop=STOP, step=STEP)


@pytest.mark.spice
def test_a_stimulus_overrides_the_source():
    """Also where the source's own waveform is not understood, and in any case of letters."""
    circuit = driven("ExponentialVoltage", 0, 1, 1e-6, 1e-6, 2e-6, 1e-6)
    assert set(all_stimuli(circuit, {"Vs": Constant(0.5)}, step=STEP)) == {"vs"}
    assert_all_agree(circuit, {"Vs": Constant(0.5)})
