"""What cannot be used ends in one clear message and a non-zero exit code, and leaves no file behind."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from memsim import cli, plots, surrogate
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
from memsim.circuits.catalogue import load_bench
from memsim.crossbar import Crossbar
from memsim.devices import load_device
from memsim.errors import InputError
from memsim.files import write_csv, write_waves
from memsim.fit import read_record
from memsim.learn import devices, load_run, make_study, train
from memsim.learn.data import load_dataset
from memsim.surrogate import reference

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
    "loop.csv": "time [s],voltage [V],current [uA]\n"
    + "".join(f"{k},{(k % 20) - 10},{(k % 20) * (k % 7)}\n" for k in range(60)),
    "bom.toml": "\ufeffepochs = 0\n",
    "deep.toml": "a=" + "[" * 5000,
    "long.toml": f"seed = 1{'0' * 5000}\n",
    "true.toml": "epochs = true\n",
    "big.toml": "hidden = [4096, 4096]\nbatch = 100000\n",
    "staged.toml": 'batch = 100000000\n[[stages]]\nname = "one"\n',
    "kernel.toml": "hidden = [{channels = 4096, kernel = 4096, padding = 4095}]\n",
    "data.toml": 'data = "nowhere"\n',
    "sweep.toml": 'circuit = "pulses-knowm-sdc"\n[measure]\np = {of = "v(top)", what = "peak"}\n',
    "empty.csv": "\n\n",
    "true-card.toml": 'model = "vteam"\n[parameters]\nr_on = true\n',
    "five-card.toml": 'model = "vteam"\ndescription = 5\n',
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
    "time limit for torch": (
        "run pulses-knowm-sdc --engine torch --timeout 5",
        2,
        ["--timeout is for --engine ngspice"],
    ),
    "tolerance of zero": (
        "run pulses-knowm-sdc --engine torch --tolerance 0",
        2,
        ["tolerance = 0.0 is out of range", "1e-12", "to 0.1"],
    ),
    "negative time, torch": ("run pulses-knowm-sdc --stop -1m --engine torch", 2, ["stop = -0.001 s"]),
    "negative time, scipy": ("run pulses-knowm-sdc --stop -1m --engine scipy", 2, ["stop = -0.001 s"]),
    "NaN time limit": ("run pulses-knowm-sdc --timeout nan", 2, ["timeout = nan s"]),
    "unwritable waveforms": ("run pulses-knowm-sdc --stop 10u --out file.txt/a.nc", 2, ["file.txt"]),
    "unwritable picture": ("run pulses-knowm-sdc --stop 10u --plot file.txt/a.png", 2, ["file.txt"]),
    "unknown format": ("run pulses-knowm-sdc --stop 10u --out a.xls", 2, ["a.xls", ".nc, .h5, .csv"]),
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
    "negative resistance": (
        "train negative-study.toml --out new",
        2,
        ["r_on = -50.0 ohm", "allowed: above 0"],
    ),
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
    "run of 1e300 s": (
        "run integrate-and-fire-set1 --engine torch --stop 1e300",
        2,
        ["needs about", "are free here", "longer step or an earlier stop"],
    ),
    "steps of 1 fs for 1 s": (
        "run integrate-and-fire-set1 --engine torch --stop 1 --step 1e-15",
        2,
        ["1e+15 steps", "needs about"],
    ),
    "the same in SciPy": ("run pulses-knowm-sdc --engine scipy --stop 1 --step 1e-15", 2, ["1e+15 steps"]),
    "pulses without end": (
        "run pulses-knowm-sdc --engine torch --stop 1e300 --step 1e299 --tolerance 1e-6",
        2,
        ["pulses", "needs about"],
    ),
    "empty rows": ("fit loop.csv --rows 5:2 --out new", 2, ["'5:2' holds no row", "FIRST < LAST"]),
    "rows beyond the end": ("fit loop.csv --rows 900:990 --out new", 2, ["no rows from 900 to 990"]),
    "no frequency": ("fit loop.csv --frequency 0 --out new", 2, ["frequency = 0.0 Hz", "above 0"]),
    "fitted and predicted": ("fit loop.csv --holdout ./loop.csv --out new", 2, ["given twice"]),
    "wrong encoding": ("fit utf16.csv --out new --encoding utf-8", 2, ["utf16.csv", "--encoding utf-8"]),
    "UTF-16 study": ("train utf16.toml --out new", 2, ["UTF-16", "UTF-8"]),
    "study with a byte order mark": ("train bom.toml --out new", 2, ["bom.toml", "epochs = 0"]),
    "deep study": ("train deep.toml --out new", 2, ["deep.toml", "too deep"]),
    "long number": ("train long.toml --out new", 2, ["long.toml", "64 bits"]),
    "truth as a number": ("train true.toml --out new", 2, ["epochs = True", "whole number"]),
    "deck named as a folder": ("netlist crossbar --rows 2 --columns 2 --out .", 2, ["it is a folder"]),
    "crossbar without end": (
        "netlist crossbar --rows 1000000 --columns 1000000 --out new",
        2,
        ["1000000 word lines and 1000000 bit lines", "needs about"],
    ),
    "network without end": (
        "train big.toml --out new",
        2,
        ["batches of 100000", "needs about", "are free here", "make batch or hidden smaller"],
    ),
    "stages without end": ("train staged.toml --out new", 2, ["batches of 100000000", "needs about"]),
    "kernel without end": ("train kernel.toml --out new", 2, ["needs about"]),
    "processes without end": ("train --devices 100000 --out new", 2, ["100000 processes", "--devices"]),
    "unknown data": ("train data.toml --out new", 2, ["'nowhere' is unknown", "digits"]),
    "picture of nothing": ("plot nowhere.nc", 2, ["nowhere.nc", "no such file"]),
    "picture of a folder": ("plot .", 2, ["it is a folder"]),
    "picture of text": ("plot file.txt", 2, ["not a netCDF file"]),
    "report of nothing": ("report nowhere.nc", 2, ["nowhere.nc", "no such file"]),
    "report of a folder": ("report .", 2, ["study.toml", "does not exist"]),
    "matrix of text": (
        "netlist crossbar --conductances file.txt --out new",
        2,
        ["file.txt", "cannot be read"],
    ),
    "matrix of nothing": (
        "netlist crossbar --conductances empty.csv --out new",
        2,
        ["empty.csv", "no numbers"],
    ),
    "card of truths": ("devices true-card.toml", 2, ["r_on = True is not a number"]),
    "card described by a number": ("devices five-card.toml", 2, ["description = 5", "quotes"]),
    "unknown command": ("simulate", 2, ["simulate"]),
    "unknown option": ("devices --yaml", 2, ["--yaml"]),
}

UTF_16 = {"utf16.csv": FILES["loop.csv"], "utf16.toml": "epochs = 1\n"}
NO_TIME = ("soon", "1M", "-1m", "0", "nan", "inf", "1e999", "''", "5V", "1,2", "0x10")
NO_COUNT = ("-1", "0", "1.5", "nan", "many", "''", "1e3", "9" * 400)
NO_FILE = ("file.txt/x", "nowhere.toml", "/dev/null", ".", "''", "a\x01b")
MOVING = "netlist crossbar --out new --device pd-wo3-w --dynamic --rows 2 --columns 2"
# command, option, and values that it cannot take
SILLY = (
    ("run pulses-knowm-sdc --engine torch", "--stop", NO_TIME),
    ("run pulses-knowm-sdc --engine torch", "--step", NO_TIME),
    ("run pulses-knowm-sdc --engine torch", "--tolerance", ("0", "-1", "nan", "inf", "1", "small")),
    ("run pulses-knowm-sdc", "--timeout", ("0", "-1", "nan", "soon")),
    ("run pulses-knowm-sdc", "--engine", ("eldo", "''", "TORCH!", "1")),
    ("run pulses-knowm-sdc --engine torch --stop 10u", "--out", ("a.xls", "a", "file.txt/a.nc", ".", "''")),
    ("run pulses-knowm-sdc --engine torch --stop 10u", "--plot", ("a.bmp", "a", "file.txt/a.png", ".")),
    ("train --out new", "--epochs", NO_COUNT),
    ("train --out new", "--seed", ("-1", "1.5", "nan", "x", "9" * 400)),
    ("train --out new", "--devices", (*NO_COUNT[:2], "1.5", "x", "1000000000")),
    ("train --out new", "--step-images", ("-1", "1.5", "x")),
    ("train --out new", "--accelerator", ("abacus", "''", "cuda:99", "1")),
    ("train mnist.toml --out new", "--data-dir", ("nowhere", "file.txt", ".", "/dev/null")),
    ("fit loop.csv --out new", "--rows", ("5:2", "0:0", "x", "-5:-2", "1:2:3", "900:")),
    ("fit loop.csv --out new", "--frequency", NO_TIME),
    ("fit loop.csv --out new", "--sample-time", NO_TIME),
    ("fit loop.csv --out new", "--series-resistance", ("-1", "x", "nan", "1,2", "1e999", "5V")),
    ("fit loop.csv --out new", "--columns", ("time", "a,b,c", "time,time,time", "-,-,-", "voltage,current")),
    ("fit loop.csv --out new", "--current-unit", ("V", "x", "kg", "1")),
    ("fit loop.csv --out new", "--voltage-unit", ("A", "x", "kg", "1")),
    ("fit loop.csv --out new", "--model", ("nothing", "''", "VTEAM")),
    ("fit loop.csv --out new --model vteam", "--fix", ("r_on", "r_on=", "r_on=x", "r_on=-1", "nothing=1", "=1")),
    ("fit loop.csv --out new", "--starts", NO_COUNT),
    ("fit loop.csv --out new", "--seed", ("-1", "x", "1.5")),
    ("fit loop.csv --out new", "--kind", ("rings", "''")),
    ("fit loop.csv --out new", "--holdout", ("loop.csv", "./loop.csv", "nowhere.csv", "file.txt", ".", "empty.csv")),
    ("fit loop.csv --out new --kind pulses", "--read-voltage", ("0", "x", "nan", "1e999")),
    ("fit loop.csv --out new --kind pulses", "--conductance-range", ("1", "1,2,3", "5u,1u", "x,y", "-1,1")),
    ("fit loop.csv --out new --kind pulses", "--pulses", ("1", "1,2", "x,y,z,w", "1,0,1,0")),
    ("fit times.csv --out new --kind switching-times", "--states", ("1", "x,y", "0,0", "5,9")),
    ("fit --out new", "", ("nowhere.csv", "file.txt", ".", "empty.csv", "/dev/null", "deep.toml")),
    ("imc", "--workload", ("nothing", "''", *NO_FILE, "deep.toml", "true.toml")),
    ("imc --workload vgg16 --out new", "--card", ("nothing", "''", "adcless-0", "adcless-9999", "deep.toml")),
    ("imc --workload vgg16 --out new", "--compare", ("nothing", "bom.toml", "true.toml")),
    ("imc --workload vgg16 --out new", "--accounting", ("none", "''")),
    ("imc --workload vgg16 --out new", "--clock", ("broken", "''")),
    ("imc --workload vgg16 --out new", "--spike-rate", ("-1", "2", "nan", "inf", "x")),
    ("imc", "", ("nowhere", ".", "file.txt")),
    ("imc .", "--images", NO_COUNT),
    ("sweep sweep.toml", "--out", ("a.csv", "a", ".", "file.txt/a.nc")),
    ("sweep", "", ("nowhere.toml", "broken.toml", "deep.toml", "utf16.toml", "bom.toml", "true.toml", ".")),
    ("verify", "", ("nowhere", "file.txt", ".", "deep.toml", "broken.toml", "true-card.toml", "nothing")),
    ("verify .", "--images", ("x", "1.5", "nan")),
    ("devices", "", ("nothing", "nowhere.toml", "broken.toml", "deep.toml", "utf16.toml", "negative.toml", ".")),
    ("netlist device --out new", "", ("nothing", "nowhere.toml", "deep.toml", "true-card.toml")),
    ("netlist circuits --out new", "", ("nothing", "nowhere.cir", "deep.toml")),
    ("netlist crossbar --out new", "--rows", NO_COUNT),
    ("netlist crossbar --out new", "--columns", NO_COUNT),
    ("netlist crossbar --out new", "--wire-resistance", ("-1", "x", "nan", "1e999", "1M")),
    ("netlist crossbar --out new", "--driver-resistance", ("-1", "x", "nan", "5V")),
    ("netlist crossbar --out new", "--sense-resistance", ("-1", "x", "nan")),
    ("netlist crossbar --out new", "--conductance-min", ("-1", "x", "1", "nan")),
    ("netlist crossbar --out new", "--conductance-max", ("-1", "x", "1p", "nan")),
    ("netlist crossbar --out new", "--floating", ("-1", "64", "x")),
    ("netlist crossbar --out new", "--conductances", ("nowhere.csv", "file.txt", "empty.csv", "utf16.csv", ".")),
    ("netlist crossbar --out new", "--inputs", ("nowhere.csv", "file.txt", "empty.csv", "loop.csv")),
    ("netlist crossbar --out new", "--cell", ("square", "''")),
    ("netlist crossbar --out new", "--device", ("nothing", "deep.toml", "true-card.toml")),
    ("netlist crossbar --out new", "--seed", ("-1", "x", "1.5")),
    (MOVING, "--stop", NO_TIME),
    (MOVING, "--step", NO_TIME),
    (MOVING, "--pulse-width", NO_TIME[:3] + NO_TIME[4:]),  # of 0 is a triangle
    ("plot", "", ("nowhere.nc", "file.txt", ".", "deep.toml", "/dev/null", "/dev/zero")),
    ("report", "", ("nowhere.nc", "file.txt", "deep.toml", "/dev/null", "/dev/zero")),
    ("demo", "--out", ("file.txt/demo", "file.txt")),
)  # fmt: skip


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
    for name, content in UTF_16.items():
        (tmp_path / name).write_text(content, encoding="utf-16")
    before = tree(tmp_path)

    def run(line: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["memsim", *shlex.split(line)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return Outcome(int(end.value.code or 0), capsys.readouterr().err)

    yield run
    assert tree(tmp_path) == before


@pytest.mark.spice
@pytest.mark.parametrize(("line", "code", "parts"), REFUSED.values(), ids=REFUSED)
def test_refused_with_a_clear_message_and_no_file(
    memsim: Memsim, assert_clear: Callable[[str], None], line: str, code: int, parts: list[str]
):
    outcome = memsim(line)
    assert_clear(outcome.message)
    assert outcome.code == code
    assert all(part in outcome.message for part in parts), outcome.message
    assert outcome.message.count("memsim: ") <= 1


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        pytest.param(command, option, value, id=f"{command} {option} {value[:20]}".replace("  ", " "))
        for command, option, values in SILLY
        for value in values
    ],
)
def test_values_that_no_option_takes(
    memsim: Memsim, assert_clear: Callable[[str], None], command: str, option: str, value: str
):
    outcome = memsim(f"{command} {option}={value}" if option else f"{command} {value}")
    assert outcome.code == 2, outcome.message
    assert_clear(outcome.message)
    assert outcome.message.count("memsim: ") <= 1
    assert "━" not in outcome.message  # no bar is drawn before an input is refused


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


def _run(**options: Any) -> object:
    bench = load_bench("pulses-knowm-sdc")
    return surrogate.simulate(bench.circuit, stimuli=bench.stimuli, **options)


def _reference(**options: Any) -> object:
    bench = load_bench("pulses-knowm-sdc")
    return reference.simulate(bench.circuit, stimuli=bench.stimuli, stop=1e-6, step=1e-7, **options)


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
    "name of a device with a null byte": (lambda: load_device("\0.toml"), "null byte"),
    "truth as a resistance": (lambda: load_device("vteam-memtorch").with_values(r_off=True), "r_off = True"),
    "text as a resistance": (lambda: load_device("vteam-memtorch").with_values(r_off="1"), "r_off = '1'"),
    "nothing as a resistance": (lambda: load_device("vteam-memtorch").with_values(r_off=None), "None"),
    "resistance beyond floats": (lambda: load_device("vteam-memtorch").with_values(r_off=10**400), "r_off"),
    "mirror of a crossbar": (lambda: Crossbar(2, 3, g_min=1e-6, g_max=1e-5, mirror_ratio=NAN), "nan"),
    "lines of a crossbar": (lambda: Crossbar(-2, 3, g_min=1e-6, g_max=1e-5), "-2 word lines"),
    "step of a run": (lambda: _run(stop=1.0, step=0.0), "step = 0.0"),
    "end of a run": (lambda: _run(stop=NAN, step=1e-6), "nan"),
    "steps of a run": (lambda: _run(stop=1.0, step=1e-300), "needs about"),
    "stepper of a run": (lambda: _run(stop=1.0, step=0.1, stepper="leapfrog"), "leapfrog"),
    "tolerance of a run": (lambda: _run(stop=1.0, step=0.1, tolerance=NAN), "nan"),
    "method of SciPy": (lambda: _reference(method="leapfrog"), "leapfrog"),
    "tolerance of SciPy": (lambda: _reference(rtol=NAN), "nan"),
    "folder as a record": (lambda: read_record("."), "directory"),
    "record with a null byte": (lambda: read_record("\0"), "null byte"),
    "accelerator": (lambda: devices("abacus"), "abacus"),
    "processors": (lambda: devices("cpu", -1), "-1"),
    "entry of a study": (lambda: make_study(hidden=None), "hidden = None: give a list"),
    "number beyond 64 bits": (lambda: make_study(seed=10**5000), "too many digits"),
    "bins of a data set": (lambda: load_dataset("digits", bins=0), "bins = 0"),
    "time of a spike": (lambda: plots.raster([[NAN]]), "not finite"),
    "no curves": (lambda: plots.waveforms(xr.Dataset(), []), "no variable"),
    "too many curves": (lambda: plots.waveforms(xr.Dataset(), ["a"] * 1000), "1000 variables"),
    "confusion of nothing": (lambda: plots.confusion(np.zeros((0, 0))), "square"),
    "waveforms in a folder": (lambda: write_waves(".", xr.Dataset()), "it is a folder"),
    "table in a folder": (lambda: write_csv(".", xr.Dataset()), "it is a folder"),
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
