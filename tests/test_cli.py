"""The `memsim` command does what its help says; what it refuses stands in test_bad_input.py."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from memsim.cli import app
from memsim.devices import card_names, load_device
from memsim.files import read_waves
from memsim.learn import load_study

# The whole path in seconds: two updates an epoch of a network of 14 neurons over ten time steps.
STUDY = "hidden = [4]\nepochs = 2\nbatch = 700\nstep = 1e-3\nseed = 3\n"
COMMANDS = ("devices", "netlist", "run", "train", "verify", "demo")
Memsim = Callable[..., str]


@pytest.fixture
def memsim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Memsim:
    """Runs the command in an empty folder, demands success and returns what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return run


def read_csv(path: Path) -> tuple[list[str], np.ndarray]:
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    return header, np.array(rows, dtype=float).T


def test_help_names_every_command(memsim: Memsim):
    text = memsim("--help")
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_shows_an_example(memsim: Memsim, command: str):
    text = memsim(command, "--help")
    assert "Example" in text
    assert f"memsim {command}" in text


def test_installed_command_and_start_up_without_heavy_libraries():
    program = (
        "import sys; from memsim.cli import main; sys.argv = ['memsim', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print([name for name in ('torch', 'PySpice', 'sympy', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    command = Path(sys.executable).with_name("memsim")
    assert subprocess.run([command, "--help"], capture_output=True, check=False).returncode == 0


def test_devices_lists_every_card(memsim: Memsim):
    lines = memsim("devices").splitlines()
    assert [line.split()[0] for line in lines] == card_names()


def test_devices_as_json_holds_the_parameters(memsim: Memsim):
    cards = json.loads(memsim("devices", "--json"))
    assert sorted(cards) == card_names()
    for name, card in cards.items():
        assert card["parameters"] == dict(load_device(name).values)


def test_netlist_writes_what_it_lists(memsim: Memsim, tmp_path: Path):
    out = memsim("netlist", "pulses-knowm-sdc", "crossbar-neurons", "--out", "decks")
    assert out.split() == ["decks/pulses-knowm-sdc.cir", "decks/crossbar-neurons.cir"]
    assert sorted(path.name for path in (tmp_path / "decks").iterdir()) == [
        "crossbar-neurons.cir",
        "pulses-knowm-sdc.cir",
    ]


@pytest.mark.spice
def test_waveforms_are_read_back_from_both_formats(memsim: Memsim, tmp_path: Path):
    for name in ("waves.nc", "folder/waves.csv"):
        assert name in memsim("run", "integrate-and-fire-set1", "--stop", "2m", "--out", name)
    waves = read_waves(tmp_path / "waves.nc")
    assert waves.attrs["engine"].startswith("ngspice-")
    assert waves["v(mem)"].attrs["units"] == "V"
    header, table = read_csv(tmp_path / "folder/waves.csv")
    assert header[0] == "time [s]"
    # the same deck gives the same numbers, and both formats keep every digit
    np.testing.assert_array_equal(table[0], waves["time"])
    np.testing.assert_array_equal(table[header.index("v(mem) [V]")], waves["v(mem)"])
    assert float(waves["time"][-1]) == pytest.approx(2e-3)


@pytest.mark.spice
def test_three_engines_give_the_published_peak(memsim: Memsim, tmp_path: Path):
    for engine in ("ngspice", "torch", "scipy"):
        memsim(
            *("run", "integrate-and-fire-set1", "--engine", engine),
            *("--stop", "2m", "--step", "5u", "--out", f"{engine}.nc"),
        )
        peak = float(read_waves(tmp_path / f"{engine}.nc")["v(mem)"].max())
        # published as 45.39 mV, so known to 5 uV
        assert peak == pytest.approx(45.39e-3, abs=5e-6), engine


@pytest.mark.spice
def test_a_picture_of_a_run(memsim: Memsim, tmp_path: Path):
    memsim("run", "pulses-knowm-sdc", "--stop", "100u", "--plot", "pulses.png")
    assert (tmp_path / "pulses.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.spice
def test_the_user_s_own_deck(memsim: Memsim, tmp_path: Path):
    (tmp_path / "my.cir").write_text("* rc\nv1 a 0 1\nr1 a b 1k\nc1 b 0 1n ic=0\n.tran 10n 5u uic\n.end\n")
    out = memsim("run", "my.cir", "--out", "my.nc")
    assert "v(b)" in out
    # after 5 RC: 1 - exp(-5); ngspice's default tolerance is 1e-3
    assert float(read_waves(tmp_path / "my.nc")["v(b)"][-1]) == pytest.approx(1 - np.exp(-5), abs=1e-3)


@pytest.mark.spice
def test_trust_lets_a_deck_run_a_command(memsim: Memsim, tmp_path: Path):
    proof = tmp_path / "proof"
    (tmp_path / "own.cir").write_text(
        f"* t\nv1 a 0 1\nr1 a 0 1k\n.tran 1n 1u\n.control\nshell touch {proof}\n.endc\n.end\n"
    )
    memsim("run", "own.cir", "--trust")
    assert proof.exists()


@pytest.mark.spice
def test_a_device_is_verified(memsim: Memsim):
    lines = memsim("verify", "memdiode").splitlines()
    assert [line.split()[0] for line in lines] == ["sine"] * 3 + ["triangle"] * 3 + ["pulses"] * 3
    told = json.loads(memsim("verify", "memdiode", "--json"))
    assert told["worst"] == max(row["error_within_a_step"] for row in told["runs"]) <= 5e-3


def test_torch_adapts_its_steps_to_a_tolerance(memsim: Memsim):
    run = ("run", "hysteresis-knowm-sdc", "--engine", "torch", "--step", "1m", "--json")
    coarse, fine = (json.loads(memsim(*run, "--tolerance", t).splitlines()[-1]) for t in ("1e-3", "1e-6"))
    assert fine["steps"] > 2 * coarse["steps"]
    assert fine["waveforms"]["v(xm1.x)"]["error"] < 0.1 * coarse["waveforms"]["v(xm1.x)"]["error"]


@pytest.mark.parametrize("engine", ["torch", "scipy"])
def test_a_run_says_by_how_much_it_errs(memsim: Memsim, engine: str):
    lines = memsim("run", "hysteresis-knowm-sdc", "--engine", engine, "--step", "100u").splitlines()
    assert any(line.split()[0] == "v(xm1.x)" and "error" in line for line in lines)


@pytest.mark.spice
def test_train_resume_and_verify(memsim: Memsim, tmp_path: Path):
    (tmp_path / "my.toml").write_text(STUDY)
    out = memsim("train", "my.toml", "--out", "run", "--seed", "7", "--epochs", "1")
    assert "test accuracy" in out
    told = json.loads(memsim("train", "my.toml", "--out", "told", "--epochs", "1", "--json").splitlines()[-1])
    assert (told["out"], told["epoch"], told["steps"]["images"]) == ("told", 1, 450)
    study = load_study(tmp_path / "run/study.toml")
    assert (study.seed, study.epochs, study.hidden) == (7, 1, (4,))
    page = (tmp_path / "run/report.html").read_text()
    assert "http://" not in page.replace(
        "http://www.w3.org", ""
    )  # nothing is fetched; W3's are names, not links
    assert "https://" not in page
    assert "after 1 epochs" in memsim("train", "--resume", "--out", "run")
    out = memsim("verify", "run", "--images", "2")
    assert "2 images" in out
    saved = json.loads((tmp_path / "run/verification.json").read_text())
    assert saved["images"] == 2
    assert "same class as the torch twin" in (tmp_path / "run/report.html").read_text()
    told = json.loads(memsim("verify", "run", "--images", "2", "--json").splitlines()[-1])
    assert {name: told[name] for name in saved} == saved
    assert "page.html" in memsim("report", "run", "--out", "page.html")
    assert "same class as the torch twin" in (tmp_path / "page.html").read_text()
    assert not list(tmp_path.rglob("*.tmp"))
