"""Layers of a stage with cards of their own: trained, judged and costed on these."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from memsim.cli import app
from memsim.errors import CheckpointError, InputError
from memsim.imc import load_hardware, mapped_layers
from memsim.imc.cost import COMPONENTS, cost, costs_of_cards, together
from memsim.imc.workloads import LayerShape, Workload
from memsim.learn import load_run, load_study, make_study, train
from memsim.learn.study import save_study

NO_WIRES = {"wires.word_line": 0.0, "wires.bit_line": 0.0}
FIVE_BITS = {"inputs.coding": "bit-serial", "inputs.bits": 4, "accumulation.bits": 24}
STEM = {"card": "hp-adc-differential-32", "hardware": {**NO_WIRES, **FIVE_BITS}}
ONE_BIT: dict[str, Any] = {
    "name": "one bit",
    "card": "adcless-differential-32",
    "hardware": {**NO_WIRES, "converter.offset": 0.5},
    "cards": {"stem": STEM},
    "examples": 320,
    "gradient": "impulse",
    "width": (4.0, 1.0),
}
STUDY: dict[str, Any] = {
    "data": "digits",
    "steps": 3,
    "coding": "direct",
    "layers": (
        {"name": "stem", "channels": 4, "kernel": 3, "stride": 2, "padding": 1},
        {"neurons": 16, "norm": "batch"},
        {},
    ),
    "stages": ({"name": "software", "epochs": 1, "learning_rate": 0.02}, ONE_BIT),
}


def study(**stage: Any) -> dict[str, Any]:
    return {**STUDY, "stages": (STUDY["stages"][0], {**ONE_BIT, **stage})}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("cards")
    train(make_study(**STUDY), place)
    return place


def test_layers_are_trained_on_their_cards(folder: Path) -> None:
    layers = mapped_layers(load_run(folder).network)
    names = [layer.card.name for layer in layers.values()]
    assert names == ["hp-adc-differential-32", "adcless-differential-32", "adcless-differential-32"]
    stem, hidden, _ = layers.values()
    assert stem.card == load_hardware(STEM["card"], STEM["hardware"])
    assert (stem.decides, hidden.decides) == (False, True)


def test_a_name_stands_for_a_card_as_it_is(tmp_path: Path) -> None:
    made = make_study(**study(cards={"layer2": "hp-adc-differential-32", "stem": STEM}))
    assert made.stages[1].cards_of_layers()["layer2"] == load_hardware("hp-adc-differential-32")
    save_study(made, tmp_path / "study.toml")
    assert load_study(tmp_path / "study.toml") == made


def test_the_command_costs_each_card(folder: Path, tmp_path: Path) -> None:
    command = ["imc", str(folder), "--card", "adcless-differential-32", "--images", "40", "--chips", "1"]
    wires = '{ "wires.word_line" = 0.0, "wires.bit_line" = 0.0, "converter.offset" = 0.5 }'
    told = CliRunner().invoke(app, [*command, "--hardware", wires, "--out", str(tmp_path)])
    assert told.exit_code == 0, told.output
    (found,) = json.loads((tmp_path / "imc.json").read_text())
    one_bit, five_bits = found["cards"]
    assert (one_bit["card"], five_bits["card"]) == ("adcless-differential-32", "hp-adc-differential-32")
    assert [layer["name"] for layer in five_bits["layers"]] == ["layers.0.synapse.module"]
    assert len(one_bit["layers"]) == 2
    # digital parts are there once, and links not at all
    assert found["digital_parts"] == one_bit["digital_parts"] != []
    assert five_bits["digital_parts"] == []
    assert found["remarks"][-1].startswith("links between the chips")
    lines = [line for line in told.output.splitlines() if line.startswith("hp-adc-differential-32")]
    assert len(lines) == 1
    assert "layers.0.synapse.module" in lines[0]
    assert "layers on" in (tmp_path / "imc.html").read_text()


def shape(name: str, inputs: int, neurons: int) -> LayerShape:
    return LayerShape(name=name, input=(inputs, 1, 1), neurons=neurons)


SHAPES = (shape("a", 200, 50), shape("b", 50, 30), shape("c", 30, 10))
NETWORK = Workload(name="three", steps=4, spike_rate=0.3, layers=SHAPES)


def test_costs_of_cards_are_those_of_their_layers_alone() -> None:
    slow, fast = load_hardware("sar-32"), load_hardware("adcless-32")
    parts = costs_of_cards(NETWORK, fast, {"b": slow})
    alone = [
        cost(
            NETWORK.model_copy(update={"layers": tuple(layer for layer in SHAPES if layer.name in names)}),
            card,
        )
        for names, card in (("ac", fast), ("b", slow))
    ]
    assert [part.as_dict() for part in parts] == [one.as_dict() for one in alone]
    whole = together(parts)
    assert whole.period == max(part.period for part in parts) == parts[1].period
    assert whole.slowest == "b"
    assert whole.inference_time == pytest.approx(sum(part.inference_time for part in parts), rel=1e-12)
    assert whole.total_area == pytest.approx(sum(part.total_area for part in parts), rel=1e-12)
    assert whole.operations == cost(NETWORK, fast).operations
    for name in set(COMPONENTS) - {"leakage"}:
        assert whole.energy[name] == pytest.approx(sum(part.energy[name] for part in parts), rel=1e-12)
    # all chips leak for as long as the slowest takes
    assert whole.energy["leakage"] == pytest.approx(whole.period * whole.leakage_power, rel=1e-9)
    assert whole.energy["leakage"] > 1.01 * sum(part.energy["leakage"] for part in parts)


def test_one_card_for_all_is_one_chip() -> None:
    card = load_hardware("adcless-32")
    assert together(costs_of_cards(NETWORK, card, {})).as_dict() == cost(NETWORK, card).as_dict()
    few = card.changed({"tiles.on_chip": 4})
    with pytest.raises(InputError, match=r"adcless-32 gives memory or tiles\.on_chip"):
        costs_of_cards(NETWORK, few, {"b": load_hardware("sar-32")})


@pytest.mark.parametrize(
    ("stage", "named"),
    [
        (
            {"cards": {"stem": STEM, "layer4": STEM}},
            "'layer4', which is no layer; known: stem, layer2, layer3",
        ),
        ({"cards": {"stem": "no-such-card"}}, "no-such-card"),
        ({"cards": {"stem": {**STEM, "hardwares": {}}}}, "hardwares"),
        ({"digital": ("stem",)}, "gives 'stem' a card, and digital leaves it out"),
        (
            {"cards": {"stem": STEM, "layer2": {"card": ONE_BIT["card"], "hardware": ONE_BIT["hardware"]}}},
            "gives 'layer2' the card that it has anyway",
        ),
        (
            {"cards": dict.fromkeys(("stem", "layer2", "layer3"), STEM)},
            "leaves no layer to the card of the stage",
        ),
        ({"cards": {"stem": "hp-adc-differential-32"}}, "word lines of hp-adc-differential-32 are binary"),
        (
            {"card": None, "hardware": {}, "gradient": "exact", "width": (1.0, 1.0)},
            "cards changes nothing without a card",
        ),
    ],
)
def test_what_cannot_be_is_named(stage: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        make_study(**study(**stage))


def test_a_card_in_a_file_that_has_changed_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('base = "hp-adc-differential-32"\n[wires]\nword_line = 0.0\nbit_line = 0.0\n')
    own = {"card": str(file), "hardware": FIVE_BITS}
    train(make_study(**study(cards={"stem": own}, examples=64)), tmp_path / "run")
    file.write_text(file.read_text() + "[cell]\nvariation = 0.1\n")
    with pytest.raises(CheckpointError, match=r"mine\.toml has changed since the run"):
        load_run(tmp_path / "run")
