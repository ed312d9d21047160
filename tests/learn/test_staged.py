"""Staged training: every stage begins where the last one ended, and an interrupted run ends as one that was not."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import tomli_w
import torch
from safetensors.torch import load, save
from typer.testing import CliRunner

from memsim.cli import app
from memsim.errors import CheckpointError, InputError
from memsim.imc import mapped_layers
from memsim.learn import load_run, make_study, train
from memsim.learn.checkpoint import CHECKPOINT, _digest
from memsim.learn.data.motion import moving_dots
from memsim.networks import LeakyIntegrateAndFire, SpikingNetwork
from memsim.networks.geometry import Convolution
from memsim.networks.spikes import rate_coded

NO_WIRES = {"wires.word_line": 0.0, "wires.bit_line": 0.0}
SMALL = {
    "data": "digits",
    "hidden": ({"channels": 4, "kernel": 3, "stride": 2, "padding": 1}, 24),
    "steps": 3,
    "batch": 32,
    "stages": (
        {"name": "software", "epochs": 4, "learning_rate": 0.01},
        {"name": "partial sums", "card": "hp-adc-differential-32", "hardware": NO_WIRES, "examples": 400},
        {
            "name": "one bit",
            "card": "adcless-differential-32",
            "hardware": {**NO_WIRES, "converter.offset": 0.2},
            "epochs": 2,
            "examples": 400,
            "gradient": "impulse",
            "width": (2.0, 1.0),
        },
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("staged")
    train(make_study(**SMALL), place)
    return place


def test_every_stage_leaves_its_accuracy_and_a_network_that_has_it(folder: Path) -> None:
    run = load_run(folder)
    assert [record.stage.name for record in run.records] == ["software", "partial sums", "one bit"]
    rows = (folder / "stages.csv").read_text().splitlines()
    assert [float(row.split(",")[-1]) for row in rows[1:]] == [record.accuracy for record in run.records]
    # ten classes: even the shortest training is far above chance, and 5-bit sums keep most of it
    assert run.records[0].accuracy > 0.6
    assert run.records[1].accuracy > 0.6
    assert run.records[2].accuracy > 0.3
    inputs, labels = run.data.test.batch(slice(None))
    with torch.no_grad():
        right = run.network(inputs).argmax(1) == labels
    assert float(right.double().mean()) == pytest.approx(run.records[-1].accuracy)


def test_a_stage_begins_with_the_weights_of_the_last(folder: Path) -> None:
    software = load_run(folder, stages=1).network
    first = load_run(folder, stages=2).network
    before, after = (
        software.synapses[0].weight.flatten(1),
        mapped_layers(first)["layers.0.synapse.module"].weight,
    )
    change = float((before - after).detach().abs().max())
    # 13 updates of at most about 2e-3 each
    assert 0 < change < 13 * 2e-3 * 2


def test_an_interrupted_run_ends_as_one_that_was_not(folder: Path, tmp_path: Path) -> None:
    study = make_study(**SMALL)

    def stop(_done: int, _total: int, record: object) -> None:
        seen.extend([] if record is None else [record])
        if len(seen) == 6:  # after the first of two 1-bit epochs
            raise KeyboardInterrupt

    seen: list[object] = []
    with pytest.raises(KeyboardInterrupt):
        train(study, tmp_path, progress=stop)
    resumed = train(study, tmp_path, resume=True)
    whole = load_run(folder).network.state_dict()
    for name, value in resumed.network.state_dict().items():
        assert torch.equal(value, whole[name]), name


def test_finished_stages_are_not_calibrated_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrations: list[object] = []
    monkeypatch.setattr("memsim.learn.run.calibrate", lambda *_: calibrations.append(_))
    before = load_run(folder).network.state_dict()
    resumed = train(make_study(**SMALL), folder, resume=True).network.state_dict()
    assert calibrations == []
    assert all(torch.equal(value, before[name]) for name, value in resumed.items())
    brief = {"name": "one bit", "card": "adcless-differential-32", "hardware": NO_WIRES, "examples": 32}
    train(make_study(**{**SMALL, "stages": (brief,)}), tmp_path)
    assert len(calibrations) == 1


def as_of_earlier(path: Path, epochs: int) -> None:
    """Rewrite a checkpoint of the first stage with the names that parts once had, after so many epochs."""
    tensors = load((path / CHECKPOINT).read_bytes())
    del tensors["digest"], tensors["further"]
    tensors["history"] = tensors["history"][:epochs].clone()
    names = [
        (r"layers\.(\d)\.synapse\.module", r"synapses.\1"),
        (r"layers\.(\d)\.neuron\.(\w+)\.raw", r"neurons.\1.\2"),
    ]
    for pattern, old in names:
        tensors = {re.sub(pattern, old, name): value for name, value in tensors.items()}
    assert "network.neurons.0.leak" in tensors
    (path / CHECKPOINT).write_bytes(save(tensors | {"digest": _digest(tensors)}))


def test_a_run_of_an_earlier_memsim_goes_on_after_a_stage_and_not_within(
    folder: Path, tmp_path: Path
) -> None:
    for name in ("study.toml", "1-software"):
        copy = shutil.copytree if (folder / name).is_dir() else shutil.copyfile
        copy(folder / name, tmp_path / name)
    as_of_earlier(tmp_path / "1-software", epochs=2)
    with pytest.raises(
        CheckpointError, match=r"in the midst of a stage by an earlier memsim.*training.start"
    ):
        train(make_study(**SMALL), tmp_path, resume=True)
    shutil.copyfile(folder / "1-software" / CHECKPOINT, tmp_path / "1-software" / CHECKPOINT)
    as_of_earlier(tmp_path / "1-software", epochs=4)
    resumed = train(make_study(**SMALL), tmp_path, resume=True).network.state_dict()
    whole = load_run(folder).network.state_dict()
    assert all(torch.equal(value, whole[name]) for name, value in resumed.items())


@pytest.mark.parametrize("place", ["", "3-one-bit"])
def test_training_goes_on_from_a_run_on_hardware(folder: Path, tmp_path: Path, place: str) -> None:
    more = {**SMALL["stages"][2], "epochs": 1, "learning_rate": 1e-12}
    study = make_study(**{**SMALL, "stages": (more,), "training": {"start": str(folder / place)}})
    run = train(study, tmp_path)
    trained = load_run(folder).network.state_dict()
    for name, value in run.network.state_dict().items():
        torch.testing.assert_close(value, trained[name], rtol=0, atol=1e-8)  # one epoch of steps of 1e-12
    again = load_run(tmp_path).network.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in run.network.state_dict().items())


def test_a_study_that_begins_in_software_starts_from_a_stage_in_software(
    folder: Path, tmp_path: Path
) -> None:
    brief = {name: value for name, value in SMALL.items() if name != "stages"}
    given = {**brief, "neuron": "lif", "epochs": 1, "learning_rate": 1e-12}
    with pytest.raises(
        InputError, match=r"begins in software; start from .*1-software, or give its first stage"
    ):
        train(make_study(**given, training={"start": str(folder)}), tmp_path / "one")
    run = train(make_study(**given, training={"start": str(folder / "1-software")}), tmp_path / "two")
    software = load_run(folder, stages=1)
    assert run.history[0].test_accuracy == software.history[-1].test_accuracy
    wider = {**given, "hidden": (8,), "training": {"start": str(folder / "1-software")}}
    with pytest.raises(CheckpointError, match="does not belong to this network"):
        train(make_study(**wider), tmp_path / "three")


def test_a_folder_holds_one_study(folder: Path, tmp_path: Path) -> None:
    study = make_study(**SMALL)
    with pytest.raises(InputError, match="already holds"):
        train(study, folder)
    with pytest.raises(CheckpointError, match="another study"):
        train(study.model_copy(update={"seed": 1}), folder, resume=True)
    with pytest.raises(CheckpointError, match="no run to resume"):
        train(study, tmp_path / "none", resume=True)
    with pytest.raises(InputError, match="1 to 3"):
        load_run(folder, stages=4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 3}, "epochs changes nothing in a study with stages"),
        ({"window": 1e-2}, "window changes nothing for the neuron 'lif'"),
        ({"stages": ({"name": "a"}, {"name": "a"})}, "same name"),
        ({"stages": ({"name": "a", "card": "adcless"}, {"name": "b"})}, "software comes first"),
        ({"stages": ({"name": "a", "card": "nothing"},)}, "unknown hardware card"),
        ({"stages": ({"name": "a", "card": "adcless", "hardware": {"array.row": 1}},)}, "array.row"),
        ({"stages": ({"name": "a", "hardware": {"array.rows": 1}},)}, "without a card"),
        ({"stages": ({"name": "../a"},)}, "begins with a letter"),
        ({"stages": ({"name": "a", "gradient": "straight"},)}, "exact"),
        ({"layer": 3}, "no such entry"),
    ],
)
def test_bad_studies_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_study(**{**SMALL, **changes})


def test_the_command_takes_a_study_with_stages(tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    brief = {
        "data": "digits",
        "hidden": [8],
        "steps": 2,
        "stages": [
            {"name": "software", "examples": 64},
            {"name": "one bit", "card": "adcless-differential", "hardware": NO_WIRES, "examples": 64},
        ],
    }
    study.write_text(tomli_w.dumps(brief))
    done = CliRunner().invoke(app, ["train", str(study), "--out", str(tmp_path / "run"), "--seed", "3"])
    assert done.exit_code == 0, done.output
    assert "stage 'one bit', adcless-differential" in done.output
    assert load_run(tmp_path / "run").study.seed == 3
    refused = CliRunner().invoke(
        app, ["train", str(study), "--out", str(tmp_path / "other"), "--epochs", "2"]
    )
    assert refused.exit_code != 0


def test_dots_that_rest_send_no_events_and_those_that_move_do() -> None:
    data = moving_dots(4)
    assert (data.train.stored.shape, data.train.labels.shape) == ((4000, 4, 512), (4000, 2))
    speed, events = data.train.labels.norm(dim=1), data.train.stored.float().mean((1, 2))
    assert float(events[speed < 0.05].mean()) < 0.2 * float(events[speed > 0.5].mean())
    assert torch.equal(moving_dots(4).test.stored, data.test.stored)


def test_velocities_are_learned_from_events(tmp_path: Path) -> None:
    study = make_study(
        data="moving-dots",
        hidden=({"channels": 6, "kernel": 5, "stride": 2, "padding": 2}, 32),
        stages=(
            {"name": "software", "epochs": 2, "learning_rate": 0.004},
            {"name": "sums", "card": "hp-adc-differential", "hardware": NO_WIRES, "examples": 500},
        ),
    )
    run = train(study, tmp_path)
    # a network that only knows the mean explains nothing of the variance
    assert run.records[0].accuracy > 0.2
    assert run.records[1].accuracy > 0.2


def test_rate_codes_have_as_many_spikes_as_the_value_says() -> None:
    values = torch.linspace(0, 1, 101)[None]
    spikes = rate_coded(values, 7)
    assert set(spikes.unique().tolist()) == {0.0, 1.0}
    assert spikes.sum(0).tolist() == (7 * values + 0.5).floor().tolist()


def test_neurons_follow_their_equation() -> None:
    neurons = LeakyIntegrateAndFire()
    spikes, state = neurons(torch.tensor([0.6, 0.6, 0.6, 3.0])[:, None])
    # m = 0.6, 0.9 * 0.6 + 0.6 = 1.14 fires and leaves 0.14, then 0.726, then 3.6534, which fires once
    assert spikes.flatten().tolist() == [0, 1, 0, 1]
    assert state.membrane.item() == pytest.approx(2.6534)
    halves = neurons(torch.full((2, 1), 0.6))[1]
    assert neurons(torch.tensor([[0.6], [3.0]]), halves)[1].membrane.item() == pytest.approx(2.6534)


def test_a_recurrent_layer_hears_its_own_spikes() -> None:
    network = SpikingNetwork((4,), 2, (3,), recurrent=True, generator=torch.Generator().manual_seed(0))
    spikes = torch.ones(5, 2, 4)
    before = network(spikes)
    with torch.no_grad():
        network.recurrent.bias.fill_(50.0)
    assert not torch.equal(network(spikes), before)
    with pytest.raises(InputError, match="dense hidden layer"):
        SpikingNetwork((1, 8, 8), 2, (Convolution(channels=2, kernel=3),), recurrent=True)


def test_dropout_on_binary_word_lines_is_refused_before_training_unless_a_stage_has_none() -> None:
    last = {"name": "one bit", "card": "adcless-differential"}
    entries: dict[str, object] = {"hidden": (8,), "neuron": "lif", "training": {"dropout": 0.1}}
    with pytest.raises(InputError, match="word lines of adcless-differential are binary"):
        make_study(**entries, stages=({"name": "software"}, last))
    study = make_study(**entries, stages=({"name": "software"}, {**last, "dropout": 0.0}))
    assert [stage.dropout for stage in study.stages] == [None, 0.0]


PULSES = {"wires.word_line": 0.0, "wires.bit_line": 0.0, "inputs.coding": "pulse-count", "inputs.bits": 3}


@pytest.mark.parametrize("place", ["study", "stage"])
def test_dropout_of_spikes_is_refused_on_any_word_lines_before_training(place: str) -> None:
    stage = {"name": "pulses", "card": "hp-adc-32", "hardware": PULSES}
    whole = {"training": {"dropout": 0.2}} if place == "study" else {}
    own = {"dropout": 0.2} if place == "stage" else {}
    with pytest.raises(InputError, match="word lines of hp-adc-32 take spikes of 0 to 1; give the stage"):
        make_study(hidden=(8,), neuron="lif", **whole, stages=({"name": "software"}, {**stage, **own}))


def test_a_card_that_cannot_hold_the_network_is_refused_before_the_stages_in_software(tmp_path: Path) -> None:
    last = {"name": "narrow", "card": "hp-adc-32", "hardware": {**PULSES, "accumulation.bits": 3}}
    study = make_study(hidden=(8,), neuron="lif", steps=2, stages=({"name": "software"}, last))
    with pytest.raises(InputError, match=r"accumulation.bits = 3 is too narrow for layers\.0"):
        train(study, tmp_path / "run")
    assert not (tmp_path / "run").exists()
