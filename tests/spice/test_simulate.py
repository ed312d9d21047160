"""Simulation end to end: closed forms, two engines, time limits, many jobs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PySpice.Spice.Netlist import Circuit

from memsim.circuits import DeviceSubCircuit, Sine, device_bench
from memsim.devices import Vteam
from memsim.errors import (
    EngineNotFoundError,
    InputError,
    NetlistError,
    SimulationTimeoutError,
)
from memsim.spice import Job, ngspice_version, simulate, simulate_many
from memsim.spice.shared import stop_workers
from memsim.spice.version import parse_version

pytestmark = pytest.mark.spice

ENDLESS = "* chatter\nb1 a 0 i=v(a)>0.5?1m:-1m\nr1 a 0 1k\nc1 a 0 1p\n.tran 1n 1u 0 1n uic\n.end\n"


def charging(resistance=1e3, title="rc"):
    """1 V --- R --- out --- 1 nF --- ground: v(out) = 1 - exp(-t / RC)."""
    circuit = Circuit(title)
    circuit.V("drive", "top", circuit.gnd, 1)
    circuit.R(1, "top", "out", resistance)
    circuit.C(1, "out", circuit.gnd, 1e-9, ic=0)
    return circuit


def device():
    return device_bench(Vteam(), series_resistance=100.0)


@pytest.mark.parametrize("engine", ["process", "shared"])
def test_charging_capacitor_against_the_closed_form(engine):
    result = simulate(charging(), stop=5e-6, step=1e-8, engine=engine)
    expected = 1 - np.exp(-result["time"] / 1e-6)
    # Gear's second-order error over a step h = RC/100 is of the order of (h/RC)^2 = 1e-4 of the swing.
    np.testing.assert_allclose(result["v(out)"], expected, atol=1e-4)
    np.testing.assert_allclose(result["i(vdrive)"], -(1 - expected) / 1e3, atol=1e-4 * 1e-3)
    assert result["v(out)"].attrs == {"units": "V", "long_name": "voltage of out"}
    assert result["i(vdrive)"].attrs["units"] == "A"
    assert result.attrs["engine"].startswith("ngspice-")
    assert result.attrs["wall_seconds"] > 0


@pytest.mark.parametrize("circuit", [charging, device])
def test_engines_agree(circuit):
    stimuli = {"vdrive": Sine(1.0, 1e6)}
    one, other = (
        simulate(circuit(), stimuli=stimuli, stop=2e-6, step=5e-9, engine=engine)
        for engine in ("process", "shared")
    )
    assert set(one) == set(other)
    # The same code on the same deck: any difference would be in reading the result.
    for name in (*one, "time"):
        scale = float(np.abs(one[name]).max())
        np.testing.assert_allclose(other[name], one[name], rtol=1e-12, atol=1e-12 * scale)
        assert other[name].attrs == one[name].attrs


@pytest.mark.parametrize("analysis", [".op", ".dc v1 0 1 0.25", ".ac dec 3 1 1k"])
def test_engines_agree_on_other_analyses(analysis):
    text = f"* t\nv1 a 0 dc 1 ac 1\nr1 a b 1k\nr2 b 0 1k\nc1 b 0 1u\n{analysis}\n.end\n"
    one, other = (simulate(text, engine=engine) for engine in ("process", "shared"))
    assert set(one) == set(other)
    assert set(one.coords) == set(other.coords)
    for name in (*one, *one.coords):
        np.testing.assert_allclose(other[name], one[name], rtol=1e-12)


def test_shared_engine_recovers_from_whatever_a_deck_does():
    for text, error in (
        (ENDLESS, SimulationTimeoutError),
        ("* t\nv1 a 0 1\nr1 a 0 {nope}\n.op\n.end\n", NetlistError),  # ends the library for good
        ("* t\nv1 a 0 1\nx1 a 0 nope\n.op\n.end\n", NetlistError),
    ):
        with pytest.raises(error):
            simulate(text, engine="shared", timeout=2.0)
        good = simulate(charging(), stop=1e-7, step=1e-8, engine="shared")
        assert good["time"].values[-1] == pytest.approx(1e-7)
    stop_workers()


def test_state_is_named_with_its_unit():
    result = simulate(device(), stimuli={"vdrive": Sine(1.0, 1e6)}, stop=1e-6, step=5e-9)
    (state,) = [name for name in result if str(name).endswith(".x)")]
    assert result[state].attrs["units"] == "1"
    assert result[state].attrs["long_name"].startswith("state ")


def children():
    """Processes named ngspice that this test run started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().rsplit(")", 1)
        except OSError:
            continue
        if name.endswith("(ngspice") and int(rest.split()[1]) == os.getpid():
            found.append(stat.parent.name)
    return found


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_no_process_and_no_folder_is_left_after_the_time_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    start = time.monotonic()
    with pytest.raises(SimulationTimeoutError, match=r"0\.5 s") as caught:
        simulate(ENDLESS, timeout=0.5)
    assert time.monotonic() - start < 5.0
    assert caught.value.partial.sizes["time"] > 0
    assert children() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_children_of_a_trusted_deck_die_with_it(tmp_path):
    note = tmp_path / "pid"
    script = tmp_path / "child.sh"
    script.write_text(f"echo $$ > {note}\nexec sleep 60\n")
    text = f"* t\nv1 a 0 1\nr1 a 0 1\n.op\n.control\nshell sh {script}\n.endc\n.end\n"
    with pytest.raises(SimulationTimeoutError):
        simulate(text, timeout=1.0, trust=True)
    pid = int(note.read_text())
    for _ in range(50):  # a killed orphan stays until init reaps it
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the child of the deck survived the time limit")


def test_deck_file_with_relative_includes_and_kept_files(tmp_path, monkeypatch):
    (tmp_path / "My Models").mkdir()
    (tmp_path / "My Models" / "outer.lib").write_text(".include inner.lib\n")
    (tmp_path / "My Models" / "inner.lib").write_text(".subckt half a b\nr1 a b 1k\nr2 b 0 1k\n.ends\n")
    cir = tmp_path / "divider.cir"
    cir.write_text("Divider\nv1 a 0 3\n.INCLUDE 'My Models/outer.lib'\nx1 a b half\n.op\n.end\n")
    monkeypatch.chdir("/")
    result = simulate(cir, keep=tmp_path / "kept")
    assert float(result["v(b)"]) == pytest.approx(1.5, rel=1e-9)  # linear: rounding only
    assert result.attrs["title"] == "Divider"
    assert sorted(p.name for p in (tmp_path / "kept").iterdir()) == [
        "divider.cir",
        "divider.log",
        "divider.raw",
        "include1_outer.lib",
        "include2_inner.lib",
    ]
    again = subprocess.run(
        ["ngspice", "-n", "-b", "-r", tmp_path / "again.raw", tmp_path / "kept" / "divider.cir"],
        capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=False,
    )  # fmt: skip
    assert again.returncode == 0


def test_failed_runs_are_kept_too(tmp_path):
    with pytest.raises(NetlistError):
        simulate("* t\nv1 a 0 1\nx1 a 0 nope\n.op\n.end\n", keep=tmp_path)
    assert (tmp_path / "deck.log").read_text().count("nope")


def test_many_jobs_in_order_with_errors_as_results():
    resistances = [1e3, 2e3, 3e3]
    jobs = [Job(charging(r), stop=1e-6, step=1e-8) for r in resistances]
    jobs.insert(1, Job("* t\nv1 a 0 1\nx1 a 0 nope\n.op\n.end\n"))
    calls = []
    results = simulate_many(jobs, workers=2, progress=lambda done, total: calls.append((done, total)))
    assert sorted(calls) == [(n, 4) for n in (1, 2, 3, 4)]
    assert isinstance(results[1], NetlistError)
    for resistance, result in zip(resistances, results[:1] + results[2:], strict=True):
        assert float(result["v(out)"][-1]) == pytest.approx(1 - np.exp(-1e-6 / (resistance * 1e-9)), abs=1e-4)


def test_many_is_the_same_as_one_by_one():
    jobs = [Job(charging(r), stop=1e-6, step=1e-8) for r in (1e3, 2e3)]
    for job, result in zip(jobs, simulate_many(jobs), strict=True):
        alone = simulate(job.circuit_or_deck, stop=job.stop, step=job.step)
        np.testing.assert_array_equal(alone["v(out)"], result["v(out)"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "stop"),
        ({"stop": 1e-6}, "step"),
        ({"stop": -1.0, "step": 1e-9}, "stop = -1.0"),
        ({"stop": 1e-6, "step": float("nan")}, "step = nan"),
        ({"stop": 1e-6, "step": 1e-3}, "longer"),
        ({"stop": 1e-6, "step": 1e-9, "timeout": 0}, "timeout = 0"),
        ({"stop": 1e-6, "step": 1e-9, "engine": "pspice"}, "engine"),
        ({"stop": 1e-6, "step": 1e-9, "save": ["v(nope)"]}, "v\\(nope\\)"),
        ({"stop": 1e-6, "step": 1e-9, "save": "v(out)"}, "list"),
        ({"stop": 1e-6, "step": 1e-9, "stimuli": {"inope": Sine(1.0, 1.0)}}, "vdrive"),
        ({"stop": 1e-6, "step": 1e-9, "engine": "shared", "keep": "x"}, "keep"),
    ],
)
def test_arguments_that_cannot_be_used(arguments, words):
    with pytest.raises(InputError, match=words):
        simulate(charging(), **arguments)


def test_decks_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError, match="pathlib"):
        simulate("file.cir")
    with pytest.raises(InputError, match="cannot be read"):
        simulate(tmp_path / "missing.cir")
    with pytest.raises(InputError, match="stop, save"):
        simulate(ENDLESS, stop=1.0, save=["v(a)"])
    with pytest.raises(InputError, match="workers = 0"):
        simulate_many([], workers=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="keep"):
        simulate("* t\nv1 a 0 1\nr1 a 0 1\n.op\n.end\n", keep=tmp_path / "file" / "below")


def test_saved_variables_only():
    assert list(simulate(charging(), stop=1e-6, step=1e-8, save=["v(out)"])) == ["v(out)"]
    stimuli = {"vdrive": Sine(1.0, 1e6)}
    states = simulate(device(), stimuli=stimuli, stop=1e-7, step=1e-9, save=["v(xm1.x)"])
    assert list(states) == ["v(xm1.x)"]


def test_saved_variable_that_does_not_exist_inside_a_device():
    with pytest.raises(NetlistError, match=r"v\(xm1\.nope\)"):
        simulate(device(), stop=1e-7, step=1e-9, save=["v(xm1.nope)", "v(xm1.x)"])


def test_version():
    assert ngspice_version().major >= 39
    assert parse_version("** ngspice-46 : Circuit\n** Compiled with KLU Direct Linear Solver").klu
    assert not parse_version("** ngspice-39 : Circuit").klu
    with pytest.raises(EngineNotFoundError, match=r"too old.*apt-get install"):
        parse_version("** ngspice-36 : Circuit")
    with pytest.raises(EngineNotFoundError, match="apt-get install"):
        parse_version("command not found")


def test_missing_ngspice(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineNotFoundError, match=r"apt-get install.*brew install"):
        simulate(charging(), stop=1e-6, step=1e-8)


def test_worker_ends_with_its_program():
    code = (
        "from memsim.spice import simulate; from memsim.spice import shared\n"
        "simulate('* t\\nv1 a 0 1\\nr1 a 0 1\\n.op\\n.end\\n', engine='shared')\n"
        "print(shared._workers[True]._process.pid)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def test_shared_device_has_no_state_between_runs():
    circuit = Circuit("one device")
    circuit.subcircuit(DeviceSubCircuit(Vteam()))
    circuit.V("drive", "a", circuit.gnd, 0.5)
    circuit.X("m1", "vteam", "a", circuit.gnd)
    runs = [simulate(circuit, stop=1e-7, step=1e-9, engine="shared") for _ in range(3)]
    for run in runs[1:]:
        np.testing.assert_array_equal(run["v(xm1.x)"], runs[0]["v(xm1.x)"])
