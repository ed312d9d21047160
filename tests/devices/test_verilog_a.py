"""The Verilog-A modules, as a compiler understands them: the ports, parameters and equations of the model.

OpenVAF's front end compiles each module and its interpreter evaluates it, with the derivatives that it found itself.
"""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
import sympy as sp

from memsim.devices import Device, Parameter, State, Vteam, numeric, positive, verilog_a
from memsim.devices.verilog_a import verilog_name
from memsim.errors import InputError

POINTS = 30
# Both sides are float64; the order of their operations differs. Worst when written: 3e-12, JART's rate.
TOLERANCE = 1e-9


class Compiled:
    """A module that the compiler took, evaluated at one point at a time.

    Args:
        device: what it is the module of.
        text: its Verilog-A.
        folder: to write it to.
    """

    def __init__(self, device: Device, text: str, folder) -> None:
        openvaf = pytest.importorskip("openvaf_py", reason="no wheel of openvaf-py for this Python")
        path = folder / "module.va"
        path.write_text(text, encoding="ascii")
        (self.module,) = openvaf.compile_va(str(path))
        self.descriptor = self.module.get_osdi_descriptor()
        self.nodes = [node["name"] for node in self.descriptor["nodes"]]
        self.states = [verilog_name(state) for state in device.states]
        values = {verilog_name(name): value for name, value in device.values.items()}
        initial = {f"{state}_0": value for state, value in device.initial.items()}
        self.declared = {**values, **initial}
        self.given = {**self.declared, "mfactor": 1.0, "$abstime": 1.0}

    def __call__(self, v: float, x: list[float]) -> tuple[np.ndarray, np.ndarray]:
        """Current and rates, and their derivatives to voltage and states, one row for each."""
        at = {f"V({state})": value for state, value in zip(self.states, x, strict=True)}
        residuals, entries = self.module.run_init_eval({**self.given, **at, "V(p,n)": v})
        rows = [self.nodes.index(node) for node in ("p", *self.states)]
        sign = np.array([1.0, *[-1.0 for _ in x]])  # what flows off a state's node is minus its rate
        jacobian = np.zeros((len(self.nodes), len(self.nodes)))
        for row, column, resistive, _ in entries:
            jacobian[row, column] += resistive
        currents = np.array([resistive for resistive, _ in residuals])
        assert currents[self.nodes.index("n")] == -currents[rows[0]]
        return sign * currents[rows], sign[:, None] * jacobian[np.ix_(rows, rows)]


@pytest.fixture(scope="module")
def compiled(model, tmp_path_factory):
    return Compiled(model, verilog_a(model), tmp_path_factory.mktemp("verilog"))


def points(device: Device) -> list[tuple[float, list[float]]]:
    """At random, at rest, and in the corners of what a device is promised to stand."""
    random, states = np.random.default_rng(5), device.states.values()
    inside = [(random.uniform(-2, 2), [random.uniform(s.low, s.high) for s in states]) for _ in range(POINTS)]
    corners = [(v, [end for _ in states]) for v in (-5.0, 0.0, 5.0) for end in (0.0, 1.0)]
    return [*inside, (0.0, list(device.initial.values())), *corners]


def expected(device: Device, v: float, x: list[float]) -> tuple[np.ndarray, np.ndarray]:
    model, values = numeric(device), list(device.values.values())
    outputs = np.array([model.current(v, x, values), *model.rates(v, x, values)], dtype=float)
    return outputs, np.array(model.jacobian(v, x, values), dtype=float).reshape(len(outputs), -1)


def test_current_and_rates_are_those_of_the_model(model, compiled):
    at = points(model)
    wanted = np.array([expected(model, v, x)[0] for v, x in at])
    found = np.array([compiled(v, x)[0] for v, x in at])
    # where terms cancel, rounding is that of the terms, which are no larger than elsewhere
    rounding = 1e-13 * np.abs(wanted).max(axis=0)
    assert np.all(np.abs(found - wanted) <= TOLERANCE * np.abs(wanted) + rounding)


def test_derivatives_are_those_of_the_model(model, compiled):
    """They decide how a simulator converges, and must be finite wherever it may look."""
    for v, x in points(model):
        outputs, wanted = expected(model, v, x)
        _, found = compiled(v, x)
        # a saturated rate has small derivatives of large terms: 1e-12 of them are lost in NumPy too
        scale = TOLERANCE * np.abs(wanted).max(axis=1) + 1e-12 * np.abs(outputs)
        assert np.all(np.abs(found - wanted) <= scale[:, None] + 1e-300), (v, x)


def test_ports_states_and_parameters_are_as_declared(model, compiled):
    assert compiled.module.name == model.model.replace("-", "_")
    assert compiled.nodes == ["p", "n", *compiled.states]  # and no further unknowns
    assert compiled.descriptor["num_terminals"] == 2
    assert compiled.module.get_param_defaults() == compiled.declared
    declared = {entry["name"]: entry for entry in compiled.descriptor["params"]}
    for name, spec in model.parameters.items():
        entry = declared[verilog_name(name)]
        assert (entry["description"], entry["units"]) == (spec.meaning, spec.unit)
        assert not entry["is_instance"]
    assert all(declared[f"{state}_0"]["is_instance"] for state in model.states)


def test_states_are_integrated(compiled):
    """Each state's node has a charge of 1 F times its potential, and nothing else has any."""
    residuals, entries = compiled.module.run_init_eval({
        **compiled.given, "V(p,n)": 0.3, **{f"V({state})": 0.4 for state in compiled.states}
    })  # fmt: skip
    charges = dict(zip(compiled.nodes, [reactive for _, reactive in residuals], strict=True))
    assert charges == {"p": 0.0, "n": 0.0, **dict.fromkeys(compiled.states, 0.4)}
    capacitances = {(row, column): reactive for row, column, _, reactive in entries if reactive}
    assert capacitances == {(k, k): 1.0 for k in range(2, len(compiled.nodes))}


def test_operating_points_hold_the_initial_state(model, tmp_path):
    """The interpreter answers `analysis` with no, so a yes is put in its place."""
    held = Compiled(model, verilog_a(model).replace('analysis("static")', "(1 == 1)"), tmp_path)
    start = list(model.initial.values())
    outputs, jacobian = held(0.7, start)
    assert outputs[0] == pytest.approx(expected(model, 0.7, start)[0][0], rel=TOLERANCE, abs=0)
    assert list(outputs[1:]) == [0.0] * len(start)
    assert jacobian[1:].tolist() == np.hstack([np.zeros((len(start), 1)), -np.eye(len(start))]).tolist()


def test_a_transient_starts_in_the_initial_state_although_ngspice_calls_its_start_not_static(tmp_path):
    device = Vteam()
    text = verilog_a(device).replace('analysis("tran")', "(1 == 1)")
    transient = Compiled(device, text, tmp_path)
    moving = expected(device, 0.7, [0.4])[0][1]
    for time, rate in ((0.0, 0.5 - 0.4), (1e-12, moving)):
        transient.given["$abstime"] = time
        assert transient(0.7, [0.4])[0][1] == pytest.approx(rate, rel=TOLERANCE, abs=0)


def test_parameters_have_their_ranges(device):
    text = verilog_a(device)
    for name, spec in device.parameters.items():
        (tail,) = re.findall(rf"parameter real {verilog_name(name)} = [^ ;]+(.*);", text)
        low, high = re.fullmatch(r" from ([\[(].*):(.*[\])])", tail).groups() if tail else ("(-inf", "inf)")
        assert (float(low[1:]), float(high[:-1])) == (spec.low, spec.high)
        assert low[0] == ("(" if spec.positive or spec.low == -np.inf else "[")


def test_the_text_is_readable(device):
    lines = verilog_a(device).splitlines()
    assert device.reference in " ".join(line.removeprefix("// ") for line in lines)
    assert max(map(len, lines)) <= 120
    assert len(lines) < 200


class Awkward(Device):
    """Names that mean something in Verilog-A, and every construct that no shipped model has."""

    model = "awkward"
    reference = "none"
    parameters = {
        "table": positive(2.0, "S", "a word of the language"),
        "p": Parameter(0.5, "V", "a port's name"),
        "t1": Parameter(3.0, "1", "a variable's name", low=-1.0),
    }
    states = {"edge": State(0.5, "a word of the language")}

    def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
        inner = sp.Piecewise((v**4 + sp.pi, sp.And(v > p.p, x.edge > 0)), (sp.Rational(1, 3) * v, True))
        far = 3_000_000_000 * sp.sqrt(1 + v**2) + sp.Rational(1, 2) ** p.t1
        return p.table * inner + sp.Piecewise((v, sp.Or(v < -1, v > 1)), (v**3, True)) / far

    def rates(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> tuple[sp.Expr, ...]:
        return (sp.atan(v / (1 + x.edge) ** 2) ** 3 - sp.cosh(x.edge) * p.t1 / 10,)


def test_any_name_and_any_construct_compiles(tmp_path):
    device = Awkward()
    compiled = Compiled(device, verilog_a(device, "case"), tmp_path)
    assert compiled.module.name == "case_"
    assert compiled.nodes == ["p", "n", "edge_"]
    for v in (-1.5, -0.2, 0.3, 0.7, 1.5):
        np.testing.assert_allclose(compiled(v, [0.4])[0], expected(device, v, [0.4])[0], rtol=1e-14)


@pytest.mark.parametrize("function", [sp.erf, lambda z: sp.Max(z, 0.5), sp.Heaviside])
def test_a_function_that_verilog_a_has_not_is_refused(function):
    class Odd(Awkward):
        def current(self, v: sp.Symbol, x: SimpleNamespace, p: SimpleNamespace) -> sp.Expr:
            return p.table * function(v)

    with pytest.raises(InputError, match="has no form in Verilog-A; write the model in: Abs"):
        verilog_a(Odd())
