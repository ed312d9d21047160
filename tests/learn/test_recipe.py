"""Parts of the training of columns that decide: layers that stay digital, and the network of before as a teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from memsim.errors import InputError
from memsim.imc import digital_parts, mapped_layers
from memsim.learn import load_run, make_study, train

NO_WIRES = {"wires.word_line": 0.0, "wires.bit_line": 0.0}
CONVOLUTION = {"channels": 4, "kernel": 3, "stride": 2, "padding": 1, "norm": "batch"}
ONE_BIT: dict[str, Any] = {
    "name": "one bit",
    "card": "adcless-differential-32",
    "hardware": {**NO_WIRES, "converter.offset": 0.5, "converter.noise": 0.25},
    "digital": ("stem",),
    "epochs": 2,
    "examples": 256,
    "gradient": "impulse",
    "width": (4.0, 1.0),
}
STUDY: dict[str, Any] = {
    "data": "digits",
    "steps": 3,
    "coding": "direct",
    "batch": 64,
    "layers": ({**CONVOLUTION, "name": "stem"}, {**CONVOLUTION, "channels": 8}, {"norm": "batch"}),
    "stages": ({"name": "software", "epochs": 2}, ONE_BIT),
}


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
