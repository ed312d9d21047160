"""A sweep that is killed loses at most the runs in flight, and its numbers do not depend on how it was run."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from memsim.files import read_waves
from memsim.sweep import load_sweep, run_sweep

pytestmark = pytest.mark.spice

MEMSIM = str(Path(sys.executable).with_name("memsim"))
STUDY = """deck = "rc.cir"
seed = 1
[grid]
cload = ["1n", "2n"]
[samples]
count = {count}
method = "latin-hypercube"
parameters = {{ rload = {{ from = "500", to = "2k" }}, vin = {{ mean = 1, deviation = 0.1 }} }}
[measure]
final = {{ of = "v(b)", what = "final" }}
"""


def finished(out: Path) -> int:
    """Results on disk."""
    folded = int((read_waves(out)["status"] != 0).sum()) if out.exists() else 0
    return folded + len(list(out.with_name(out.name + ".points").glob("*.json")))


def killed_after(command: list[str], folder: Path, results: int, pause: float) -> None:
    """Start a sweep and kill it, without a chance to tidy up, when it has so many more results."""
    out = folder / "study.nc"
    wanted = finished(out) + results
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 100
        while finished(out) < wanted:
            assert process.poll() is None, "it ended by itself"
            assert time.monotonic() < end, "no result for a long time"
            time.sleep(0.005)
        time.sleep(pause)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def uninterrupted(folder: Path, scheduler: str) -> xr.Dataset:
    study = load_sweep(folder / "study.toml")
    run_sweep(study, folder / "whole.nc", folder=folder, scheduler=scheduler)
    return read_waves(folder / "whole.nc")


def equal(one: xr.Dataset, other: xr.Dataset) -> bool:
    return one.drop_vars("seconds").identical(other.drop_vars("seconds"))


def kill_and_resume(folder: Path, scheduler: str, *, count: int, kills: int, workers: int) -> None:
    (folder / "study.toml").write_text(STUDY.format(count=count // 2))
    chance = np.random.default_rng(7)
    command = [MEMSIM, "sweep", "study.toml", "--workers", str(workers)]
    kept = 0
    for _ in range(kills):
        killed_after(command, folder, int(chance.integers(1, count // kills // 2)), chance.uniform(0, 0.05))
        assert finished(folder / "study.nc") > kept  # what was there stays
        kept = finished(folder / "study.nc")
    assert kept < count
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    data = read_waves(folder / "study.nc")
    assert data["status"].size == count
    assert (data["status"] == 1).all()
    assert not np.isnan(data["final"]).any()
    assert equal(data, uninterrupted(folder, scheduler))
    assert {path.name for path in folder.iterdir()} == {"rc.cir", "study.toml", "study.nc", "whole.nc"}


@pytest.mark.slow
def test_killed_once(rc: Path, scheduler: str):
    kill_and_resume(rc, scheduler, count=24, kills=1, workers=1)


@pytest.mark.slow
def test_200_runs_killed_ten_times(rc: Path, scheduler: str):
    kill_and_resume(rc, scheduler, count=200, kills=10, workers=2)


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def address_in(file: Path) -> str:
    """What Dask wrote there; the file is there before it is whole."""
    wait_until(lambda: file.exists() and file.read_text().endswith("}"))
    return json.loads(file.read_text())["address"]


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen([sys.executable, "-m", *arguments], stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@pytest.mark.slow
def test_the_scheduler_is_lost_and_the_sweep_goes_on_elsewhere(rc: Path, scheduler: str):
    (rc / "study.toml").write_text(STUDY.format(count=30))
    file = rc / "scheduler.json"
    common = ("--scheduler-file", str(file), "--no-dashboard")
    command = [MEMSIM, "sweep", "study.toml", "--scheduler"]
    with running("distributed.cli.dask_scheduler", "--port", "0", "--no-show", *common) as remote:
        address = address_in(file)
        with running("distributed.cli.dask_worker", *common):
            sweep = subprocess.Popen([*command, address], cwd=rc, stderr=subprocess.PIPE, text=True)
            wait_until(lambda: finished(rc / "study.nc") > 2)
            remote.kill()
            message = sweep.communicate(timeout=120)[1]
    assert sweep.returncode == 1
    assert "the Dask scheduler was lost" in message
    assert "Traceback" not in message
    assert 2 < finished(rc / "study.nc") < 60
    study = load_sweep(rc / "study.toml")
    data = run_sweep(study, rc / "study.nc", folder=rc, scheduler=scheduler)
    assert (data["status"] == 1).all()


def test_a_scheduler_of_another_process(rc: Path, scheduler: str):
    (rc / "study.toml").write_text(STUDY.format(count=3))
    file = rc / "scheduler.json"
    common = ("--scheduler-file", str(file), "--no-dashboard")
    with running("distributed.cli.dask_scheduler", "--port", "0", "--no-show", *common):
        address = address_in(file)
        with running("distributed.cli.dask_worker", *common):
            command = [MEMSIM, "sweep", "study.toml", "--out", "far.nc", "--scheduler", address]
            subprocess.run(command, cwd=rc, check=True, capture_output=True, timeout=120)
    assert equal(read_waves(rc / "far.nc"), uninterrupted(rc, scheduler))
