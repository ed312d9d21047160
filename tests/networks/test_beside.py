"""Neurons in Python files that need other files: what is found, what is kept with a run, and what is noticed."""

from __future__ import annotations

import sys
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest

from memsim.errors import CheckpointError, InputError
from memsim.learn import load_run, load_study, make_study, save_study, train
from memsim.networks import load_cell, named_cells
from memsim.own_code import load_object

CELL = """
from dataclasses import dataclass
from pathlib import Path
from memsim.circuits import IntegrateAndFire
from memsim.devices import load_device
D = load_device("mif-set1").with_values(v_on=float((Path(__file__).parent / "v_on.txt").read_text()))
@dataclass(frozen=True)
class Mine(IntegrateAndFire):
    devices: tuple = (D, D)
    membrane_capacitance: float = 1e-9
"""
HELPED = """
from dataclasses import replace
from memsim.circuits import IntegrateAndFire
from parts.sizes import C
MINE = replace(IntegrateAndFire.published(1), membrane_capacitance=C)
def loss(outputs, targets):
    return C * (outputs - targets).square().mean()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cell.py").write_text(CELL)
    (tmp_path / "v_on.txt").write_text("0.110")
    (tmp_path / "helped.py").write_text(HELPED)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "sizes.py").write_text("C = 3e-9\n")
    return tmp_path


def as_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memsim.own_code._RUN", {})
    monkeypatch.setattr(named_cells, "_MADE", {})
    monkeypatch.setattr(named_cells, "_KNOWN", {})


def test_a_circuit_that_differs_is_refused_though_the_file_is_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    name = load_cell("cell.py:Mine", folder=folder, trust=True).name
    as_another_process(monkeypatch)
    assert load_cell(name, trust=True).name == name
    (folder / "v_on.txt").write_text("0.100")
    as_another_process(monkeypatch)
    with pytest.raises(CheckpointError, match=r"circuit of neuron 'Mine' of .*cell\.py is not what it was"):
        load_cell(name, trust=True)


def test_a_name_without_a_digest_of_the_circuit_is_still_one(folder: Path):
    name = load_cell("cell.py:Mine", folder=folder, trust=True).name
    assert load_cell(name.partition("~")[0]).name == name


def test_files_beside_it_are_imported_kept_and_forgotten(folder: Path, monkeypatch: pytest.MonkeyPatch):
    (folder / "study.toml").write_text('neuron = "helped.py:MINE"\n[training]\nloss = "helped.py:loss"\n')
    study = load_study(folder / "study.toml", trust=True)
    assert load_cell(study.neuron).circuit.values["cmem"] == 3e-9
    assert "parts" not in sys.modules
    assert "parts.sizes" not in sys.modules
    run = folder / "run"
    run.mkdir()
    save_study(study, run / "study.toml")
    assert (run / "parts" / "sizes.py").read_text() == "C = 3e-9\n"
    (folder / "helped.py").unlink()  # as on another machine
    as_another_process(monkeypatch)
    assert str(run) in load_study(run / "study.toml", trust=True).neuron


def test_a_file_beside_it_that_has_changed_is_named(folder: Path):
    full, _ = load_object("helped.py:loss", "loss", trust=True, folder=folder)
    (folder / "parts" / "sizes.py").write_text("C = 4e-9\n")
    with pytest.raises(InputError, match="--trust"):  # it is other code now
        load_object(full, "loss")
    with pytest.raises(CheckpointError, match=r"parts/sizes\.py, has changed since loss 'loss' was taken"):
        load_object(full, "loss", trust=True)


def test_a_card_that_has_changed_is_named(tmp_path: Path):
    card = tmp_path / "mine.toml"
    card.write_text((files("memsim.devices") / "cards" / "pd-wo3-w.toml").read_text())
    study = make_study(hidden=(), epochs=1, batch=2000, step=1e-3, synapses={"device": str(card)})
    train(study, tmp_path / "run")
    load_run(tmp_path / "run")
    card.write_text(f"# mine\n{card.read_text()}")
    for again in (load_run, partial(train, study, resume=True)):
        with pytest.raises(CheckpointError, match=r"card .*mine\.toml has changed since the run"):
            again(folder=tmp_path / "run")
