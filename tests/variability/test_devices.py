"""Devices drawn from a spread: correlations survive, and every part of memsim gets the same devices."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PySpice.Spice.Netlist import Circuit

from memsim import spice, surrogate
from memsim.circuits import Constant, Sine, with_device_currents
from memsim.circuits.device import DeviceSubCircuit
from memsim.crossbar.cells import Cells
from memsim.devices import load_device
from memsim.errors import InputError
from memsim.fit import Uncertainty
from memsim.surrogate import CompiledCircuit
from memsim.variability import (
    JointDistribution,
    Relaxation,
    load_spread,
    sampled_devices,
    spread_of_devices,
    spread_of_fit,
)

DEVICE = load_device("knowm-sdc")
CORRELATION = 0.8


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def known_devices(rng, count=400):
    """Devices whose resistances go together, and whose thresholds go against them."""
    common, own = rng.standard_normal((2, count))
    other = CORRELATION * common + np.sqrt(1 - CORRELATION**2) * own
    return [
        DEVICE.with_values(
            r_on=DEVICE.values["r_on"] * np.exp(0.2 * a),
            r_off=DEVICE.values["r_off"] * np.exp(0.1 * b),
            v_on=DEVICE.values["v_on"] * (1 - 0.05 * a),
        )
        for a, b in zip(common, other, strict=True)
    ]


def log_correlation(devices):
    table = [[np.log(device.values[name]) for name in ("r_on", "r_off", "v_on")] for device in devices]
    return np.corrcoef(np.transpose(table))


def test_devices_keep_correlations_and_what_does_not_differ(rng):
    known = known_devices(rng)
    drawn = sampled_devices(DEVICE, spread_of_devices(known), 4_000, rng)
    assert {device.values["tau"] for device in drawn} == {DEVICE.values["tau"]}
    # standard errors of correlations are (1 - r^2) / sqrt(400) <= 0.018 from the table and less from the draws
    np.testing.assert_allclose(log_correlation(drawn), log_correlation(known), atol=0.06)
    values = [[device.values["r_on"] for device in devices] for devices in (drawn, known)]
    # ends of the table: nothing beyond what was measured
    assert min(values[0]) >= min(values[1])
    assert max(values[0]) <= max(values[1])


@pytest.mark.spice
def test_both_engines_see_the_same_devices(rng):
    """Four drawn devices side by side in one circuit, each behind a resistor of its own."""
    drawn = sampled_devices(DEVICE, spread_of_devices(known_devices(rng)), 4, rng)
    circuit, kind = Circuit("drawn devices"), DeviceSubCircuit(DEVICE)
    circuit.subcircuit(kind)
    circuit.V("drive", "drive", circuit.gnd, 0)
    for k, device in enumerate(drawn):
        circuit.R(f"series{k}", "drive", f"top{k}", 1e3)
        circuit.X(f"m{k}", kind.name, f"top{k}", circuit.gnd, **device.values)
    run = {"stimuli": {"vdrive": Sine(0.6, 100.0)}, "stop": 10e-3}
    twin = with_device_currents(circuit, surrogate.simulate(circuit, step=2.5e-6, **run))
    deck = with_device_currents(circuit, spice.simulate(circuit, step=2.5e-6, **run))
    peaks = []
    for k in range(4):
        here, there = twin[f"i(xm{k})"], deck[f"i(xm{k})"].interp(time=twin["time"])
        peaks.append(float(abs(here).max()))
        # the engines agree to 0.5 % of the peak, their promise
        assert float(abs(here - there).max()) < 0.005 * peaks[-1]
    # they are not the same device four times: r_on spreads by 20 %
    assert max(peaks) > 1.05 * min(peaks)


@pytest.mark.spice
def test_drawn_conductances_are_states_in_both_engines(rng):
    """Cells of an array, relaxed as drawn, as devices of a circuit: each conducts what it was drawn to."""
    programmed = rng.uniform(5e-6, 40e-6, 2_000)
    relaxation = Relaxation.estimate(programmed, {1.0: programmed * np.exp(0.1 * rng.standard_normal(2_000))})
    targets = torch.tensor([10e-6, 20e-6, 30e-6], dtype=torch.float64)
    relaxed = relaxation.at(1.0)(targets, torch.Generator().manual_seed(1))
    assert ((relaxed / targets - 1).abs() > 1e-3).all()
    device = DEVICE.with_values(r_on=15e3, r_off=1e6, tau=1e3)  # holds its state
    states = Cells(device).state(relaxed, 0.05)
    circuit, kind = Circuit("relaxed cells"), DeviceSubCircuit(device)
    circuit.subcircuit(kind)
    circuit.V("read", "read", circuit.gnd, 0.05)
    for k, state in enumerate(states.tolist()):
        circuit.X(f"m{k}", kind.name, "read", circuit.gnd, x_0=state)
    for engine in (surrogate.simulate, spice.simulate):
        waves = with_device_currents(
            circuit, engine(circuit, stimuli={"vread": Constant(0.05)}, stop=1e-6, step=1e-7)
        )
        for k, g in enumerate(relaxed.tolist()):
            # the tolerance of ngspice is 1e-3
            assert float(waves[f"i(xm{k})"][-1]) == pytest.approx(0.05 * g, rel=1e-3, abs=0)


def test_a_batch_of_drawn_devices_is_each_of_them(rng):
    spread = spread_of_devices(known_devices(rng))
    circuit, kind = Circuit("one device"), DeviceSubCircuit(DEVICE)
    circuit.subcircuit(kind)
    circuit.V("drive", "top", circuit.gnd, 0)
    circuit.X("m1", kind.name, "top", circuit.gnd)
    compiled = CompiledCircuit(circuit, inputs=("vdrive",))
    drive = {"vdrive": torch.linspace(0, 0.5, 50, dtype=torch.float64)[:, None].expand(50, 8)}
    columns = spread.sample(8, rng)
    parameters = {f"xm1.{name}": torch.from_numpy(values) for name, values in columns.items()}
    waves, _ = compiled(drive, dt=1e-5, parameters=parameters)
    for k in range(8):
        alone = {name: values[k : k + 1] for name, values in parameters.items()}
        one, _ = compiled({"vdrive": drive["vdrive"][:, :1]}, dt=1e-5, parameters=alone)
        torch.testing.assert_close(waves["v(xm1.x)"][:, k], one["v(xm1.x)"][:, 0], rtol=1e-9, atol=1e-12)
    assert waves["v(xm1.x)"][-1].std() > 0


def test_cells_of_an_array_are_drawn_devices(rng):
    columns = spread_of_devices(known_devices(rng)).sample(16 * 16, rng)
    cells = Cells(DEVICE, {name: torch.from_numpy(v).reshape(16, 16) for name, v in columns.items()})
    g = cells.conductance(torch.ones(16, 16, dtype=torch.float64), 0.05)
    torch.testing.assert_close(g.flatten(), torch.from_numpy(1 / columns["r_on"]), rtol=1e-6, atol=0)


FITTED = Uncertainty(
    ("r_on", "v_on", "tau", "capacitance"),
    {"r_on": (400.0, 625.0), "v_on": (0.25, 0.29), "tau": (1e-9, 1e3), "capacitance": (0.0, 1e-9)},
    np.array([[1, 0.9, 0.1, 0], [0.9, 1, 0, 0], [0.1, 0, 1, 0], [0, 0, 0, 1]]),
    ("tau",),
)


def test_a_fit_gives_its_intervals_and_correlations(rng, tmp_path):
    fitted = DEVICE.with_values(r_on=500.0, v_on=0.27)
    written = {
        "model": fitted.model,
        "parameters": dict(fitted.values),
        "intervals_95": {name: list(ends) for name, ends in FITTED.intervals.items()},
        "undetermined": list(FITTED.undetermined),
        "correlation": {"names": list(FITTED.names), "matrix": FITTED.correlation.tolist()},
    }
    (tmp_path / "fit.json").write_text(json.dumps([written]))
    for spread in (spread_of_fit(fitted, FITTED), load_spread(tmp_path / "fit.json")):
        drawn = spread.sample(20_000, rng)
        assert list(drawn) == ["r_on", "v_on"]  # not what the data leaves open, nor what is no parameter
        # 2.5 and 97.5 % quantiles of 20 000 draws: 1.5 % of the half width; a table over the normal adds less
        low, high = np.quantile(np.log(drawn["r_on"]), [0.025, 0.975])
        assert low == pytest.approx(np.log(500) - np.log(625 / 400) / 2, abs=0.01)
        assert high == pytest.approx(np.log(500) + np.log(625 / 400) / 2, abs=0.01)
        assert np.corrcoef(np.log(drawn["r_on"]), drawn["v_on"])[0, 1] == pytest.approx(0.9, abs=0.02)


@settings(max_examples=20)
@given(st.floats(-0.95, 0.95), st.integers(0, 2**32 - 1))
def test_any_correlation_survives_a_table(correlation, seed):
    generator = np.random.default_rng(seed)
    a, b = generator.standard_normal((2, 1_000))
    columns = {"r_on": np.exp(a), "tau": np.exp(correlation * a + np.sqrt(1 - correlation**2) * b)}
    drawn = JointDistribution.estimate(columns).sample(4_000, generator)
    found = np.corrcoef(np.log(drawn["r_on"]), np.log(drawn["tau"]))[0, 1]
    # five standard errors of a sample of 1 000
    assert found == pytest.approx(correlation, abs=5 / np.sqrt(1_000))


def test_a_table_of_devices(rng, tmp_path):
    known = known_devices(rng)
    rows = [[device.values[name] for name in ("r_on", "v_on")] for device in known]
    np.savetxt(tmp_path / "devices.csv", rows, delimiter=",", header="r_on,v_on", comments="")
    drawn = load_spread(tmp_path / "devices.csv").sample(4_000, rng)
    assert np.corrcoef(np.log(drawn["r_on"]), drawn["v_on"])[0, 1] == pytest.approx(-1.0, abs=0.01)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("r_on\n1\n2\n", "at least 8"),
        ("r_on,v_on\n" + "1,x\n" * 9, "no table of numbers"),
        ("r_on\n" + "1\n" * 8 + "nan\n", "not finite"),
        ("", "no table of numbers"),
    ],
)
def test_tables_that_are_none(tmp_path, content, words):
    (tmp_path / "devices.csv").write_text(content)
    with pytest.raises(InputError, match=words):
        load_spread(tmp_path / "devices.csv")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"correlation": np.eye(2)}, "4 by 4"),
        ({"correlation": np.full((4, 4), np.nan)}, "finite"),
        ({"intervals": {**FITTED.intervals, "r_on": (0.0, 1e3)}}, "interval of r_on"),
        ({"intervals": {**FITTED.intervals, "v_on": (0.3, 0.2)}}, "lowest value first"),
        ({"undetermined": FITTED.names}, "fixes no parameter"),
    ],
)
def test_fits_that_are_none(changes, words):
    with pytest.raises(InputError, match=words):
        spread_of_fit(DEVICE, replace(FITTED, **changes))


@given(content=st.binary() | st.text().map(str.encode), suffix=st.sampled_from([".csv", ".json"]))
def test_any_file_is_a_spread_or_refused(tmp_path_factory, content, suffix):
    path = tmp_path_factory.mktemp("any") / f"devices{suffix}"
    path.write_bytes(content)
    try:
        spread = load_spread(path)
    except InputError:
        return
    assert all(np.isfinite(marginal.values).all() for marginal in spread.marginals.values())


def test_what_is_no_spread(tmp_path):
    (tmp_path / "fit.json").write_text('{"model": "vteam"}')
    with pytest.raises(InputError, match="memsim fit"):
        load_spread(tmp_path / "fit.json")
    with pytest.raises(InputError, match="no file of devices"):
        load_spread(tmp_path / "missing.csv")
    with pytest.raises(InputError, match="of one model"):
        spread_of_devices([DEVICE, load_device("vteam-memtorch")])
    with pytest.raises(InputError, match="do not differ"):
        spread_of_devices([DEVICE] * 9)
