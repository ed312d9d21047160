"""Lists of the neurons near their thresholds: printed digits, the gradient of all steps, and refusals."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.learn import load_study, make_study, train
from memsim.learn.rules import SparseBPTT
from memsim.learn.rules.lists import Listed, fired
from memsim.networks import DiscreteNeuron, SpikingNetwork, build_network
from memsim.networks.discrete import Reset, Spike

SLOPE = {"slope": "fast-sigmoid", "height": 1.0, "width": 0.01, "support": 0.2, "relative": False}
LEAK = math.exp(-0.1)
INPUTS = ("101", "010", "110", "001", "100", "000")
WEIGHTS = ((0.6, 0.3), (0.2, 0.5), (0.45, 0.1))
PRINTED = 5e-9
"""Half of the last printed digit."""


def neuron() -> DiscreteNeuron:
    return DiscreteNeuron(LEAK, 1.0, reset=Reset(when="next"), spike=Spike(**SLOPE))


def test_the_gradient_of_two_neurons_has_the_printed_digits() -> None:
    given = torch.tensor([[[float(bit) for bit in word]] for word in INPUTS], dtype=torch.float64)
    # each step hears the input of the step before
    late = Listed(torch.cat([torch.zeros_like(given[:1]), given[:-1]]))
    weights = torch.tensor(WEIGHTS, dtype=torch.float64).mT.requires_grad_()
    listed = fired(late, weights, neuron())
    wanted = torch.arange(12, dtype=torch.float64).reshape(6, 1, 2) / 10
    time, batch, which = listed.where
    (listed.values * wanted[time, batch, which]).sum().backward()
    assert [[int(t), int(j)] for t, j in zip(time, which, strict=True)] == [[1, 0], [2, 1], [3, 0]]
    expected = ((0.02537452, 0.00206365), (0.02075728, 0.00228068), (0.01447738, 0.00206365))
    assert weights.grad.mT.flatten().tolist() == pytest.approx(
        [g for row in expected for g in row], abs=PRINTED
    )


def study(**changes: Any) -> dict[str, Any]:
    hidden = {"bias": False, "delay": 1}
    entries: dict[str, Any] = {
        "data": "digits",
        "steps": 12,
        "rule": "sparse",
        "lif": {"leak": LEAK, "threshold": 1.0, "reset": {"when": "next"}, "spike": SLOPE},
        "layers": [{"neurons": 30, **hidden}, {"neurons": 20, **hidden}, {"delay": 1}],
    }
    return {**entries, **changes}


def network(**changes: Any) -> SpikingNetwork:
    found = build_network((64,), 10, make_study(**study(**changes)))
    assert isinstance(found, SpikingNetwork)
    return found


def inputs() -> Tensor:
    return torch.rand(16, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("delay", [None, 1, 3])
def test_gradients_are_those_of_all_steps_with_the_same_support(delay: int | None) -> None:
    """In float32, to 1e-6 of the largest entry; the slope of inputs outside their own support is zero either way."""
    hidden = {"bias": False, "delay": delay}
    found = network(layers=[{"neurons": 30, **hidden}, {"neurons": 20, **hidden}, {"delay": delay}])
    gradients = []
    for scores in (SparseBPTT().scores(found, inputs()), found(inputs())):
        found.zero_grad()
        scores.square().sum().backward()
        gradients.append([one.grad.clone() for one in found.parameters() if one.grad is not None])
    assert torch.equal(SparseBPTT().scores(found, inputs()), found(inputs()))
    assert len(gradients[0]) == len(gradients[1]) == 4
    for sparse, dense in zip(*gradients, strict=True):
        assert float(dense.abs().amax()) > 0
        assert float((sparse - dense).abs().amax()) < 1e-6 * float(dense.abs().amax())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layers": [{"neurons": 9}]}, "bias"),
        ({"layers": [{"neurons": 9, "bias": False, "recurrent": True}]}, "dense"),
        ({"lif": {"leak": LEAK, "threshold": 1.0, "spike": SLOPE}}, "next step"),
        ({"lif": {"leak": LEAK, "threshold": 1.0, "reset": {"when": "next"}}}, "support"),
        (
            {"lif": {"leak": "learned", "threshold": 1.0, "reset": {"when": "next"}, "spike": SLOPE}},
            "numbers",
        ),
        ({"training": {"dropout": 0.1}}, "dropout"),
        ({"layers": [{"neurons": 9, "bias": False, "delay": 2, "train_delay": True}]}, "not trained"),
    ],
)
def test_networks_that_lists_do_not_know_are_refused(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        train(make_study(**study(epochs=1, **changes)), tmp_path)


def test_it_learns(tmp_path: Path) -> None:
    run = train(make_study(**study(epochs=12, learning_rate=0.01)), tmp_path / "run")
    assert run.history[-1].test_accuracy > 0.6  # chance is 0.1


HARDWARE = {"name": "one bit", "card": "adcless-differential-64", "epochs": 1, "examples": 64}


def test_a_stage_on_arrays_learns_by_a_rule_of_its_own(tmp_path: Path) -> None:
    stages = [{"name": "software", "epochs": 1}, {**HARDWARE, "rule": "bptt"}]
    run = train(make_study(**study(stages=stages)), tmp_path / "run")
    assert [record.stage.rule for record in run.records] == [None, "bptt"]
    assert load_study(tmp_path / "run" / "study.toml") == run.study


def test_a_rule_that_does_not_know_arrays_is_refused_before_the_first_stage(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="chains of dense layers"):
        train(make_study(**study(stages=[{"name": "software"}, HARDWARE])), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ([{"name": "software", "rule": "sparse"}], "that of the study"),
        ([{"name": "software", "rule": "bptt"}], "every stage has its own"),
        ([{"name": "software", "rule": "sprase"}], "sprase"),
    ],
)
def test_rules_of_stages_that_change_nothing_are_refused(stages: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_study(**study(stages=stages))
