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


def test_pulse_files(run, tmp_path):
    rows = np.linspace(1e-6, 5e-6, 30)[:, None] * np.ones(2)
    np.savetxt(tmp_path / "up.csv", rows, delimiter=",", header="r1,r2", comments="")
    assert "30 pulses, 2 ramps" in run("up.csv", "--kind", "pulses")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "perfect"], "unknown model 'perfect'"),
        (["--fix", "r_on"], "names no value"),
        (["--frequency", "1,2,3"], "holds 3 values"),
        (["--rows", "a:b"], "is no range"),
    ],
)
def test_bad_options(loop, tmp_path, options, words):
    save(tmp_path / "mine.csv", loop())
    with pytest.raises(InputError, match=words):
        CliRunner().invoke(app, ["fit", str(tmp_path / "mine.csv"), *options], catch_exceptions=False)
