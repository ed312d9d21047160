"""What cannot be used ends in one clear message and a non-zero exit code, and leaves no file behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from memsim import cli
from memsim.circuits import (
    AlphaTrain,
    Constant,
    CrossbarLayer,
    ExponentialTrain,
    IntegrateAndFire,
    PulseTrain,
    Samples,
    Sine,
    device_bench,
    triangle,
)
from memsim.devices import load_device
from memsim.errors import InputError
from memsim.learn import load_run, make_study, train

MEMSIM = str(Path(sys.executable).with_name("memsim"))
NAN = float("nan")
BODY = "v1 a 0 1\nr1 a 0 1k\n.tran 1n 1u\n"
FILES = {
    "file.txt": "in the way",
    "negative.toml": 'model = "vteam"\n[parameters]\nr_on = -50.0\n',
    "broken.toml": "model = ",
    "negative-study.toml": '[synapses]\ndevice = "negative.toml"\n',
    "unknown-study.toml": '[synapses]\ndevice = "unobtainium"\n',
    "conductance-study.toml": "[synapses]\nconductance_max = 1.0\n",
    "nan-study.toml": "window = nan\n",
    "typo-study.toml": "epoch = 3\n",
    "shell.cir": f"* t\n{BODY}.control\nshell touch pwned\n.endc\n.end\n",
    "system.cir": f"* t\n{BODY}.control\nsystem touch pwned\n.endc\n.end\n",
    "write.cir": f"* t\n{BODY}.control\nrun\nwrdata pwned v(a)\n.endc\n.end\n",
    "include.cir": f"* t\n.include /etc/passwd\n{BODY}.end\n",
    "nan.cir": "* t\nv1 a 0 dc nan\nr1 a 0 1k\n.tran 1n 1u\n.end\n",
    "floating.cir": "* t\ni1 0 a 1\nc1 a b 1n\nr1 c 0 1\n.tran 1n 1u\n.end\n",
    "cut.cir": f"* t\n{BODY}",
    "endless.cir": "* t\nb1 a 0 i=v(a)>0.5?1m:-1m\nr1 a 0 1k\nc1 a 0 1p\n.tran 1n 1u 0 1n uic\n.end\n",
}
# command line, exit code, what the message must say
REFUSED = {
    "unknown circuit": ("run perpetuum", 2, ["unknown circuit 'perpetuum'", "integrate-and-fire-set1"]),
    "missing deck": ("run nowhere.cir", 2, ["nowhere.cir", "cannot be read"]),
    "unknown engine": ("run pulses-knowm-sdc --engine eldo", 2, ["eldo", "ngspice", "torch", "scipy"]),
    "deck in torch": ("run cut.cir --engine torch", 2, ["a deck runs in ngspice, not in torch"]),
    "no number": ("run pulses-knowm-sdc --stop soon", 2, ["'soon' is not a number"]),
    "two readings": ("run pulses-knowm-sdc --stop 1M", 2, ["'1M' can mean milli (SPICE) or mega (SI)"]),
    "negative time": ("run pulses-knowm-sdc --stop -1m", 2, ["stop = -0.001 s"]),
    "tolerance for ngspice": (
        "run pulses-knowm-sdc --tolerance 1e-6",
        2,
        ["--tolerance is for --engine torch"],
    ),
    "tolerance of zero": (
        "run pulses-knowm-sdc --engine torch --tolerance 0",
        2,
        ["tolerance = 0.0 V", "at most 0.1"],
    ),
    "negative time, torch": ("run pulses-knowm-sdc --stop -1m --engine torch", 2, ["stop = -0.001 s"]),
    "negative time, scipy": ("run pulses-knowm-sdc --stop -1m --engine scipy", 2, ["stop = -0.001 s"]),
    "NaN time limit": ("run pulses-knowm-sdc --timeout nan", 2, ["timeout = nan s"]),
    "unwritable waveforms": ("run pulses-knowm-sdc --stop 10u --out file.txt/a.nc", 2, ["file.txt"]),
    "unwritable picture": ("run pulses-knowm-sdc --stop 10u --plot file.txt/a.png", 2, ["file.txt"]),
    "unknown format": ("run pulses-knowm-sdc --stop 10u --out a.xls", 2, ["a.xls", ".nc or .csv"]),
    "shell": ("run shell.cir", 2, ["line 6", "not known to be harmless", "shell touch pwned", "--trust"]),
    "system": ("run system.cir", 2, ["line 6", "system touch pwned", "--trust"]),
    "file written by a deck": ("run write.cir", 2, ["line 7", "wrdata pwned", "--trust"]),
    "include elsewhere": ("run include.cir", 2, ["line 2", "outside the deck's folder", "--trust"]),
    "NaN stimulus in a deck": ("run nan.cir", 1, ["v1 a 0 dc nan"]),
    "floating node": ("run floating.cir", 1, ["node `a`", "What to do"]),
    "deck cut off": ("run cut.cir", 1, ["no `.end`"]),
    "too slow": ("run endless.cir --timeout 1", 1, ["time limit of 1 s", "What to do"]),
    "netlists in a file": ("netlist --out file.txt/decks", 2, ["cannot make the folder file.txt/decks"]),
    "netlist of nothing known": ("netlist perpetuum --out decks", 2, ["unknown circuit 'perpetuum'"]),
    "missing study": ("train nowhere.toml --out new", 2, ["nowhere.toml", "does not exist"]),
    "broken study": ("train broken.toml --out new", 2, ["broken.toml", "cannot be read"]),
    "misspelt entry": ("train typo-study.toml --out new", 2, ["epoch = 3", "did you mean epochs?"]),
    "NaN stimulus": ("train nan-study.toml --out new", 2, ["window = nan", "finite"]),
    "unknown device": ("train unknown-study.toml --out new", 2, ["unobtainium", "pd-wo3-w"]),
    "negative resistance": ("train negative-study.toml --out new", 2, ["r_on = -50.0 ohm", "allowed: above 0"]),
    "conductance out of range": (
        "train conductance-study.toml --out new",
        2,
        ["1.0 S", "4e-06 to 2.5e-05 S"],
    ),
    "no epochs": ("train --epochs 0 --out new", 2, ["epochs = 0"]),
    "unwritable run": ("train --out file.txt/run", 2, ["cannot make the folder file.txt/run"]),
    "nothing to resume": ("train --resume --out new", 2, ["new/study.toml", "does not exist"]),
    "resume with changes": ("train --resume --seed 3 --out new", 2, ["--resume", "--seed"]),
    "no run to verify": ("verify nowhere", 2, ["'nowhere' is no folder of a trained run", "no device card"]),
    "verify a file": ("verify file.txt", 2, ["'file.txt' is no folder of a trained run"]),
    "demo in a file": ("demo --out file.txt/demo", 2, ["cannot make the folder file.txt/demo"]),
    "unknown command": ("simulate", 2, ["simulate"]),
    "unknown option": ("devices --yaml", 2, ["--yaml"]),
}


@dataclass(frozen=True)
class Outcome:
    """Exit code and what was printed."""

    code: int
    message: str


Memsim = Callable[[str], Outcome]


def tree(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


@pytest.fixture
def memsim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Memsim]:
    """Runs the command as its entry point does, in a folder of bad files; at the end they are untouched."""
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    before = tree(tmp_path)

    def run(line: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["memsim", *line.split()])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return Outcome(int(end.value.code or 0), capsys.readouterr().err)

    yield run
    assert tree(tmp_path) == before


@pytest.mark.spice
@pytest.mark.parametrize(("line", "code", "parts"), REFUSED.values(), ids=REFUSED)
def test_refused_with_a_clear_message_and_no_file(memsim: Memsim, line: str, code: int, parts: list[str]):
    outcome = memsim(line)
    assert outcome.code == code
    assert all(part in outcome.message for part in parts), outcome.message
    assert outcome.message.count("memsim: ") <= 1
    assert "Traceback" not in outcome.message


def test_missing_ngspice_is_named_with_the_command_that_installs_it(tmp_path: Path):
    done = subprocess.run(
        [MEMSIM, "run", "pulses-knowm-sdc", "--out", "waves.nc"],
        cwd=tmp_path,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "apt-get install ngspice" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


CONSTRUCTED = {
    "Constant": (lambda: Constant(NAN), "nan"),
    "Sine": (lambda: Sine(1.0, NAN), "nan"),
    "triangle": (lambda: triangle(NAN, 1.0), "nan"),
    "PulseTrain": (lambda: PulseTrain(level=NAN, width=1.0, period=3.0, rise=0.1, fall=0.1), "nan"),
    "AlphaTrain": (lambda: AlphaTrain(1.0, 1e-3, (0.0, NAN)), "nan"),
    "ExponentialTrain": (lambda: ExponentialTrain(NAN, 1e-3), "nan"),
    "Samples": (lambda: Samples((0.0, 1.0), (0.0, NAN)), "nan"),
    "series resistance": (lambda: device_bench(load_device("knowm-sdc"), series_resistance=-1.0), "-1.0"),
    "capacitance": (
        lambda: IntegrateAndFire((load_device("mif-set1"),) * 2, membrane_capacitance=-1e-9),
        "-1e-09",
    ),
    "resistance of a device": (
        lambda: load_device("vteam-memtorch").with_values(r_off=-5.0),
        r"r_off = -5\.0",
    ),
    "card of a device": (lambda: load_device("nowhere.toml"), "nowhere.toml"),
    "name of a device": (lambda: load_device("unobtainium"), "unobtainium"),
}


@pytest.mark.parametrize(("make", "value"), CONSTRUCTED.values(), ids=CONSTRUCTED)
def test_parts_of_a_circuit_name_the_value_they_refuse(make: Callable[[], object], value: str):
    with pytest.raises(InputError, match=value):
        make()


@pytest.mark.parametrize("value", [-1e-6, NAN, float("inf")])
def test_a_crossbar_names_the_cell_whose_conductance_is_impossible(value: float):
    good = np.full((2, 3), 1e-6)
    bad = good.copy()
    bad[1, 2] = value
    with pytest.raises(InputError, match=r"g_minus\[1, 2\] = .* S is out of range"):
        CrossbarLayer(good, bad, 1.0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(make_study(hidden=(4,), epochs=1, batch=700, step=1e-3), folder)
    return folder


# Resuming needs no checkpoint: a run that was interrupted in its first epoch has none, and starts again.
SPOILT = [
    *(
        (damage, command)
        for damage in ("cut", "changed", "pickled")
        for command in ("verify run", "train --resume --out run")
    ),
    ("removed", "verify run"),
]


@pytest.mark.parametrize(("damage", "command"), SPOILT)
def test_a_spoilt_checkpoint_is_refused(
    damage: str, command: str, trained: Path, memsim: Memsim, tmp_path: Path
):
    shutil.copytree(trained, tmp_path / "run")
    try:
        checkpoint = tmp_path / "run/checkpoint.safetensors"
        content = checkpoint.read_bytes()
        spoilt = {
            "cut": content[: len(content) // 2],
            "changed": content[:-100] + bytes([content[-100] ^ 1]) + content[-99:],
            "pickled": b"\x80\x04cposix\nsystem\n(S'touch pwned'\ntR.",
        }
        if damage == "removed":
            checkpoint.unlink()
        else:
            checkpoint.write_bytes(spoilt[damage])
        before = tree(tmp_path)
        outcome = memsim(command)
        assert outcome.code == 2
        assert "run/checkpoint.safetensors" in outcome.message
        assert ("does not exist" if damage == "removed" else "damaged") in outcome.message
        assert tree(tmp_path) == before
    finally:
        shutil.rmtree(tmp_path / "run")


def test_interrupted_training_keeps_what_was_finished(tmp_path: Path):
    """Ctrl-C in the middle of a run: exit code 130, how to go on, whole files only, and going on works."""
    (tmp_path / "study.toml").write_text("hidden = [4]\nepochs = 500\nbatch = 700\nstep = 1e-3\n")
    process = subprocess.Popen(
        # a run in the background of a shell would have the signal ignored
        ["env", "--default-signal=INT", MEMSIM, "train", "study.toml", "--out", "run"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _wait_for(tmp_path / "run/history.csv")
        process.send_signal(signal.SIGINT)
        _, message = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "memsim train --out run --resume" in message
    assert "Traceback" not in message
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "study.toml",
        "checkpoint.safetensors",
        "history.csv",
    }
    assert 1 <= len(load_run(tmp_path / "run").history) < 500


def _wait_for(path: Path, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.05)
