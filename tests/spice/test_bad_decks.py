"""Decks that ngspice cannot simulate, or simulates wrongly without a word, end in the right typed error."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from PySpice.Spice.Netlist import Circuit

from memsim.circuits import DeviceSubCircuit
from memsim.devices import Device
from memsim.devices.base import State, positive
from memsim.errors import (
    BadResultError,
    ConvergenceError,
    DeckWarning,
    EngineCrashedError,
    NetlistError,
    SimulationTimeoutError,
    SingularMatrixError,
)
from memsim.spice import simulate

pytestmark = pytest.mark.spice

SUPPLY = "v1 a 0 1\nr1 a 0 1k\n"
SINE = "v1 a 0 sin(0 1 1meg)\nr1 a 0 1k\n"
TRAN = ".tran 1n 1u 0 1n\n"

# name: (deck body, error, words its message must hold)
BAD = {
    "unknown sub-circuit": (SUPPLY + "x1 a 0 nope\n" + TRAN, NetlistError, "nope"),
    "unknown model": (SUPPLY + "d1 a 0 nope\n" + TRAN, NetlistError, "nope"),
    "unknown function": (SUPPLY + "b1 b 0 v=foo(v(a))\nr2 b 0 1\n" + TRAN, NetlistError, "foo"),
    "missing include": (SUPPLY + ".include nope.lib\n" + TRAN, NetlistError, "line 4"),
    "duplicate name": (SUPPLY + "r1 a 0 2k\n" + TRAN, NetlistError, "already exists"),
    "bad expression": (SUPPLY + "b1 b 0 v=v(a)*(1+\nr2 b 0 1\n" + TRAN, NetlistError, "b1"),
    "undefined parameter": (SUPPLY + "r2 a 0 {nope}\n" + TRAN, NetlistError, "nope"),
    "empty save": (SUPPLY + ".save v(nope)\n" + TRAN, NetlistError, "no data saved"),
    "quit in control": (SUPPLY + TRAN + ".control\nquit\n.endc\n", EngineCrashedError, "quit"),
    "chatter at the start": (
        "b1 a 0 v=v(b)>0.5?0:1\nr1 a b 1k\nc1 b 0 1p\nb2 c 0 i=v(c)>0.5?1m:-1m\nr2 c 0 1k\n" + TRAN,
        ConvergenceError,
        "too small",
    ),
    "endless chatter": (
        "b1 a 0 i=v(a)>0.5?1m:-1m\nr1 a 0 1k\nc1 a 0 1p\n.tran 1n 1u 0 1n uic\n",
        SimulationTimeoutError,
        "time limit",
    ),
    "floating node": (SUPPLY + "c1 a b 1p\nc2 b 0 1p\n.op\n", SingularMatrixError, "node b"),
    "floating branch": (SUPPLY + "r2 b c 1\n" + TRAN, SingularMatrixError, "`b`"),
    "no ground": ("v1 a b 1\nr1 a b 1k\n.op\n", NetlistError, "ground"),
    "current into open": (SUPPLY + "i1 0 b 10m\n" + TRAN, SingularMatrixError, "`b`"),
    "current into a capacitor": (SUPPLY + "i1 0 b 10m\nc1 b 0 1p\n.op\n", SingularMatrixError, "node b"),
    "loop of voltage sources": (SUPPLY + "v2 a 0 2\n" + TRAN, SingularMatrixError, "v1"),
    "missing node": (SUPPLY + "r2 a\n" + TRAN, NetlistError, "line 4"),
    "missing value": (SUPPLY + "c2 a 0 ic=0\n" + TRAN, NetlistError, "line 4"),
    "square root of a negative": (SINE + "b1 b 0 v=sqrt(v(a))\nr2 b 0 1\n" + TRAN, ConvergenceError, "sqrt"),
    "overflow": (
        SINE + "b1 b 0 v=(1e200*v(a))*(1e200*v(a))\nr2 b 0 1\n" + TRAN,
        ConvergenceError,
        "out of range",
    ),
    "steep exponential": (SINE + "b1 b 0 v=exp(1000*v(a))\nr2 b 0 1\n" + TRAN, BadResultError, "v(b)"),
    "division by zero": (SUPPLY + "b1 b 0 v=1/(v(a)-1)\nr2 b 0 1k\n.op\n", BadResultError, "v(b)"),
    "division by the number zero": (
        SINE + "b1 b 0 v=v(a)/0\nr2 b 0 1\n" + TRAN,
        ConvergenceError,
        "too small",
    ),
    "interpolated output": (SINE + ".options interp\n" + TRAN, NetlistError, "interp"),
    "limit()": (SINE + "b1 b 0 v=limit(v(a),-3,3)\nr2 b 0 1\n" + TRAN, NetlistError, "ternary|line 4"),
    "if()": (SINE + "b1 b 0 v=if(v(a)>0,1,0)\nr2 b 0 1\n" + TRAN, NetlistError, "ternary"),
    "stopped early": (SUPPLY + TRAN + ".control\nstop after 50\n.endc\n", BadResultError, "before its end"),
    "no analysis": (SUPPLY, NetlistError, "analysis"),
    "unclosed control": (SUPPLY + TRAN + ".control\n", NetlistError, ".endc"),
    "state at rest in .op": (
        "b1 0 x i=1e8*(1-v(x))*0+1e4\ncx x 0 1\nrx x 0 1e12\n.op\n",
        BadResultError,
        "v(x)",
    ),
    "state runs away": (
        """v1 a 0 pulse(-2.5 2.5 0 1p 1p .5u 1u)
b1 0 x i=1e8*v(a)*v(x)*(1-v(x))
cx x 0 1 ic=0.1
rx x 0 1e12
.tran 2n 3u 0 2n uic
""",
        ConvergenceError,
        "too small",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_deck_ends_in_its_error(name):
    body, error, words = BAD[name]
    start = time.monotonic()
    with pytest.raises(error) as caught:
        # Trusted, as `stop` and `.include` of a missing file are the simulator's business here.
        simulate(f"* {name}\n{body}.end\n", timeout=2.0, trust=True)
    assert type(caught.value) is error
    assert any(word in str(caught.value) for word in words.split("|")), str(caught.value)
    assert "What to do:" in str(caught.value)
    assert time.monotonic() - start < 10.0  # the 2 s limit, and a wide margin for a busy machine


def test_deck_without_end_is_taken_for_complete():
    with pytest.warns(DeckWarning, match=r"no `\.end`"):
        assert "time" in simulate(f"* cut off\n{SUPPLY}{TRAN}").coords


@pytest.mark.parametrize("name", ["square root of a negative", "endless chatter", "stopped early"])
def test_data_up_to_the_failure_are_kept(name):
    with pytest.raises(Exception, match="What to do") as caught:
        simulate(f"* {name}\n{BAD[name][0]}.end\n", timeout=1.0, trust=True)
    partial = caught.value.partial
    assert partial.sizes["time"] > 10
    assert np.all(np.isfinite(partial["v(a)"]))


# What the table calls "runs": ngspice limits these, and within its limits the numbers are right.
def test_steep_exponential_in_range_is_right():
    result = simulate("* exp\nv1 a 0 0.01\nb1 b 0 v=exp(1000*v(a))\nr2 b 0 1k\n.op\n.end\n")
    # reltol of 1e-3, ngspice's default, bounds the Newton iteration; it is far better at the end.
    assert float(result["v(b)"]) == pytest.approx(np.exp(10.0), rel=1e-3)


def test_gmin_stepping_that_succeeds_is_no_error(tmp_path):
    junctions = "b1 b 0 i=1e-9*(exp(60*v(b))-1)\nb2 b c i=1e-9*(exp(60*v(b,c))-1)\n"
    result = simulate(f"* two\nv1 a 0 5\nr1 a b 10\n{junctions}r2 c 0 1\n.op\n.end\n", keep=tmp_path)
    assert "gmin stepping failed" in (tmp_path / "deck.log").read_text()
    b, c = float(result["v(b)"]), float(result["v(c)"])
    through = 1e-9 * np.expm1(60 * b) + 1e-9 * np.expm1(60 * (b - c))
    assert (5 - b) / 10 == pytest.approx(through, rel=1e-3)  # Kirchhoff's law to ngspice's default reltol


class Unclipped(Device):
    """Joglekar's window without clipping: beyond its bounds it drives the state further out."""

    model = "unclipped"
    reference = "the ill-posed form, for tests"
    parameters = {
        "r_on": positive(1e3, "ohm", "on"),
        "r_off": positive(1e5, "ohm", "off"),
        "k": positive(1e9, "1", "rate"),
    }
    states = {"x": State(0.1, "state")}

    def current(self, v, x: SimpleNamespace, p: SimpleNamespace):
        return v * (x.x / p.r_on + (1 - x.x) / p.r_off)

    def rates(self, v, x: SimpleNamespace, p: SimpleNamespace):
        return (p.k * v * (1 - (2 * x.x - 1) ** 2),)


@pytest.mark.parametrize(("k", "method"), [(1e8, "gear"), (1e9, "trap")])
def test_state_out_of_its_range_is_not_returned(k, method):
    circuit = Circuit("runaway")
    circuit.subcircuit(DeviceSubCircuit(Unclipped(k=k)))
    circuit.PulseVoltageSource("1", "a", circuit.gnd, -5, 5, 0.5e-6, 1e-6, rise_time=1e-9, fall_time=1e-9)
    circuit.X("m1", "unclipped", "a", circuit.gnd)
    # ngspice ends with code 0 and states of 1.017 and 1.43.
    coarse = {"method": method, "reltol": 1e-3, "trtol": 7}
    with pytest.raises(BadResultError, match=r"v\(xm1.x\)") as caught:
        simulate(circuit, stop=3e-6, step=2e-9, options=coarse, timeout=10.0)
    assert caught.value.partial["v(xm1.x)"].max() > 1.01
