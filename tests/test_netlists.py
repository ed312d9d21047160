"""The shipped decks: golden, at home in plain ngspice, harmless, and the same circuit as the torch twin's."""

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from memsim import surrogate
from memsim.circuits.catalogue import CATALOGUE, Bench, load_bench
from memsim.devices import MODELS
from memsim.errors import InputError
from memsim.netlists import bench_deck, write_netlists
from memsim.spice import check_trust, read_raw, simulate

NETLISTS = Path(__file__).parents[1] / "netlists"
DECKS = sorted(NETLISTS.glob("*.cir"))
# Long runs are cut to a few periods here; the conformance tests run them to the end.
STOPS = {"integrate-and-fire-train": 40e-3, "threshold-switching-a": 5e-3, "threshold-switching-b": 0.5e-3}
# Mirrors and virtual grounds are controlled sources, which the twin replaces by its crossbar.
TWINS = [name for name in CATALOGUE if name != "crossbar-neurons"]


def plain_ngspice(arguments: list[str], folder: Path, **options) -> subprocess.CompletedProcess[str]:
    """ngspice as a user runs it, without memsim; an empty home keeps this user's own .spiceinit out."""
    environment = {**os.environ, "HOME": str(folder)}
    return subprocess.run(
        ["ngspice", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def test_the_folder_holds_exactly_what_is_generated_today(tmp_path: Path):
    written = {path.name: path.read_bytes() for path in write_netlists(tmp_path)}
    shipped = {path.name: path.read_bytes() for path in NETLISTS.iterdir()}
    assert sorted(written) == sorted(shipped)
    for name, content in written.items():
        assert content == shipped[name], f"{name} differs; run `memsim netlist` and review the change"


def test_chosen_circuits_are_written_alone(tmp_path: Path):
    paths = list(write_netlists(tmp_path / "new" / "folder", ["pulses-knowm-sdc"]))
    assert paths == [tmp_path / "new" / "folder" / "pulses-knowm-sdc.cir"]
    assert list(paths[0].parent.iterdir()) == paths


def test_one_unknown_name_writes_nothing(tmp_path: Path):
    with pytest.raises(InputError, match=r"unknown circuit 'perpetuum'; known: integrate-and-fire-set1, "):
        list(write_netlists(tmp_path / "out", ["pulses-knowm-sdc", "perpetuum"]))
    assert not (tmp_path / "out").exists()


@pytest.mark.spice
@pytest.mark.parametrize("path", DECKS, ids=lambda path: path.stem)
def test_plain_batch_prints_a_table_of_finite_numbers(path: Path, tmp_path: Path):
    done = plain_ngspice(["-b", str(path)], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^\d+\t(\S+)\t(\S.*?)\s*$", done.stdout, re.MULTILINE)
    table = np.array([[time, *values.split()] for time, values in rows], dtype=float)
    bench = load_bench(path.stem)
    assert np.isfinite(table).all()
    assert table[-1, 0] == pytest.approx(bench.stop)
    # wide tables are printed in several blocks, each with its own time column
    assert len(table) > bench.stop / bench.step / 2
    assert list(tmp_path.iterdir()) == []  # and it writes no files


@pytest.mark.spice
@pytest.mark.parametrize("path", DECKS, ids=lambda path: path.stem)
def test_plain_batch_writes_a_raw_file_of_every_waveform(path: Path, tmp_path: Path):
    done = plain_ngspice(["-b", "-r", "out.raw", str(path)], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    data = read_raw(tmp_path / "out.raw")
    bench = load_bench(path.stem)
    assert set(bench.show) <= set(data)
    assert float(data["time"][-1]) == pytest.approx(bench.stop)
    assert all(np.isfinite(wave).all() for wave in data.values())
    assert all(float(np.ptp(data[name].values)) > 0 for name in bench.show)


@pytest.mark.spice
def test_interactive_run_has_simulated_when_the_prompt_appears(tmp_path: Path):
    deck = NETLISTS / "integrate-and-fire-set1.cir"
    done = plain_ngspice(["-p", str(deck)], tmp_path, input="print maximum(v(mem))\nquit\n")
    peak = re.search(r"maximum\(v\(mem\)\) = (\S+)", done.stdout)
    assert peak is not None, done.stdout + done.stderr
    # the published 45.39 mV
    assert float(peak[1]) == pytest.approx(45.39e-3, abs=5e-6)


@pytest.mark.parametrize("path", DECKS, ids=lambda path: path.stem)
def test_no_deck_asks_for_trust(path: Path):
    check_trust(path.read_text(), path.parent)


def band(bench: Bench, waves: xr.Dataset, name: str, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value of an ngspice waveform within one step of `times`."""
    shifts = np.linspace(-bench.step, bench.step, 9)
    near = np.array([np.interp(times + shift, waves["time"], waves[name]) for shift in shifts])
    return near.min(axis=0), near.max(axis=0)


@pytest.mark.spice
@pytest.mark.parametrize("name", TWINS)
def test_ngspice_and_the_twin_agree(name: str):
    bench = load_bench(name)
    stop = STOPS.get(name, bench.stop)
    spice = simulate(bench.circuit, stimuli=bench.stimuli, stop=stop, step=bench.step)
    twin = surrogate.simulate(bench.circuit, stimuli=bench.stimuli, stop=stop, step=bench.step)
    for wave in bench.show:
        low, high = band(bench, spice, wave, twin["time"].values)
        values = twin[wave].values
        outside = np.maximum(low - values, values - high).max() / np.ptp(spice[wave].values)
        # One step of time for edges that are shorter than a step, and 1 % of the swing. Worst when written:
        # 0.7 %, the state of pulses-knowm-sdc, whose 1 us edges both engines cross in two steps.
        assert float(outside) <= 0.01, wave


@pytest.mark.parametrize("name", MODELS)
def test_verilog_a_carries_every_parameter_state_and_the_reference(name: str):
    text = (NETLISTS / f"{name}.va").read_text()
    device = MODELS[name]()
    declared = dict(re.findall(r"parameter real (\w+) = (\S+?)(?: from .*)?;", text))
    expected = device.values | {f"{state}_0": value for state, value in device.initial.items()}
    assert {key: float(value) for key, value in declared.items()} == pytest.approx(dict(expected), rel=0)
    for state in device.states:
        assert f"ddt(V({state}))" in text
    assert device.reference in text
    assert text.count("module ") == text.count("endmodule") == 1


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_circuit_says_what_it_shows(name: str):
    bench = load_bench(name)
    assert bench_deck(name).splitlines()[0] == f".title {bench.title}"
    assert 0 < bench.step < bench.stop
    assert bench.show
