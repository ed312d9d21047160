"""Neurons in files: what runs with trust alone, what is noticed, and what each error says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from PySpice.Spice.Netlist import Circuit

from memsim.circuits import AfterHyperpolarising, AlphaTrain
from memsim.devices import load_card
from memsim.errors import CheckpointError, InputError, UntrustedDeckError
from memsim.learn import load_study, make_study, save_study
from memsim.netlists import library
from memsim.networks import Cell, CircuitNeuron, load_cell
from memsim.spice.subcircuits import read_subcircuit

OWN = Path(__file__).parents[2] / "benchmarks" / "studies" / "tiring_cell.py"
DECK = """cells of mine
.include mif.lib
.param low=-25m
.subckt ahp mem gnd cm=1n
cmem mem 0 {cm} ic=0
xm1 mem e1 mif_set1
xm2 mem e2 mif_set1
xm3 mem e3 mif_set1 tau=20m r_on=20k v_on=90m
+ v_off=30m
v1 e1 0 {low}
v2 e2 0 dc 25m
xs e3 source
.ends
.subckt source top
v3 top 0 {2 * -25m}
.ends
.subckt behaving mem
cmem mem 0 1n
bi mem 0 i=v(mem)**3
.ends
.subckt foreign mem
xq mem 0 not_there
.ends
.subckt three a b c
r1 a b 1k
.ends
.subckt moving mem
v1 mem 0 sin(0 1 1k)
.ends
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A deck with cells, the device that it includes, and a Python file, in a folder of their own."""
    (tmp_path / "mif.lib").write_text(library(load_card("mif-set1").device, "mif_set1"))
    (tmp_path / "my.cir").write_text(DECK)
    shutil.copyfile(OWN, tmp_path / "my_cells.py")
    return tmp_path


def response(cell: Cell) -> torch.Tensor:
    layer = CircuitNeuron(cell)
    times = torch.arange(101, dtype=torch.float64) * 200e-6
    pulse = AlphaTrain(8e-6, 1e-3, (0.0, 10e-3))(times.numpy())
    return layer(torch.from_numpy(pulse)[:, None], dt=200e-6)[0]


def test_a_deck_and_a_class_of_one_circuit_are_one_neuron(folder: Path):
    deck, written = load_cell("my.cir:ahp", folder=folder), Cell.of(AfterHyperpolarising.set_1())
    assert deck.rest == pytest.approx(written.rest, abs=1e-9)
    # the same equations, rests found to 1e-9, and parameters that the deck writes with suffixes
    torch.testing.assert_close(response(deck), response(written), rtol=1e-6, atol=1e-9)
    assert deck.regime.unit_current == pytest.approx(written.regime.unit_current)
    assert "xm3.tau" in deck.circuit.values


def test_code_runs_with_trust_alone_and_once(folder: Path):
    name = str(folder / "my_cells.py") + ":TiringCell"
    with pytest.raises(InputError, match=r"my_cells\.py is code that would run; .*`--trust`"):
        load_cell(name)
    with pytest.raises(InputError, match="--trust"):
        make_study(neuron=name)
    cell = load_cell(name, trust=True)
    assert load_cell(name) is cell
    assert make_study(neuron=name).neuron == cell.name
    (folder / "my_cells.py").write_text((folder / "my_cells.py").read_text() + "\nVERSION = 2\n")
    with pytest.raises(InputError, match="--trust"):  # it is other code now
        load_cell(name)


def test_a_study_finds_the_file_beside_it_and_notices_when_it_has_changed(folder: Path, tmp_path: Path):
    (folder / "study.toml").write_text('neuron = "my_cells.py:TiringCell"\nwindow = 20e-3\n')
    study = load_study(folder / "study.toml", trust=True)
    assert study.neuron.startswith(f"{folder / 'my_cells.py'}:TiringCell@")
    assert study.window == 20e-3
    assert study.step == load_cell(study.neuron).regime.step
    run = tmp_path / "run"
    run.mkdir()
    save_study(study, run / "study.toml")
    assert (run / "my_cells.py").read_bytes() == (folder / "my_cells.py").read_bytes()
    assert load_study(run / "study.toml") == study
    original = (folder / "my_cells.py").read_text()
    (folder / "my_cells.py").write_text(original + "# another\n")
    with pytest.raises(
        CheckpointError, match=r"my_cells\.py has changed since neuron 'TiringCell' was taken from it"
    ):
        load_study(run / "study.toml", trust=True)
    (folder / "my_cells.py").unlink()  # as on another machine: the run's own copy serves
    moved = load_study(run / "study.toml", trust=True)
    assert moved.neuron.startswith(f"{run / 'my_cells.py'}:TiringCell@")
    (run / "my_cells.py").write_text(original + "# another\n")
    with pytest.raises(CheckpointError, match="has changed"):
        load_study(run / "study.toml", trust=True)


def test_an_included_file_counts_as_the_deck_does(folder: Path):
    name = load_cell("my.cir:ahp", folder=folder).name
    text = (folder / "mif.lib").read_text()
    (folder / "mif.lib").write_text(text.replace("tau=0.001", "tau=0.002"))
    with pytest.raises(CheckpointError, match=r"my\.cir has changed"):
        load_cell(name)


def test_a_kept_deck_holds_all_that_it_includes(folder: Path, tmp_path: Path):
    run = tmp_path / "run"
    run.mkdir()
    study = make_study(neuron=load_cell("my.cir:ahp", folder=folder).name)
    save_study(study, run / "study.toml")
    for path in (folder / "my.cir", folder / "mif.lib"):
        path.unlink()
    moved = load_study(run / "study.toml")
    assert moved.neuron == study.neuron.replace(str(folder / "my.cir"), str(run / "my.cir"))
    assert load_cell(moved.neuron).rest < 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_cells.py:Tired", "has no 'Tired'; it has: TiringCell"),
        ("my_cells.py:FAST", "MetastableSwitch is no neuron; give a subclass"),
        ("my_cells.py:IntegrateAndFire", "IntegrateAndFire needs arguments: devices, membrane_capacitance"),
        ("none.py:Cell", "none.py' does not exist; give the path of a Python file"),
        ("none.cir:cell", "none.cir cannot be read"),
        ("broken.py:Cell", r"broken\.py cannot be run: NameError: name 'nonsense' is not defined \(line 3\)"),
        ("wrong.py:Cell", r"wrong\.py cannot be run: SyntaxError: .*line 1"),
        ("my.cir:cell", "has no sub-circuit 'cell'; it has: mif_set1, mif_set1_static, ahp, source"),
        (
            "my.cir:behaving",
            r"line 19: `bi mem 0 i=v\(mem\)\*\*3`: a neuron is made of resistors, capacitors",
        ),
        ("my.cir:foreign", "sub-circuit 'not_there' is not defined; the deck has: mif_set1"),
        ("my.cir:three", "'three' of .* has the terminals a, b, c beside ground; give it one"),
        ("my.cir:moving", "`v1 mem 0 sin.*`: a neuron is made of .* constant sources"),
        ("my.cir:source", "'top' does not rise when a current flows into 'top'; the voltage source 'v3'"),
    ],
)
def test_what_a_file_does_not_hold_is_named(folder: Path, name: str, message: str):
    (folder / "broken.py").write_text("# cells\n\nCell = nonsense\n")
    (folder / "wrong.py").write_text("class Cell(:\n")
    with pytest.raises(InputError, match=message):
        load_cell(name, folder=folder, trust=True)


def test_a_deck_of_a_stranger_reaches_no_other_folder(folder: Path):
    (folder / "inner").mkdir()
    (folder / "inner" / "my.cir").write_text(DECK.replace("mif.lib", "../mif.lib"))
    with pytest.raises(UntrustedDeckError, match="--trust"):
        load_cell("inner/my.cir:ahp", folder=folder)
    cell = load_cell("inner/my.cir:ahp", folder=folder, trust=True)
    assert make_study(neuron=cell.name).neuron == cell.name  # trusted once, and not asked again


def test_a_device_that_is_not_as_memsim_writes_it_is_refused(folder: Path):
    """Its text would run in ngspice, and other equations in torch."""
    text = (folder / "mif.lib").read_text()
    (folder / "mif.lib").write_text(text.replace("Bi p n i=v(p,n)*", "Bi p n i=1.5*v(p,n)*"))
    with pytest.raises(InputError, match="devices as `memsim netlist device NAME` writes them"):
        load_cell("my.cir:ahp", folder=folder)


def test_two_terminals_are_input_and_output(tmp_path: Path):
    (tmp_path / "rc.cir").write_text(".subckt rc in out\nr1 in out 1k\nc1 out 0 1n\nc2 in 0 1n\n.ends\n")
    found = read_subcircuit(tmp_path / "rc.cir", "rc")
    assert isinstance(found.circuit, Circuit)
    assert found.output == "out"
    assert [str(node.name) for node in found.circuit["Iin"].nodes] == ["0", "in"]


CLASHES = {
    "two sub-circuits": (
        ".subckt c m\nr1 m 0 1k\n.ends\n.subckt c m\nr1 m 0 2k\n.ends\n",
        r"line 5.*another sub-circuit 'c' before it, at .*line 2",
    ),
    "two elements": (
        ".subckt c m\nr1 m 0 1k\nr1 m 0 2k\n.ends\n",
        r"line 4.*'c' has another element 'r1', at .*line 3",
    ),
    "no end": (".subckt c m\nr1 m 0 1k\n", r"line 2.*sub-circuit 'c' has no \.ends"),
    "no end before the next": (".subckt c m\nr1 m 0 1k\n.subckt d m\n.ends\n", r"line 2.*'c' has no \.ends"),
}


@pytest.mark.parametrize(("deck", "message"), CLASHES.values(), ids=CLASHES)
def test_what_a_deck_says_twice_or_does_not_end_is_named(tmp_path: Path, deck: str, message: str):
    (tmp_path / "my.cir").write_text(f"cells\n{deck}")
    with pytest.raises(InputError, match=message):
        read_subcircuit(tmp_path / "my.cir", "c")


def test_one_file_included_twice_is_one(folder: Path):
    (folder / "my.cir").write_text(DECK.replace(".include mif.lib", ".include mif.lib\n.include mif.lib"))
    assert read_subcircuit(folder / "my.cir", "ahp").output == "mem"


def test_a_node_that_python_has_a_word_for_is_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "rc.cir").write_text(".subckt rc in out\nr1 in out 1k\nc1 out 0 1n\n.ends\n")
    read_subcircuit(tmp_path / "rc.cir", "rc")
    assert not caplog.records
