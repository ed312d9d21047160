"""Sweeps end in the numbers that single runs give."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PySpice.Spice.Netlist import Circuit

from memsim import spice
from memsim.circuits.catalogue import load_bench
from memsim.devices import load_device
from memsim.errors import InputError, UntrustedDeckError
from memsim.sweep import Progress, make_sweep, run_sweep

pytestmark = pytest.mark.spice

FINAL = {"final": {"of": "v(b)", "what": "final"}}
CHARGING = 1 - np.exp(-5.0)  # after 5 RC; ngspice's default tolerance is 1e-3


def test_a_deck_over_its_parameters(rc: Path, scheduler: str):
    seen: list[Progress] = []
    study = make_sweep(deck="rc.cir", grid={"rload": ["1k", "2k"], "vin": [1, 2, 4]}, measure=FINAL)
    data = run_sweep(study, rc / "out.nc", folder=rc, scheduler=scheduler, progress=seen.append)
    expected = (1 - np.exp([[-5.0], [-2.5]])) * np.array([1, 2, 4])
    np.testing.assert_allclose(data["final"], expected, rtol=2e-3)
    assert (data["status"] == 1).all()
    assert [one.done for one in seen] == list(range(7))
    assert seen[-1].total == 6
    assert not list(rc.glob("*.points"))


def test_a_failed_point_is_kept_with_its_error_and_run_again_when_asked(rc: Path, scheduler: str):
    study = make_sweep(deck="rc.cir", grid={"rload": ["1k", "-1"]}, measure=FINAL)
    data = run_sweep(study, rc / "out.nc", folder=rc, scheduler=scheduler)
    assert data["status"].values.tolist() == [1, 2]
    assert str(data["error"].values[1]).startswith("ConvergenceError: ")
    assert np.isnan(data["final"].values[1])
    seen: list[Progress] = []
    again = run_sweep(study, rc / "out.nc", folder=rc, scheduler=scheduler, progress=seen.append)
    assert seen == []  # nothing is left to do
    xr.testing.assert_identical(again, data)
    run_sweep(study, rc / "out.nc", folder=rc, scheduler=scheduler, progress=seen.append, retry_failed=True)
    assert [(one.done, one.failed) for one in seen] == [(1, 0), (2, 1)]


def test_both_engines_run_the_same_measured_devices(tmp_path: Path, scheduler: str):
    generator = np.random.default_rng(0)
    common = generator.standard_normal(20)
    device = load_device("mif-set1").values
    table = np.column_stack(
        [
            device["r_on"] * np.exp(0.2 * common),
            device["v_on"] * np.exp(0.03 * common),
            device["tau"] * common**0,
        ]
    )
    np.savetxt(tmp_path / "devices.csv", table, delimiter=",", header="r_on,v_on,tau", comments="")
    runs = {
        engine: make_sweep(
            circuit="integrate-and-fire-set1",
            engine=engine,
            stop="2m",
            step="2u",
            seed=5,
            samples={"count": 4, "devices": {"xm1": "devices.csv"}},
            measure={"peak": {"of": "v(mem)", "what": "peak"}},
        )
        for engine in ("ngspice", "torch")
    }
    data = {
        engine: run_sweep(study, tmp_path / f"{engine}.nc", folder=tmp_path, scheduler=scheduler)
        for engine, study in runs.items()
    }
    assert (data["torch"]["status"] == 1).all()
    for name in ("xm1.r_on", "xm1.v_on"):
        np.testing.assert_array_equal(data["torch"][name], data["ngspice"][name])
    # the engines agree to 0.5 % of the peak; devices differ by more
    np.testing.assert_allclose(data["torch"]["peak"], data["ngspice"]["peak"], rtol=5e-3)
    assert np.ptp(data["torch"]["peak"].values) > 0.02 * data["torch"]["peak"].mean()
    seen: list[Progress] = []
    again = run_sweep(
        runs["torch"], tmp_path / "torch.nc", folder=tmp_path, scheduler=scheduler, progress=seen.append
    )
    assert seen == []  # the same devices, which have all been run
    xr.testing.assert_identical(again, data["torch"])
    np.savetxt(tmp_path / "devices.csv", 1.1 * table, delimiter=",", header="r_on,v_on,tau", comments="")
    with pytest.raises(InputError, match="something else than the results of this sweep"):
        run_sweep(runs["torch"], tmp_path / "torch.nc", folder=tmp_path, scheduler=scheduler)


def test_device_variability_of_a_shipped_circuit(tmp_path: Path, scheduler: str):
    study = make_sweep(
        circuit="integrate-and-fire-set1",
        stop="2m",
        step="20u",
        samples={
            "count": 2,
            "parameters": {"xm1.r_on": {"spread": 0.1}, "iin.peak": {"from": "4u", "to": "6u"}},
        },
        measure={
            "peak": {"of": "v(mem)", "what": "peak"},
            "heat": {"of": "v(xm1)", "what": "energy", "current": "i(xm1)"},
            "charge": {"of": "i(iin)", "what": "mean"},
        },
    )
    data = run_sweep(study, tmp_path / "out.nc", scheduler=scheduler)
    assert data["xm1.r_on"].attrs["units"] == "ohm"
    bench = load_bench("integrate-and-fire-set1")
    for sample in range(2):
        row = data.isel(sample=sample)
        circuit = load_bench("integrate-and-fire-set1").circuit
        circuit["Xm1"].parameters["r_on"] = float(row["xm1.r_on"])
        pulse = type(bench.stimuli["iin"])(float(row["iin.peak"]), 1e-3)
        waves = spice.simulate(circuit, stimuli={"iin": pulse}, stop=2e-3, step=20e-6)
        assert float(row["peak"]) == float(waves["v(mem)"].max())  # the same deck gives the same numbers
        assert float(row["heat"]) > 0
        # an alpha pulse over twice its time constant; straight lines over 1/50 of it miss 3e-5
        mean = float(row["iin.peak"]) * (np.e - 3 / np.e) / 2
        assert float(row["charge"]) == pytest.approx(mean, rel=1e-4, abs=0)


def test_torch_and_ngspice_agree_over_a_sweep(tmp_path: Path, scheduler: str):
    table = {
        "circuit": "integrate-and-fire-set1",
        "stop": "3m",
        "step": "5u",
        "grid": {"iin.peak": ["3u", "5u"], "xm1.r_on": ["0.8k", "1.2k"], "cmem": ["1n"]},
        "measure": {"peak": {"of": "v(mem)", "what": "peak"}},
    }
    peaks = [
        run_sweep(make_sweep(**table, engine=engine), tmp_path / f"{engine}.nc", scheduler=scheduler)["peak"]
        for engine in ("ngspice", "torch")
    ]
    np.testing.assert_allclose(
        *peaks, rtol=2e-4
    )  # the twin's promise is 1 % of the amplitude; steps of 5 us do better
    assert len(np.unique(peaks[0])) == 4


def test_a_pyspice_circuit(tmp_path: Path, scheduler: str):
    circuit = Circuit("rc")
    circuit.parameter("rload", 1e3)
    circuit.V("1", "a", circuit.gnd, 1)
    circuit.R("1", "a", "b", "{rload}")
    circuit.C("1", "b", circuit.gnd, 1e-9, initial_condition=0)
    study = make_sweep(stop="5u", step="10n", grid={"rload": ["1k", "2.5k"]}, measure=FINAL)
    data = run_sweep(study, tmp_path / "out.nc", circuit=circuit, scheduler=scheduler)
    np.testing.assert_allclose(data["final"], [CHARGING, 1 - np.exp(-2)], rtol=1e-3)


def test_what_a_sweep_refuses(rc: Path):
    study = make_sweep(deck="rc.cir", grid={"rload": [1]}, measure=FINAL)
    with pytest.raises(InputError, match=r"no parameter 'rlaod'.*rload, cload, vin"):
        run_sweep(make_sweep(deck="rc.cir", grid={"rlaod": [1]}, measure=FINAL), rc / "o.nc", folder=rc)
    with pytest.raises(InputError, match="workers = 0"):
        run_sweep(study, rc / "o.nc", folder=rc, workers=0)
    with pytest.raises(InputError, match="cannot be read"):
        run_sweep(study, rc / "o.nc", folder=rc / "nowhere")
    with pytest.raises(InputError, match="one thing"):
        run_sweep(make_sweep(measure=FINAL), rc / "o.nc")
    with pytest.raises(InputError, match="unknown circuit"):
        run_sweep(make_sweep(circuit="perpetuum", measure=FINAL), rc / "o.nc")
    (rc / "rc.cir").write_text("* t\n.param r=1\nv1 a 0 1\n.tran 1 2\n.control\nshell touch x\n.endc\n.end\n")
    with pytest.raises(UntrustedDeckError, match="--trust"):
        run_sweep(study, rc / "o.nc", folder=rc)
    assert {path.name for path in rc.iterdir()} == {"rc.cir"}


def test_no_scheduler_at_the_address(rc: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("memsim.sweep.cluster.CONNECT_SECONDS", 0.5)
    study = make_sweep(deck="rc.cir", grid={"rload": [1]}, measure=FINAL)
    for address in ("tcp://127.0.0.1:9", "nonsense"):
        with pytest.raises(InputError, match="Dask scheduler"):
            run_sweep(study, rc / "o.nc", folder=rc, scheduler=address)
