"""ngspice killed, hanging, out of disk, its raw file cut off, workers lost: the right error, or another attempt."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from distributed import LocalCluster

from memsim import spice
from memsim.errors import (
    BadResultError,
    EngineCrashedError,
    EngineNotFoundError,
    InputError,
    SimulationTimeoutError,
)
from memsim.files import read_waves
from memsim.spice import read_netlist
from memsim.sweep import make_sweep, run_sweep
from memsim.sweep.decks import ParametricDeck
from memsim.sweep.run import evaluate
from memsim.sweep.study import Measure

pytestmark = pytest.mark.spice

# About 0.5 s of ngspice: long enough to do it harm, and 6 MB of raw file
DECK = "* rc\n.param vin=1\nv1 a 0 {vin}\nr1 a b 1k\nc1 b 0 1n ic=0\n.tran 1n 200u uic\n.end\n"
ENDLESS = "* endless\nb1 a 0 i=v(a)>0.5?1m:-1m\nr1 a 0 1k\nc1 a 0 1p\n.tran 1n 1u 0 1n uic\n.end\n"
FINAL = {"final": Measure(of="v(b)", what="final")}
PATIENCE = 60.0


def simulators(folder: Path) -> list[int]:
    """Process numbers of the ngspice programs that work in a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (entry / "comm").read_text().strip() == "ngspice" and Path(
                entry / "cwd"
            ).readlink().is_relative_to(folder):
                found.append(int(entry.name))
    return found


def wait_for(condition: Callable[[], object]) -> object:
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
    return found


@contextmanager
def signalled(folder: Path, signals: list[int]) -> Iterator[None]:
    """Send each signal to an ngspice of its own, as they appear."""

    def harm() -> None:
        seen: set[int] = set()
        for number in signals:
            (pid, *_) = wait_for(lambda: [pid for pid in simulators(folder) if pid not in seen])
            seen.add(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    thread = threading.Thread(target=harm)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which memsim runs ngspice; a test leaves it empty."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_ngspice_killed(scratch: Path):
    with signalled(scratch, [signal.SIGKILL]), pytest.raises(EngineCrashedError, match="signal 9"):
        spice.simulate(DECK, trust=True)
    assert list(scratch.iterdir()) == []


def test_ngspice_hanging(scratch: Path):
    with (
        signalled(scratch, [signal.SIGSTOP]),
        pytest.raises(SimulationTimeoutError, match="time limit of 2 s"),
    ):
        spice.simulate(DECK, trust=True, timeout=2)
    assert simulators(scratch) == []
    assert list(scratch.iterdir()) == []


def test_a_point_whose_ngspice_was_killed_is_run_again(scratch: Path):
    subject = ParametricDeck(read_netlist(DECK, trust=True), timeout=PATIENCE)
    with signalled(scratch, [signal.SIGKILL]):
        outcome = evaluate(subject, {"vin": 2.0}, FINAL)
    assert outcome.error == ""
    assert outcome.values["final"] == pytest.approx(2.0, rel=1e-3)
    with signalled(scratch, [signal.SIGKILL, signal.SIGKILL]):
        outcome = evaluate(subject, {"vin": 2.0}, FINAL)
    assert outcome.error.startswith("EngineCrashedError: ngspice was ended by signal 9")


def test_a_point_that_hangs_is_recorded(scratch: Path):
    outcome = evaluate(ParametricDeck(read_netlist(ENDLESS), timeout=1.0), {}, FINAL)
    assert outcome.error.startswith("SimulationTimeoutError: ")
    assert simulators(scratch) == []


def test_memsim_killed_leaves_no_simulator_running(scratch: Path):
    program = (
        f"import tempfile; tempfile.tempdir = {str(scratch)!r}\n"
        f"from memsim import spice; spice.simulate({ENDLESS!r}, timeout=1)"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        wait_for(lambda: simulators(scratch))
    finally:
        process.kill()
        process.wait()
    wait_for(lambda: not simulators(scratch))  # the kernel ends it at its limit of processor time


def test_raw_file_larger_than_allowed(scratch: Path):
    """In a process of its own, because the limit holds for every file that a process writes."""
    program = (
        f"import tempfile; tempfile.tempdir = {str(scratch)!r}\n"
        "from memsim import spice\nfrom memsim.errors import EngineCrashedError\n"
        f"try:\n    spice.simulate({DECK!r}, trust=True)\n"
        "except EngineCrashedError as error:\n    print(error)"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, preexec_fn=limit
    )
    assert "no room for its results" in done.stdout
    assert "TMPDIR" in done.stdout
    assert list(scratch.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system can only be mounted as root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_disk_full_while_ngspice_writes(small_disk: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    with pytest.raises(EngineCrashedError, match="no room for its results"):
        spice.simulate(DECK, trust=True)
    assert list(small_disk.iterdir()) == []
    (small_disk / "fill").write_bytes(bytes(300_000))
    with suppress(OSError):
        (small_disk / "rest").write_bytes(bytes(300_000))
    with pytest.raises(EngineCrashedError, match=r"the deck cannot be written|no folder can be made"):
        spice.simulate(DECK, trust=True)


def test_disk_full_while_a_sweep_keeps_its_results(small_disk: Path, scheduler: str):
    (small_disk / "rc.cir").write_text(DECK.replace("200u", "5u"))
    study = make_sweep(deck="rc.cir", grid={"vin": list(range(1, 9))}, measure=FINAL)
    out = small_disk / "out.nc"

    def fill(progress) -> None:
        if progress.done == 3:
            (small_disk / "fill").write_bytes(bytes(shutil.disk_usage(small_disk).free))

    with pytest.raises(InputError, match="no space left on device"):
        run_sweep(study, out, folder=small_disk, scheduler=scheduler, progress=fill)
    (small_disk / "fill").unlink()
    done: list[int] = []
    data = run_sweep(
        study, out, folder=small_disk, scheduler=scheduler, progress=lambda p: done.append(p.done)
    )
    assert done[0] == 3  # what was there is still there
    assert not list(small_disk.glob(".*"))
    np.testing.assert_allclose(data["final"], np.arange(1, 9) * (1 - np.exp(-5)), rtol=1e-3)


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.999])
def test_truncated_raw_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: float):
    """The real ngspice, whose raw file loses its end before memsim reads it."""
    wrapper = tmp_path / "ngspice"
    wrapper.write_text(
        f'#!/bin/sh\n"{shutil.which("ngspice")}" "$@" || exit\n[ -f out.raw ] || exit 0\n'
        f'size=$(stat -c %s out.raw)\ntruncate -s $(awk "BEGIN {{print int($size * {kept})}}") out.raw\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises((BadResultError, EngineCrashedError)) as caught:
        spice.simulate(DECK.replace("200u", "5u"), trust=True, keep=tmp_path / "kept")
    if kept == 0.5:  # what is there is handed on
        assert 1000 < caught.value.partial.sizes["time"] < 5000
        with pytest.raises(BadResultError, match="cut off"):
            spice.read_raw(tmp_path / "kept/deck.raw")


def test_worker_lost(tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs of a killed worker are done by another; a point whose workers all die is recorded."""
    monkeypatch.setenv("TMPDIR", str(scratch))  # of the workers, too
    (tmp_path / "rc.cir").write_text(DECK)
    study = make_sweep(deck="rc.cir", grid={"vin": [1, 2, 3, 4]}, measure=FINAL)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=100) as cluster:
        address = cluster.scheduler_address
        killed: set[int] = set()

        def kill_workers(count: int) -> None:
            pids = {nanny.pid for nanny in list(cluster.workers.values())} - killed - {None}
            for pid in list(pids)[:count]:  # the others are being started again
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)

        def kill(progress) -> None:
            if progress.done in (1, 2):
                kill_workers(1)

        data = run_sweep(study, tmp_path / "out.nc", folder=tmp_path, scheduler=address, progress=kill)
        np.testing.assert_allclose(data["final"], [1, 2, 3, 4], rtol=1e-3)
        assert (data["status"] == 1).all()

        cluster.scheduler.allowed_failures = 0
        one = make_sweep(deck="rc.cir", grid={"vin": [5]}, measure=FINAL)
        wait_for(lambda: not simulators(scratch))  # what killed workers had started

        def kill_all() -> None:
            wait_for(lambda: simulators(scratch))
            kill_workers(2)

        killer = threading.Thread(target=kill_all)
        killer.start()
        run_sweep(one, tmp_path / "one.nc", folder=tmp_path, scheduler=address)
        killer.join()
    data = read_waves(tmp_path / "one.nc")
    assert data["status"].values.tolist() == [2]
    assert "KilledWorker" in str(data["error"].values[0])


@pytest.mark.parametrize("remote", [False, True])
def test_a_sweep_without_ngspice_stops_and_records_no_failures(
    remote: bool, tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
):
    """Found before the first point here, by the first point on a worker; either way no point is spent."""
    (tmp_path / "rc.cir").write_text(DECK.replace("200u", "5u"))
    study = make_sweep(deck="rc.cir", grid={"vin": [1, 2, 3]}, measure=FINAL)
    place = {"scheduler": scheduler} if remote else {}
    with monkeypatch.context() as without:
        without.setenv("PATH", str(tmp_path))
        with pytest.raises(EngineNotFoundError, match="not on the PATH"):
            run_sweep(study, tmp_path / "out.nc", folder=tmp_path, **place)
    data = run_sweep(study, tmp_path / "out.nc", folder=tmp_path, scheduler=scheduler)
    assert (data["status"] == 1).all()  # all were run, none had to be retried
