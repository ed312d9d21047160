"""Stages that train some parameters alone, or for one chip: what a chip on the bench can still be given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from memsim.errors import InputError
from memsim.imc import mapped_layers
from memsim.learn import Run, load_run, make_study, train
from memsim.learn.judging import chip_of, judge

CARD = "adcless-differential-32"
REAL = {"wires.word_line": 0.0, "wires.bit_line": 0.0, "cell.variation": 0.15}
REFERENCES = {
    "name": "references",
    "card": CARD,
    "hardware": REAL,
    "chip": 2,
    "trains": ["*.trim", "*.neuron.threshold.*"],
    "epochs": 2,
    "examples": 200,
}


def study(**changes: Any) -> Any:
    stages = [{"name": "software", "examples": 400, "learning_rate": 0.01}, {**REFERENCES, **changes}]
    return make_study(hidden=[16], steps=2, batch=40, stages=stages)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    folder = tmp_path_factory.mktemp("tuned")
    return train(study(), folder), load_run(folder, stages=1)


def test_only_what_is_named_is_trained(runs: tuple[Run, Run]) -> None:
    run, before = runs
    software = dict(before.network.named_parameters())
    for name, layer in mapped_layers(run.network).items():
        assert torch.equal(layer.weight, software[f"{name}.weight"].flatten(1))
        assert layer.trim.abs().sum() > 0
    (hidden, _) = run.network.chain
    assert hidden.neuron.threshold.value() != before.network.chain[0].neuron.threshold.value()
    assert hidden.neuron.leak.value() == before.network.chain[0].neuron.leak.value()
    assert all(value.requires_grad for value in run.network.chain[0].parameters())


def test_one_chip_is_met_in_training_and_judged(runs: tuple[Run, Run]) -> None:
    run, _ = runs
    (layer, *_) = mapped_layers(run.network).values()
    assert layer.chip == REFERENCES["chip"]
    same = [layer.train()._hardware().lines.sums for _ in range(2)]
    assert torch.equal(same[0], same[1])
    assert torch.equal(layer.eval()._hardware().lines.sums, same[0])
    layer.meets_chips = True
    assert not torch.equal(layer.train()._hardware().lines.sums, same[0])
    layer.meets_chips = False
    card = run.study.stages[-1].hardware_card()
    assert chip_of(run) == REFERENCES["chip"]
    unseen = judge(run, card, run.data.test, chips=2)
    assert [one.chip for one in unseen] == [1, 3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trains": ["*.trim", "*.nothing"]}, r"no parameter is called '\*\.nothing'; known: .*\.trim"),
        ({"trains": ["*"]}, r"trains: \* are all parameters, which are trained anyway"),
        ({"trains": ["*.trim", "[!x]*"]}, "are all parameters, which are trained anyway"),
        ({"trains": ["*.trim", "*.trim"]}, r"trains names '\*\.trim' twice, which changes nothing"),
        ({"hardware": {}}, "chip = 2 changes nothing, as chips of adcless-differential-32 are all alike"),
        ({"card": None, "hardware": {}}, "chip changes nothing without a card"),
    ],
)
def test_what_cannot_be_trained_is_told_before_any_training(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        train(study(**changes), tmp_path)
    assert not list(tmp_path.glob("*/*.safetensors"))
