"""Whatever a file holds, memsim ends in one of its own errors: no crash, no hang, no code run, no file made elsewhere.

The default suite tries a few inputs of every kind; `pytest -m slow tests/test_hostile_input.py` tries 10 800.
"""

from __future__ import annotations

import gzip
import io
import json
import signal
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import torch
import xarray as xr
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save
from scipy.io import wavfile

from memsim import plots, spice
from memsim.devices import card_names, load_card
from memsim.errors import MemsimError
from memsim.files import read_waves, write_waves
from memsim.fit import Layout, read_record
from memsim.imc.hardware import load_hardware
from memsim.imc.workloads import load_workload
from memsim.learn import build, load_study, make_study, train
from memsim.learn.checkpoint import _digest, load_checkpoint
from memsim.learn.data import load_dataset
from memsim.learn.data.idx import read_idx
from memsim.learn.data.nmnist import read_atis
from memsim.learn.study import Study
from memsim.report.data import write_data_report
from memsim.sweep import load_sweep
from memsim.sweep.decks import deck_subject
from memsim.sweep.plan import make_plan
from memsim.sweep.subject import ShippedCircuit
from memsim.variability import load_spread

# of hypothesis itself: about inputs too long to print, and about random numbers that other tests' threads draw
pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")

SECONDS = 20  # for one input; the slowest that is well-meant takes less than one
FEW, MANY = 20, 1200
EXAMPLES = pytest.mark.parametrize(
    "examples", [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.slow)]
)
ROOT = Path(__file__).parent.parent
CARDS = ROOT / "memsim/devices/cards"


class Hang(BaseException):
    """An input took longer than any well-meant one."""


@pytest.fixture(autouse=True)
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder `work` to run in; at the end nothing lies beside it, and no input has hung."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(work))

    def too_slow(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, too_slow)
    yield work
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


def fuzz(read: Callable[[Any], object], inputs: st.SearchStrategy, examples: int, keep: set[str]) -> None:
    """Feed inputs to a reader that may refuse them, in a folder where afterwards only `keep` may lie."""

    def once(content: Any) -> None:
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        with suppress(MemsimError):
            read(content)
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert {path.name for path in Path.cwd().iterdir()} <= keep

    chosen = settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    chosen(given(inputs)(once))()


# --- bytes: what is valid, with pieces cut, doubled, changed and put in


@st.composite
def damaged(draw: st.DrawFn, valid: list[bytes], words: list[bytes]) -> bytes:
    content = bytearray(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(content)))
        to = min(len(content), at + draw(st.sampled_from([0, 1, 2, 8, 60, 10_000])))
        kind = draw(st.sampled_from(["cut", "double", "flip", "word", "noise"]))
        if kind == "cut":
            del content[at:to]
        elif kind == "double":
            content[at:at] = content[at:to]
        elif kind == "flip" and at < len(content):
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "word":
            content[at:to] = draw(st.sampled_from(words))
        else:
            content[at:to] = draw(st.binary(max_size=12))
    return bytes(content)


# --- tables: what is valid, with entries removed, renamed and replaced by values nobody would write

ODD = [
    0, -1, 1, 2**31, 2**63 - 1, -(2**63), 1e308, -1e308, 5e-324, float("nan"), float("inf"), True, "", "x" * 5000,
    "1M", "1e999", "../../etc/passwd", "/dev/zero", "/", ".", "~", "$(touch pwned)", "`touch pwned`", "; touch pwned",
    "\u0000", "\u2028", "ä", "nan", [], [[]], [1, 2, 3], ["a", 1], {}, {"from": 1, "to": 2}, {"a": {"b": {"c": 1}}},
    [0.0] * 2000, 10**6, 4096,
]  # fmt: skip


@st.composite
def odd_tables(draw: st.DrawFn, valid: list[dict[str, Any]]) -> bytes:
    table = _copied(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(1, 4))):
        place, key = _somewhere(draw, table)
        kind = draw(st.sampled_from(["replace", "remove", "rename", "add"]))
        if kind == "add" or key is None:
            place[draw(st.sampled_from(["x", "model", "__class__", "a.b", "", "xm1.r_on"]))] = _odd(draw)
        elif kind == "replace":
            place[key] = _odd(draw)
        elif kind == "remove":
            del place[key]
        else:
            place[draw(st.text(max_size=8))] = place.pop(key)
    return tomli_w.dumps(table).encode()


def _odd(draw: st.DrawFn) -> Any:
    return _copied(draw(st.sampled_from(ODD)))


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list | tuple) else value


def _somewhere(draw: st.DrawFn, table: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """A table inside the table, and one of its keys."""
    while True:
        key = draw(st.sampled_from(sorted(table))) if table else None
        if key is None or not isinstance(table[key], dict) or draw(st.booleans()):
            return table, key
        table = table[key]


def toml(valid: list[dict[str, Any]]) -> st.SearchStrategy[bytes]:
    texts = [tomli_w.dumps(table).encode() for table in valid]
    words = [
        b"[",
        b"]",
        b"=",
        b"\n",
        b'"',
        b"{",
        b"}",
        b".",
        b"nan",
        b"1e999",
        b"[[" * 50,
        b"\xff\xfe",
        b"a=" + b"[" * 3000,
    ]
    return st.one_of(odd_tables(valid), damaged(texts, words))


def written(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    def from_bytes(content: bytes) -> object:
        Path(name).write_bytes(content)
        return read(Path(name))

    return from_bytes


# --- the kinds

STUDY = make_study(
    hidden=(4, {"channels": 2, "kernel": 3}),
    parameters={"cmem": {"spread": 0.1}},
    synapses={"mirror_ratio": 0.3},
)
SWEEP = {
    "circuit": "integrate-and-fire-set1",
    "stop": "2m",
    "seed": 1,
    "grid": {"iin.peak": ["1u", 2e-6], "cmem": {"from": "1n", "to": "2n", "points": 3, "spacing": "log"}},
    "samples": {
        "count": 8,
        "method": "sobol",
        "parameters": {"xm1.r_on": {"spread": 0.1}, "v1": {"mean": 0, "deviation": 1}},
    },
    "corners": {"slow": {"xm1.tau": "120u"}},
    "measure": {
        "peak": {"of": "v(mem)", "what": "peak"},
        "n": {"of": "v(mem)", "what": "spike-count", "level": "20m"},
    },
}
DECK_SWEEP = {"deck": "my.cir", "grid": {"r": [1, 2]}, "measure": {"peak": {"of": "v(a)", "what": "peak"}}}


@EXAMPLES
def test_studies(examples: int):
    tables = [
        STUDY.model_dump(mode="json", exclude_none=True),
        Study().model_dump(mode="json", exclude_none=True),
    ]
    fuzz(written("s.toml", load_study), toml(tables), examples, {"s.toml"})


@EXAMPLES
def test_sweeps(examples: int):
    def planned(path: Path) -> object:
        study = load_sweep(path)
        if study.deck:
            subject = deck_subject(path.parent / study.deck, 1.0, trust=False)
        else:
            subject = ShippedCircuit(str(study.circuit), study.engine, study.stop, study.step, 1.0)
        return make_plan(study, subject.parameters())

    fuzz(written("s.toml", planned), toml([SWEEP, DECK_SWEEP]), examples, {"s.toml"})


@EXAMPLES
def test_device_cards(examples: int):
    tables = [tomllib.loads((CARDS / f"{name}.toml").read_text()) for name in card_names()]
    fuzz(written("c.toml", load_card), toml(tables), examples, {"c.toml"})


@EXAMPLES
def test_hardware_cards(examples: int):
    tables = [tomllib.loads(path.read_text()) for path in sorted((ROOT / "memsim/imc/cards").glob("*.toml"))]
    fuzz(written("c.toml", load_hardware), toml(tables), examples, {"c.toml"})


CSVS = [
    b"time [s],voltage [V],current [uA]\n" + b"".join(b"%g,%g,%g\n" % (t, t % 1, t % 0.7) for t in range(40)),
    b"V;I\r\n" + b"".join(b"0,%d;1,%d\r\n" % (t % 5, t % 7) for t in range(40)),
    b"# instrument\n\nVoltage (mV)\tCurrent (A)\n" + b"".join(b"%d\t%de-6\n" % (t, t % 3) for t in range(40)),
]
CSV_WORDS = [
    b",", b";", b"\t", b"\n", b"\r", b'"', b"nan", b"inf", b"-", b"1e400", b"=cmd|' /C calc'!A0", b"\xff\xfe", b"\x00",
    b"time", b"9" * 400, b"1,2,3,4,5,6,7,8\n", b"\xef\xbb\xbf", b",,,,", b"0x10", b"1_000",
]  # fmt: skip


@EXAMPLES
def test_measurements(examples: int):
    def recorded(path: Path) -> object:
        return read_record(path, Layout(frequency=100.0))

    fuzz(written("m.csv", recorded), damaged(CSVS, CSV_WORDS), examples, {"m.csv"})


RAW = [
    b"Title: t\nDate: d\nPlotname: Transient Analysis\nFlags: real\nNo. Variables: 2\nNo. Points: 3\nVariables:\n"
    b"\t0\ttime\ttime\n\t1\tv(a)\tvoltage\nBinary:\n" + bytes(range(48)),
    b"Title: t\nPlotname: AC Analysis\nFlags: complex\nNo. Variables: 2\nNo. Points: 2\nVariables:\n"
    b"\t0\tfrequency\tfrequency\n\t1\tv(a)\tvoltage\nBinary:\n" + bytes(64),
    b"Title: t\nPlotname: Operating Point\nFlags: real\nNo. Variables: 1\nNo. Points: 1\nVariables:\n"
    b"\t0\tv(a)\tvoltage\nBinary:\n" + bytes(8),
]
RAW_WORDS = [
    b"Binary:\n", b"Title:", b"No. Points: 999999999999\n", b"No. Variables: 0\n", b"No. Variables: 99999999\n", b"\t",
    b"\n", b"Flags: complex\n", b"Flags: real unpadded\n", b"Values:\n", b"-1", b"\xb2", b"\x00" * 8, b"\xff" * 8,
]  # fmt: skip


@EXAMPLES
def test_raw_files(examples: int):
    fuzz(written("r.raw", spice.read_raw), damaged(RAW, RAW_WORDS), examples, {"r.raw"})


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(make_study(hidden=(4,), epochs=1, batch=700, step=1e-3), folder)
    return folder


@EXAMPLES
def test_damaged_checkpoints(checkpoint: Path, examples: int):
    network, _ = build(load_study(checkpoint / "study.toml"), None)
    content = (checkpoint / "checkpoint.safetensors").read_bytes()
    words = [
        b"\x80\x04cposix\nsystem\n(S'touch pwned'\ntR.",
        b"\xff" * 8,
        b"\x00" * 8,
        b"{",
        b"}",
        b'"dtype":"F64"',
        b"[0,9]",
    ]
    fuzz(
        written("checkpoint.safetensors", lambda path: load_checkpoint(path.parent.absolute(), network)),
        damaged([content, b"\x80\x04cposix\nsystem\n(S'touch pwned'\ntR."], words),
        examples,
        {"checkpoint.safetensors"},
    )


@st.composite
def forged(draw: st.DrawFn, valid: bytes) -> bytes:
    """Tensors that somebody chose, under a digest that fits."""
    tensors = load(valid)
    tensors.pop("digest")
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(tensors)))
        kind = draw(st.sampled_from(["drop", "rename", "type", "shape", "fill", "empty"]))
        value = tensors.pop(name)
        if kind == "rename":
            tensors[draw(st.sampled_from(["history", "generator", "network.x", "x"]))] = value
        elif kind == "type":
            tensors[name] = value.to(
                draw(st.sampled_from([torch.uint8, torch.float64, torch.float32, torch.bool]))
            )
        elif kind == "shape":
            tensors[name] = value.reshape(1, -1).repeat(draw(st.integers(1, 3)), 1).contiguous()
        elif kind == "fill":
            odd = draw(st.sampled_from([float("nan"), float("inf"), -5.0, 1e30]))
            tensors[name] = (
                torch.full_like(value, odd) if value.is_floating_point() else torch.zeros_like(value)
            )
        elif kind == "empty":
            tensors[name] = value.new_zeros(0)
        if not tensors:
            break
    return save({**tensors, "digest": _digest(tensors)})


@EXAMPLES
def test_forged_checkpoints(checkpoint: Path, examples: int):
    study = load_study(checkpoint / "study.toml")
    network, _ = build(study, None)
    content = (checkpoint / "checkpoint.safetensors").read_bytes()

    def restored(path: Path) -> None:
        optimizer = torch.optim.Adam(network.parameters())
        load_checkpoint(path.parent.absolute(), network, optimizer, torch.Generator())
        assert all(bool(torch.isfinite(value).all()) for value in network.state_dict().values())

    fuzz(written("checkpoint.safetensors", restored), forged(content), examples, {"checkpoint.safetensors"})


# --- files of other programs: netCDF, NIR, images, events, sound


def _netcdf() -> list[bytes]:
    time = np.linspace(0, 1, 20)
    waves = xr.Dataset(
        {"v(mem)": ("time", np.sin(time), {"units": "V"}), "z": ("time", time * 1j, {"units": "1"})},
        {"time": ("time", time, {"units": "s"})},
        {"engine": "ngspice", "title": "t"},
    )
    swept = xr.Dataset(
        {
            "m": ("r", [1.0, 2.0], {"units": "V"}),
            "status": ("r", [1, 1]),
            "error": ("r", np.array(["", "x"], object)),
        },
        {"r": [1.0, 2.0]},
        {"kind": "sweep"},
    )
    return [_bytes(lambda path, data=data: write_waves(path, data)) for data in (waves, swept)]


def _nir(nir: Any) -> list[bytes]:
    from memsim.interop import write_nir

    network, _ = build(make_study(hidden=(4,)), None)
    nodes = {
        "input": nir.Input(np.array([3])),
        "linear": nir.Linear(np.ones((2, 3))),
        "li": nir.LI(np.ones(2), np.ones(2), np.zeros(2)),
        "output": nir.Output(np.array([2])),
    }
    other = nir.NIRGraph(nodes, edges=list(pairwise(nodes)))
    return [
        _bytes(lambda path: write_nir(path, network, (8, 8))),
        _bytes(lambda path: nir.write(path, other)),
    ]


def _bytes(write: Callable[[Path], object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder, "x.h5"))
        return Path(folder, "x.h5").read_bytes()


HDF5_WORDS = [
    b"\x89HDF",
    b"OHDR",
    b"TREE",
    b"SNOD",
    b"HEAP",
    b"FRHP",
    b"\xff" * 8,
    b"\x00" * 8,
    b"units",
    b"\x01",
]


@EXAMPLES
def test_waveforms_and_sweeps(examples: int):
    def drawn(path: Path) -> None:
        data = read_waves(path)
        swept = data.attrs.get("kind") == "sweep"
        write_data_report(data, path, Path("page.html"))
        plots.save(plots.sweep(data) if swept else plots.waveforms(data, plots.telling(data)), "picture.svg")

    inputs = damaged(_netcdf(), HDF5_WORDS)
    fuzz(written("w.nc", drawn), inputs, examples, {"w.nc", "page.html", "picture.svg"})


@EXAMPLES
def test_nir_graphs(examples: int):
    nir = pytest.importorskip("nir")
    from memsim.interop import read_nir

    fuzz(written("g.nir", read_nir), damaged(_nir(nir), HDF5_WORDS), examples, {"g.nir"})


@EXAMPLES
def test_images(examples: int):
    image = b"\x00\x00\x08\x03" + b"".join(side.to_bytes(4, "big") for side in (2, 3, 3)) + bytes(18)
    words = [b"\xff" * 4, b"\x00" * 4, b"\x08\x01", b"\x0d"]
    fuzz(written("i.idx", lambda path: read_idx(path, 3)), damaged([image], words), examples, {"i.idx"})
    packed = damaged([gzip.compress(image)], words)
    fuzz(written("i.gz", lambda path: read_idx(path, 3)), packed, examples, {"i.idx", "i.gz"})


@EXAMPLES
def test_recordings_of_events(examples: int):
    words = [b"\xff" * 5, b"\x00" * 5]
    fuzz(written("e.bin", read_atis), damaged([bytes(range(30))], words), examples, {"e.bin"})


@EXAMPLES
def test_archives(examples: int):
    arrays = {name: np.arange(6) for name in ("audio", "digit", "index")}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays, offsets=np.arange(7), rate=8000)
    words = [b"PK\x01\x02", b"PK\x03\x04", b"\x93NUMPY", b"'descr': '|O'", b"(99999999999,)", b"\xff" * 4]
    folder = Path("fsdd")

    def loaded(path: Path) -> None:
        folder.mkdir(exist_ok=True)
        path.replace(folder / "fsdd_0to14.npz")
        load_dataset("fsdd", folder, bins=2)

    fuzz(written("a.npz", loaded), damaged([file.getvalue()], words), examples, {"fsdd"})


@EXAMPLES
def test_spoken_recordings(examples: int):
    file = io.BytesIO()
    wavfile.write(file, 8000, np.arange(200, dtype=np.int16))
    words = [b"RIFF", b"data", b"fmt ", b"\xff" * 4, b"\x00" * 4, b"\x01\x00", b"\x03\x00"]
    folder = Path("recordings")

    def loaded(path: Path) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "1_x_0.wav").write_bytes(file.getvalue())
        path.replace(folder / "1_x_7.wav")
        load_dataset("fsdd", Path(), bins=2)

    fuzz(written("s.wav", loaded), damaged([file.getvalue()], words), examples, {"recordings"})


@EXAMPLES
def test_workloads(examples: int):
    folder = ROOT / "memsim/imc/workloads/data"
    tables = [tomllib.loads(path.read_text()) for path in sorted(folder.glob("*.toml"))]
    fuzz(written("w.toml", load_workload), toml(tables), examples, {"w.toml"})


@EXAMPLES
def test_devices_of_a_sweep(examples: int):
    table = b"r_on,r_off\n" + b"".join(b"%d,%d\n" % (k + 1, 7 * k + 5) for k in range(12))
    fuzz(written("d.csv", load_spread), damaged([table], CSV_WORDS), examples, {"d.csv"})
    fit = json.dumps(
        [{"model": "vteam", "parameters": {}, "correlation": [[1.0]], "intervals": {"r_on": [1, 2]}}]
    )
    words = [b"[", b"]", b"{", b"}", b"null", b"1e999", b'""', b"[" * 3000]
    fuzz(written("d.json", load_spread), damaged([fit.encode()], words), examples, {"d.csv", "d.json"})


# --- decks: those that pass every check are run by the real ngspice

DECKS = [
    b"* t\nv1 a 0 sin(0 1 1meg)\nr1 a b 1k\n.param x=1\n.model d1 d(is=1e-14)\nd1 b 0 d1\n.tran 1n 20n\n.end\n",
    b"* t\n.subckt s p n r=1k\nr1 p n {r}\n.ends\nx1 a 0 s r=2k\nv1 a 0 1\n.control\nrun\n.endc\n.op\n.end\n",
    b"* t\nv1 a 0 1\nb1 b 0 v=v(a)>0.5?1:0\nr1 b 0 1k\n.save v(b)\n.options reltol=1e-4\n.dc v1 0 1 0.5\n.end\n",
    b"* t\nv1 a 0 dc 0 ac 1\nr1 a b 1k\nc1 b 0 1n\n.ac dec 2 1 1k\n.end\n",
    (ROOT / "netlists/hysteresis-knowm-sdc.cir").read_bytes(),
]
DECK_WORDS = [
    b"\n.control\nshell touch PWNED\n.endc\n", b"`touch PWNED`", b"\n*ng_script\n", b"\n*#shell touch PWNED\n",
    b"\n.include /etc/passwd\n", b"\n.include ../x\n", b"\n.control\nwrite PWNED\n.endc\n", b"\n.control\n",
    b"\nwrdata PWNED v(a)\n", b"\nset sourcepath = ( / )\n", b"\n.lib /etc/passwd x\n", b" > PWNED",
    b"; shell touch PWNED", b"\n.endc\n", b"\n+ ", b"\\\\\n", b"\r", b"\x0c", b"\xe2\x80\xa8", b"\n.end\n",
    b"\n.ends\n", b"\n.subckt s a b\n", b"{", b"}", b"{1/0}", b" nan ", b" 1e400 ", b"-1", b"\n.tran 1n 1\n",
    b"\n.tran 0 0\n", b"\n.options interp\n", b"\nx9 a b nope\n", b"(", b")", b"^", b"**", b"\n.if (1)\n",
    b'\na1 [a] [b] m\n.model m d_source(input_file="/etc/passwd")\n', b'\n.model m file_source(file="x")\n',
    b"\nv9 q 0 pwl file=/etc/passwd\n", b"\n.func f(x) {f(x)}\n.param y={f(1)}\n", b"\n.param a={b} b={a}\n",
    b"\n.global 0\n", b"\n.csparam q=1\n", b"\n.probe alli\n", b"\n.meas tran m max v(a)\n", b"\necho hi > PWNED\n",
]  # fmt: skip


@pytest.mark.spice
@EXAMPLES
def test_decks(guarded: Path, examples: int):
    proof = guarded.parent / "PWNED"  # beside the folder, where the fixture looks, too
    words = [word.replace(b"PWNED", str(proof).encode()) for word in DECK_WORDS]

    def simulated(path: Path) -> None:
        spice.simulate(path, timeout=1.0)
        assert not proof.exists()

    fuzz(written("d.cir", simulated), damaged(DECKS, words), examples, {"d.cir"})
