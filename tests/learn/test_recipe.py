"""Parts of the training of columns that decide: layers that stay digital, and the network of before as a teacher."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from memsim.cli import app
from memsim.errors import InputError
from memsim.imc import digital_parts, estimate_averages, mapped_layers
from memsim.learn import evaluate, first, judge, load_run, make_dataset, make_study, respond, train
from memsim.learn.distillation import Distillation, check_distillation
from memsim.learn.judging import AVERAGES_SAMPLE, NOISE_SEED, judge_seen
from memsim.learn.losses import LOSSES
from memsim.learn.run import on_card
from memsim.networks import build_network

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NO_WIRES = {"wires.word_line": 0.0, "wires.bit_line": 0.0}
CONVOLUTION = {"channels": 4, "kernel": 3, "stride": 2, "padding": 1, "norm": "batch"}
ONE_BIT: dict[str, Any] = {
    "name": "one bit",
    "card": "adcless-differential-32",
    "hardware": {**NO_WIRES, "converter.offset": 0.5, "converter.noise": 0.25},
    "digital": ("stem",),
    "epochs": 2,
    "examples": 640,
    "learning_rate": 0.01,
    "gradient": "impulse",
    "width": (4.0, 1.0),
}
STUDY: dict[str, Any] = {
    "data": "digits",
    "steps": 3,
    "coding": "direct",
    "batch": 64,
    "layers": ({**CONVOLUTION, "name": "stem"}, {**CONVOLUTION, "channels": 8}, {"norm": "batch"}),
    "stages": ({"name": "software", "epochs": 4, "learning_rate": 0.02}, ONE_BIT),
}


RANDOM = torch.Generator().manual_seed(0)
INPUTS = torch.rand(400, 6, generator=RANDOM)
NUMBERS = make_dataset((INPUTS, INPUTS[:, :2] + torch.randn(400, 2, generator=RANDOM)))
"""Numbers of which most is noise, so that a teacher knows more than they say."""


def study(stage: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    """The study with other entries of its last stage, or of its own."""
    software, last = STUDY["stages"]
    return {**STUDY, "stages": (software, {**last, **(stage or {})}), **values}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("recipe")
    train(make_study(**STUDY), place)
    return place


def test_a_digital_layer_is_on_no_array_and_trained_on(folder: Path) -> None:
    run, before = load_run(folder), load_run(folder, stages=1).network
    assert list(mapped_layers(run.network)) == ["layers.1.synapse.module", "layers.2.synapse.module"]
    assert digital_parts(run.network)["layers.0.synapse.module"] == ("Conv2d",)
    stem, first = run.network.chain[0].synapse.module, before.chain[0].synapse.module
    assert isinstance(stem, nn.Conv2d)
    assert not torch.equal(stem.weight, first.weight)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (study({"digital": ("stem", "layer4")}), "'layer4', which is no layer; known: stem, layer2, layer3"),
        (study({"digital": ("stem", "stem")}), "twice"),
        (study({"digital": ("stem", "layer2", "layer3")}), "leaves no layer to the card"),
        (
            study({"digital": ()}),
            "layer 'stem' numbers, and word lines of adcless-differential-32 are binary",
        ),
        (
            study(stages=({"name": "software", "digital": ("stem",)},)),
            "digital changes nothing without a card",
        ),
        (
            study(
                coding="spikes",
                stages=({**ONE_BIT, "name": "all", "digital": ()}, {**ONE_BIT, "name": "some"}),
            ),
            "which a stage before has on arrays",
        ),
        (study(coding="spikes", synapse="crossbar"), "behind a crossbar"),
        (
            {"neuron": "integrate-and-fire-set1", "stages": ({**ONE_BIT, "digital": ("layer1",)},)},
            "behind a crossbar",
        ),
    ],
)
def test_what_cannot_be_digital_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        make_study(**values)


def test_word_lines_that_count_take_numbers(tmp_path: Path) -> None:
    counted = {
        **ONE_BIT["hardware"],
        "inputs.coding": "bit-serial",
        "inputs.bits": 2,
        "accumulation.bits": 24,
    }
    run = train(make_study(**study({"digital": (), "hardware": counted, "epochs": 1})), tmp_path)
    assert len(mapped_layers(run.network)) == 3


def test_the_loss_is_that_of_the_classes_and_of_the_teacher() -> None:
    scores = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    wanted, inputs = torch.tensor([0, 1, 2, 3, 0, 1]), torch.randn(6, 4, dtype=torch.float64)
    distillation = Distillation(lambda given: 3 * given, share=0.25, temperature=2.0)
    loss = distillation.of_batch(inputs, nn.functional.cross_entropy)(scores, wanted)
    p, q = (3 * inputs / 2).softmax(1), (scores / 2).softmax(1)
    divergence = (p * (p / q).log()).sum(1).mean()
    by_hand = 0.75 * -scores.log_softmax(1)[range(6), wanted].mean() + 0.25 * 4 * divergence
    # the same numbers in another order
    assert torch.allclose(loss, by_hand, rtol=1e-12)
    # where both say the same, the teacher does not pull
    given = (3 * inputs).requires_grad_()
    (pull,) = torch.autograd.grad(
        distillation.of_batch(inputs, lambda z, _: 0 * z.sum())(given, wanted), given
    )
    assert float(pull.abs().max()) < 1e-15


def test_a_taught_run_is_interrupted_and_ends_as_one_that_was_not(folder: Path, tmp_path: Path) -> None:
    taught = make_study(**study({"distil": 0.5, "temperature": 3.0}))
    whole = train(taught, tmp_path / "whole")
    teacher = load_run(tmp_path / "whole", stages=1).network.state_dict()
    untaught = load_run(folder)
    first = load_run(folder, stages=1).network.state_dict()
    # the teacher is what the stage before left, averages included, and it changes what is learned
    assert all(torch.equal(value, first[name]) for name, value in teacher.items())
    assert whole.records[1].history[0].loss != untaught.records[1].history[0].loss

    def stop(_done: int, _total: int, record: object) -> None:
        seen.extend([] if record is None else [record])
        if len(seen) == 5:  # after the first of two taught epochs
            raise KeyboardInterrupt

    seen: list[object] = []
    with pytest.raises(KeyboardInterrupt):
        train(taught, tmp_path / "parts", progress=stop)
    resumed = train(taught, tmp_path / "parts", resume=True).network.state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.network.state_dict().items())


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (study({"temperature": 3.0}), "temperature changes nothing without distil"),
        (study({"distil": 1.0}), "distil"),
        (study(stages=({**ONE_BIT, "distil": 0.5},)), "needs a stage without card before"),
        (study(stages=({"name": "software", "distil": 0.5},)), "distil changes nothing without a card"),
    ],
)
def test_teaching_that_changes_nothing_is_refused(values: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        make_study(**values)


def test_numbers_are_taught_by_squares_without_a_temperature() -> None:
    scores = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    wanted, inputs = torch.full((6, 4), torch.nan), torch.randn(6, 4, dtype=torch.float64)
    distillation = Distillation(lambda given: 3 * given, share=0.25, temperature=None)
    loss = distillation.of_batch(inputs, LOSSES["mean-square-error"])(scores, wanted)
    # nothing is known, and the teacher is heard all the same; sums in another order
    assert torch.allclose(loss, 0.25 * (scores - 3 * inputs).square().sum() / 24, rtol=1e-12)

    with pytest.raises(InputError, match="temperature = 3 is for classes"):
        check_distillation(make_study(**study({"distil": 0.5, "temperature": 3.0})), NUMBERS)


def test_a_network_of_numbers_ends_nearer_to_its_teacher(tmp_path: Path) -> None:
    software = {"name": "software", "epochs": 8, "learning_rate": 0.02}
    apart = []
    for share in (0.0, 0.9):
        # chips that are all alike, and epochs enough that it holds for each of three seeds
        stages = (software, {**ONE_BIT, "hardware": NO_WIRES, "epochs": 8, "distil": share})
        layers = ({"name": "stem", "neurons": 24}, {"neurons": 24}, {})
        taught = make_study(layers=layers, steps=3, coding="direct", batch=40, stages=stages)
        told: list[str] = []
        run = train(taught, tmp_path / str(share), data=NUMBERS, tell=told.append)
        teacher = load_run(tmp_path / str(share), stages=1, data=NUMBERS).network
        said = [respond(one, NUMBERS.train) for one in (teacher, run.network)]
        apart.append(float((said[0] - said[1]).square().mean()))
    assert apart[1] < apart[0]
    assert not any("normalisation" in note for note in told)  # there is none
    varied = run.study.stages[-1].hardware_card().changed({"converter.offset": 0.5})
    (chip,) = judge(run, varied, NUMBERS.test, chips=1)
    names = {"chip", "r_squared_averages_of_training", "r_squared_averages_per_chip"}
    assert chip.as_dict().keys() == names


def test_a_run_is_judged_on_chips_that_it_never_saw(folder: Path) -> None:
    run = load_run(folder)
    card = run.study.stages[-1].hardware_card()
    chips = judge(run, card, run.data.test, chips=2)
    assert [one.chip for one in chips] == [1, 2]
    # ten classes: three times chance
    assert all(one.accuracy > 0.3 and one.fitted > 0.3 for one in chips)
    # by hand, on the second: its own offsets, and averages of training images alone
    network = run.network.eval()
    noise = torch.Generator().manual_seed(NOISE_SEED)
    for layer in mapped_layers(network).values():
        layer.chip, layer.generator = 2, noise
    assert evaluate(network, run.data.test) == chips[1].accuracy
    before = network.chain[1].norm.running_mean.clone()
    batches = run.data.train.inputs(slice(1000)).split(250)
    estimate_averages(network, batches)
    assert evaluate(network, run.data.test) == chips[1].fitted
    assert not torch.equal(before, network.chain[1].norm.running_mean)


def test_training_says_what_averages_of_all_chips_hide(tmp_path: Path) -> None:
    """Offsets that are no noise to a choice of classes: what is told is what judging finds on chip 0."""
    offsets = {**ONE_BIT, "hardware": {**NO_WIRES, "converter.offset": 3.0}}
    told: list[str] = []
    run = train(make_study(**study(offsets)), tmp_path, tell=told.append)
    (note,) = [one for one in told if "normalisation" in one]
    seen = judge_seen(run, first(run.data.train, AVERAGES_SAMPLE))
    # which training looks at, with the averages that it left
    assert seen.accuracy == evaluate(run.network, first(run.data.train, AVERAGES_SAMPLE))
    assert seen.fitted > seen.accuracy
    assert f"training accuracy is {seen.accuracy:.4f}" in note
    assert note.endswith(f"and {seen.fitted:.4f} with its own")


def test_averages_of_batches_are_their_mean() -> None:
    norm = nn.BatchNorm1d(3)
    model = nn.Sequential(nn.Linear(3, 3), norm)
    parts = [torch.randn(40, 3), 2 + torch.randn(40, 3)]
    estimate_averages(model, parts)
    sums = [model[0](part).detach() for part in parts]
    assert torch.allclose(norm.running_mean, torch.cat(sums).mean(0), atol=1e-6)
    assert torch.allclose(norm.running_var, (sums[0].var(0) + sums[1].var(0)) / 2, rtol=1e-5)


def test_the_command_judges_every_card(folder: Path, tmp_path: Path) -> None:
    hardware = '{ "wires.word_line" = 0.0, "wires.bit_line" = 0.0, "converter.offset" = 0.5 }'
    command = ["imc", str(folder), "--card", "adcless-differential-32", "--compare", "hp-adc-differential"]
    asked = ["--chips", "2", "--images", "60", "--hardware", hardware, "--out", str(tmp_path)]
    told = CliRunner().invoke(app, [*command, *asked])
    assert told.exit_code == 0, told.output
    own, rival = json.loads((tmp_path / "imc.json").read_text())
    assert own["digital_layers"] == rival["digital_layers"] == ["stem"]
    assert (own["mapped_cold"], rival["mapped_cold"]) == (False, True)
    for chip in (*own["unseen_chips"], *rival["unseen_chips"]):
        # parts of 60 images
        assert round(60 * chip["accuracy_averages_of_training"], 6).is_integer()
        assert round(60 * chip["accuracy_averages_per_chip"], 6).is_integer()
    lines = {line.split("  ")[0]: line for line in told.output.splitlines()}
    mean = sum(chip["accuracy_averages_per_chip"] for chip in own["unseen_chips"]) / 2
    assert f"{mean:.2%}" in lines["2 unseen, averages per chip"]
    assert "stem" in lines["digital layers"]
    page = (tmp_path / "imc.html").read_text()
    assert "Chips that training never saw" in page
    assert "--chips 2" in page


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--workload", "gesture", "--chips", "2"], "--chips judges a trained run"),
        (["--workload", "gesture", "--hardware", "0.5"], "is no table"),
        (["--workload", "gesture", "--hardware", "{ offset: 1 }"], "is no table"),
        (["--workload", "gesture", "--hardware", '{ "converter.offsets" = 0.5 }'], "offsets"),
    ],
)
def test_what_judges_nothing_is_named(arguments: list[str], named: str, tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["imc", *arguments, "--out", str(tmp_path)])
    assert told.exit_code != 0
    assert named in f"{told.output}{told.exception}"


def test_the_benchmark_compares_the_same_but_for_the_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    recipe = importlib.import_module("adcless_recipe")
    one, five = (recipe.study_of("mnist", 3, name, wires=False, examples=None) for name in recipe.COLUMNS)
    assert one.stages[0] == five.stages[0]
    assert one.stages[1].hardware == five.stages[1].hardware
    alike = ("epochs", "batch", "learning_rate", "distil", "temperature", "digital")
    assert all(getattr(one.stages[1], name) == getattr(five.stages[1], name) for name in alike)
    *before, wires = recipe.study_of("mnist", 3, "one bit", wires=True, examples=None).stages
    assert tuple(before) == one.stages
    kept = {name: value for name, value in one.stages[1].hardware.items() if not name.startswith("wires.")}
    assert wires.hardware == kept
    network = build_network((28, 28), 10, one)
    # weights, two numbers of normalisation for each channel or neuron, leak and threshold of each layer
    weights = 9 * 16 + 9 * 16 * 48 + 9 * 48 * 64 + 4 * 4 * 64 * 10
    assert sum(value.numel() for value in network.parameters()) == weights + 2 * (16 + 48 + 64 + 10) + 2 * 4
    mapped = on_card(network, one.stages[1].hardware_card(), None, 0, digital=one.stages[1].digital)
    assert [layer.row_tiles for layer in mapped_layers(mapped).values()] == [3, 7, 16]


def test_a_network_without_normalisation_has_no_averages_to_fit(tmp_path: Path) -> None:
    plain = {"name": "one bit", "card": "adcless-differential-32", "hardware": NO_WIRES, "examples": 64}
    train(make_study(hidden=[8], steps=2, stages=({"name": "software", "examples": 64}, plain)), tmp_path)
    asked = ["imc", str(tmp_path), "--card", "adcless-differential-32", "--chips", "2", "--images", "20"]
    told = CliRunner().invoke(app, asked)
    assert "are all alike" in str(told.exception)
    told = CliRunner().invoke(app, [*asked, "--hardware", '{ "cell.variation" = 0.1 }'])
    assert told.exit_code == 0, told.output
    (own,) = json.loads((tmp_path / "imc" / "imc.json").read_text())
    assert [chip["accuracy_averages_per_chip"] for chip in own["unseen_chips"]] == [None, None]
    assert any(line.startswith("2 unseen  ") for line in told.output.splitlines())
    assert "averages" not in (tmp_path / "imc" / "imc.html").read_text()
