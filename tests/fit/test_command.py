"""`memsim fit` from files to a card."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from memsim.cli import app
from memsim.devices import load_device
from memsim.errors import InputError


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        result = CliRunner().invoke(app, ["fit", *arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return call


def save(path, record):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["voltage (V)", "current (uA)"])
        writer.writerows(np.column_stack([record.drive, record.current * 1e6]).tolist())


def test_a_loop_becomes_a_card(run, loop, tmp_path):
    save(tmp_path / "mine.csv", loop(noise=0.005))
    options = [
        "--frequency",
        "100",
        "--series-resistance",
        "5k",
        "--model",
        "metastable-switch",
        "--starts",
        "4",
    ]
    output = run("mine.csv", *options, "--no-capacitance", "--out", "result")
    assert "metastable-switch" in output
    assert "95 %" in output
    numbers = json.loads((tmp_path / "result" / "fit.json").read_text())
    assert numbers[0]["error"] < 0.05
    assert (tmp_path / "result" / "overlay.png").stat().st_size > 5_000
    assert load_device(tmp_path / "result" / "metastable-switch.toml").values["r_on"] > 0
    told = json.loads(run("mine.csv", *options, "--no-capacitance", "--json").splitlines()[-1])
    assert told["mine"][0]["parameters"] == numbers[0]["parameters"]  # the same seed


@pytest.fixture
def ramps(tmp_path):
    """Files of currents at 0.1 V, 30 pulses up and 20 down, two ramps each."""
    for name, first, last, pulses in (("up", 1e-7, 5e-7, 30), ("down", 5e-7, 1e-7, 20)):
        rows = np.linspace(first, last, pulses)[:, None] * [1.0, 1.02]
        np.savetxt(tmp_path / f"{name}.csv", rows, delimiter=",", header="r1,r2", comments="")


@pytest.mark.usefixtures("ramps")
def test_pulse_files(run, tmp_path):
    output = run("up.csv", "down.csv", "--kind", "pulses", "--read-voltage", "0.1", "--json", "--out", "p")
    assert "potentiation: 30 pulses, 2 ramps" in output
    told = json.loads(output.splitlines()[-1])
    assert told == json.loads((tmp_path / "p" / "fit.json").read_text())
    assert told["depression"]["unit"] == "S"
    low, high = told["potentiation"]["intervals_95"]["end"]
    assert low <= 5.05e-6 <= high
    # as conductances: 1 to 5 uS and half a span beyond, or half of the lowest
    assert load_device(tmp_path / "p" / "spread-switch.toml").values["r_on"] < 1 / 5e-6
    assert (tmp_path / "p" / "overlay.png").stat().st_size > 5_000


@pytest.mark.usefixtures("ramps")
def test_pulse_files_without_what_a_card_needs(run, tmp_path):
    assert "there is no depression" in run("up.csv", "--kind", "pulses", "--out", "p")
    assert "--read-voltage" in run("up.csv", "down.csv", "--kind", "pulses", "--out", "p")
    assert not list((tmp_path / "p").glob("*.toml"))
    assert (tmp_path / "p" / "overlay.png").exists()


def test_switching_time_files(run, tmp_path):
    voltage = np.linspace(0.4, 0.8, 8)
    # a rate that grows tenfold every 100 mV
    rows = np.column_stack([voltage, 1e-3 * 10 ** (-10 * (voltage - 0.4))])
    np.savetxt(tmp_path / "times.csv", rows, delimiter=",", header="voltage,time", comments="")
    told = json.loads(run("times.csv", "--kind", "switching-times", "--json", "--out", "t").splitlines()[-1])
    # logistic rates far below their threshold are exponential
    assert told["times"]["metastable-switch"]["error_decades"] < 0.1
    assert load_device(tmp_path / "t" / "times-metastable-switch.toml").values["tau"] > 0
    assert (tmp_path / "t" / "overlay.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "perfect"], "unknown model 'perfect'"),
        (["--fix", "r_on"], "names no value"),
        (["--frequency", "1,2,3"], "holds 3 values"),
        (["--rows", "a:b"], "is no range"),
        (["--kind", "pulses", "--pulses", "1,1u"], "holds 2 values"),
        (["--kind", "pulses", "--conductance-range", "5u"], "holds one value"),
        (["--kind", "switching-times", "--states", "0"], "holds one value"),
    ],
)
def test_bad_options(loop, tmp_path, options, words):
    save(tmp_path / "mine.csv", loop())
    with pytest.raises(InputError, match=words):
        CliRunner().invoke(app, ["fit", str(tmp_path / "mine.csv"), *options], catch_exceptions=False)
