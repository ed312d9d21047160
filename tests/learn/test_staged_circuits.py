"""Staged training of circuits: software, partial sums of many bits, decisions; and what a study cannot ask for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from memsim.cli import app
from memsim.errors import InputError
from memsim.imc import mapped_layers
from memsim.imc.crossbars import MappedCrossbar
from memsim.learn import load_run, make_study, train
from memsim.learn.stages import stage_folder

SERIAL = {"wires.word_line": 0.0, "wires.bit_line": 0.0, "inputs.coding": "bit-serial", "inputs.bits": 3}
STAGES = (
    {"name": "software", "epochs": 4, "learning_rate": 0.02},
    {"name": "sums", "card": "hp-adc-differential-32", "hardware": SERIAL, "learning_rate": 0.005},
    {
        "name": "one bit",
        "card": "adcless-differential-32",
        "hardware": SERIAL,
        "epochs": 4,
        "learning_rate": 0.02,
        "gradient": "impulse",
        "width": (4.0, 1.0),
    },
)
SMALL = {
    "data": "digits",
    "neuron": "integrate-and-fire-set1",
    "hidden": (32,),
    "window": 5e-3,
    "batch": 32,
    "drive": {"slots": 1},
    "stages": STAGES,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("circuits")
    train(make_study(**SMALL), place)
    return place


def test_circuits_learn_to_live_with_decisions(folder: Path) -> None:
    run = load_run(folder)
    accuracies = [record.accuracy for record in run.records]
    # chance is 10 %, and decisions without training give about 25 %; four epochs are far from the end
    assert accuracies[0] > 0.9
    assert accuracies[1] > 0.85
    assert accuracies[2] > 0.5
    inputs, labels = run.data.test.batch(slice(None))
    with torch.no_grad():
        right = run.network(inputs).argmax(1) == labels
    assert float(right.double().mean()) == pytest.approx(accuracies[-1])


def test_stages_are_loaded_one_by_one(folder: Path) -> None:
    kinds = [len(mapped_layers(load_run(folder, stages=n).network)) for n in (1, 2, 3)]
    assert kinds == [0, 2, 2]
    spans = [
        [
            part.span[0]
            for part in load_run(folder, stages=n).network.modules()
            if isinstance(part, MappedCrossbar)
        ]
        for n in (2, 3)
    ]
    # numbers tell potentials below rest; decisions are not shown any
    assert spans[0][1] < 0
    assert spans[1] == [0, 0]


def test_an_interrupted_run_ends_as_one_that_was_not(tmp_path: Path) -> None:
    noisy = {**STAGES[2], "hardware": {**SERIAL, "converter.offset": 0.2}, "epochs": 2}
    short = tuple({**stage, "examples": 128} for stage in (*STAGES[:2], noisy))
    study = make_study(**{**SMALL, "hidden": (12,), "stages": short})
    seen: list[object] = []

    def stop(_done: int, _total: int, record: object) -> None:
        seen.extend([] if record is None else [record])
        if len(seen) == 6:  # after the first of two 1-bit epochs
            raise KeyboardInterrupt

    whole = train(study, tmp_path / "whole").network.state_dict()
    with pytest.raises(KeyboardInterrupt):
        train(study, tmp_path / "cut", progress=stop)
    resumed = train(study, tmp_path / "cut", resume=True).network.state_dict()
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name


def test_a_run_that_started_from_circuits_has_their_voltages(folder: Path, tmp_path: Path) -> None:
    """Ranges of voltages are those of the network that it started from, and not of one without training."""
    brief = {**STAGES[1], "examples": 64, "learning_rate": 1e-12}
    start = {"start": str(folder / "1-software")}
    run = train(make_study(**{**SMALL, "stages": (brief,), "training": start}), tmp_path)
    spans = [
        [part.span for part in one.network.modules() if isinstance(part, MappedCrossbar)]
        for one in (run, load_run(tmp_path), load_run(folder, stages=2))
    ]
    assert spans[0] == spans[1] == spans[2]
    inputs = run.data.test.inputs(slice(20))
    with torch.no_grad():
        assert torch.equal(run.network(inputs), load_run(tmp_path).network(inputs))


def test_checkpoints_of_old_hold_no_spans(folder: Path) -> None:
    network = load_run(folder, stages=2).network
    spans = [part.span for part in network.modules() if isinstance(part, MappedCrossbar)]
    old = {name: value for name, value in network.state_dict().items() if "_extra_state" not in name}
    network.load_state_dict(old)
    assert [part.span for part in network.modules() if isinstance(part, MappedCrossbar)] == spans


def test_the_command_gives_accuracy_and_cost(folder: Path, tmp_path: Path) -> None:
    arguments = ["imc", str(folder), "--card", "adcless-differential-32", "--images", "40", "--json"]
    refused = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "imc")])
    assert "word lines are binary" in str(refused.exception)
    card = tmp_path / "serial.toml"
    card.write_text(
        'base = "adcless-differential-32"\ndescription = "serial"\nsource = "test"\n'
        '[inputs]\ncoding = "bit-serial"\nbits = 3\n[wires]\nword_line = 0.0\nbit_line = 0.0\n'
    )
    arguments[3] = str(card)
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "imc")])
    assert done.exit_code == 0, done.output
    (chip,) = json.loads(done.stdout)
    assert chip["trained_in_stage"] == "one bit"
    assert chip["accuracy"] > 0.4
    assert chip["energy_joule"] > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nonidealities": {"test": {"variation": 0.1}}}, "cell.variation"),
        ({"synapses": {"wire_resistance": 1.0}}, "wires.word_line"),
        ({"step_error": 0.05}, "step_error compares waveforms"),
        ({"drive": {"encoding": "rate"}}, "allowed with cards: amplitude, latency"),
        ({"recurrent": True}, "where a card cannot read it"),
        ({"synapse": "crossbar"}, "circuits are always behind crossbars"),
    ],
)
def test_what_cards_replace_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_study(**{**SMALL, **changes})
    make_study(**{**SMALL, "stages": STAGES[:1], **{k: v for k, v in changes.items() if k != "synapse"}})


def test_each_stage_has_its_folder(folder: Path) -> None:
    study = make_study(**SMALL)
    for number, stage in enumerate(study.stages):
        assert (stage_folder(folder, number, stage) / "history.csv").exists()
