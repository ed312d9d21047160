"""Desire backpropagation: printed digits, the published step term by term, and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.learn import DataTable, load_dataset, load_study, make_study, train
from memsim.learn.metrics import strict_accuracy
from memsim.learn.rules import Batch, Desire
from memsim.learn.rules.desire import spikes, traces, weighed
from memsim.methods import load_method
from memsim.networks import SpikingNetwork, build_network

STUDIES = load_method("desire").studies
STEPS, MARGIN, LEAK = 20, 4, 0.75
WEIGHTS = ((0.2, -0.1, 0.05, 0.01), (0.1, 0.3, -0.2, 0.02), (-0.3, 0.1, 0.2, 0.0))
ROUNDING = 1e-12
"""Of float64, against digits that are printed in full."""


def test_desires_have_the_printed_digits() -> None:
    n, rule = torch.tensor([[16.0, 3.0, 2.0]], dtype=torch.float64), Desire()
    rate, label = n / (STEPS - MARGIN), torch.tensor([1])
    told = rule.of_outputs(rate, label)
    error = torch.where(told.fire, 1 - rate, rate)
    assert error.tolist() == [[1.0, 0.8125, 0.125]]
    assert told.change.tolist() == [[True, True, False]]
    q = weighed(told, rate) @ torch.tensor(WEIGHTS, dtype=torch.float64)
    assert q.tolist() == [pytest.approx([-0.11875, 0.34375, -0.2125, 0.00625], abs=ROUNDING)]
    hidden = rule.of_hidden(q)
    assert hidden.change.tolist() == [[True, True, True, False]]
    assert hidden.fire.tolist() == [[False, True, False, True]]
    assert hidden.signal.tolist() == [[-1, 1, -1, 0]]


def test_a_trace_at_spikes_has_the_printed_sum() -> None:
    s, z = (torch.tensor(bits, dtype=torch.float64)[:, None, None] for bits in ([1, 0, 1, 1], [0, 1, 0, 1]))
    assert float((z * traces(s, LEAK)).sum()) == 2.921875


def entries(**changes: Any) -> dict[str, Any]:
    return {
        "data": "digits",
        "steps": STEPS,
        "scores": "sum",
        "rule": "desire",
        "initial_variance": 1.5,
        "lif": {"leak": LEAK, "threshold": 1.0, "spike": {"inclusive": True}},
        "layers": [
            {"neurons": 30, "bias": False},
            {"neurons": 20, "bias": False},
            {"bias": False, "fires": True},
        ],
        **changes,
    }


LAYERS = entries()["layers"]


def network(**changes: Any) -> SpikingNetwork:
    found = build_network((64,), 10, make_study(**entries(**changes)))
    assert isinstance(found, SpikingNetwork)
    return found


def batch_of(found: SpikingNetwork, labels: Tensor | None = None) -> Batch:
    inputs = torch.rand(16, 64, generator=torch.Generator().manual_seed(0))
    wanted = torch.arange(16) % 10 if labels is None else labels
    return Batch(
        found, inputs, wanted, lambda: found(inputs), torch.nn.functional.cross_entropy, Tensor.backward
    )


def test_neurons_are_those_of_the_authors() -> None:
    """u <- delta u + W S, z = 1 where u >= 1, u <- u - z."""
    found = network()
    given, fired, *_ = spikes(found, batch_of(found).inputs)
    weight, u = found.chain[0].synapse.module.weight, torch.zeros(16, 30)
    for s, z in zip(given, fired, strict=True):
        u = LEAK * u + s @ weight.mT
        assert torch.equal(z, (u >= 1).float())
        u = u - z
    assert 0 < fired.mean() < 1


def test_gradients_are_the_published_step() -> None:
    found, rule = network(), Desire()
    batch = batch_of(found)
    rule.grads(batch)
    trains = spikes(found, batch.inputs)
    told = rule.told(found, trains[1:], batch.wanted)
    for layer, heard, fired, one in zip(found.chain, trains[:-1], trains[1:], told, strict=True):
        assert set(one.signal.unique().tolist()) <= {-1, 0, 1}
        x, step = torch.zeros_like(heard[0]), torch.zeros_like(layer.synapse.module.weight)
        for s, z in zip(heard, fired, strict=True):
            x = LEAK * x + s
            step += torch.einsum("bj,bi->ji", one.signal * z, x)
        # 16 examples of 20 steps are added in float32
        assert torch.allclose(-16 * layer.synapse.module.weight.grad, step, rtol=1e-4, atol=1e-4)
        assert step.abs().max() > 0


def test_hidden_neurons_hear_three_words_each_of_them_used() -> None:
    found = network()
    batch = batch_of(found)
    for layer in Desire().told(found, spikes(found, batch.inputs)[1:], batch.wanted):
        assert set(layer.signal.unique().tolist()) == {-1, 0, 1}


def test_without_a_dead_zone_a_sign_is_all_that_goes_back() -> None:
    found = network()
    batch = batch_of(found)
    *hidden, _ = Desire(dead_zone=0.0).told(found, spikes(found, batch.inputs)[1:], batch.wanted)
    for layer in hidden:
        assert set(layer.signal.unique().tolist()) == {-1, 1}


def test_crossbars_are_read_from_their_other_side() -> None:
    """The same weights as cells: the same desires, and gradients of what these stand for."""
    plain, cells = network(), network(synapse="crossbar")
    for own, other in zip(plain.chain, cells.chain, strict=True):
        own.synapse.module.weight.data = other.synapse.matrix().mT.detach().clone()
    batches = batch_of(plain), batch_of(cells)
    for batch in batches:
        Desire().grads(batch)
    for own, other in zip(plain.chain, cells.chain, strict=True):
        y = torch.rand(3, *own.shape, generator=torch.Generator().manual_seed(1))
        # currents of some microampere, in float32
        assert torch.allclose(own.synapse.transposed(y), other.synapse.transposed(y), rtol=1e-4, atol=1e-5)
        crossbar = other.synapse.array.crossbar
        unit = other.synapse.voltage / other.synapse.unit * crossbar.gain
        assert torch.allclose(
            own.synapse.module.weight.grad.mT * unit, crossbar.weight.grad, rtol=1e-3, atol=1e-3
        )


def test_ties_are_wrong_where_one_counts_strictly() -> None:
    outputs = torch.tensor([[3.0, 1.0], [2.0, 2.0], [0.0, 1.0]])
    assert strict_accuracy(outputs, torch.tensor([0, 0, 1])) == pytest.approx(2 / 3)


def test_training_by_desires_learns(tmp_path: Path) -> None:
    small = [{"neurons": 40, "bias": False}, LAYERS[-1]]
    plain = {"epochs": 2, "batch": 20, "learning_rate": 4e-3, "training": {"optimizer": "sgd"}}
    study = make_study(**entries(layers=small, steps=12, **plain))
    # a tenth is right by chance
    assert train(study, tmp_path).history[-1].test_accuracy > 0.4


def test_all_shipped_studies_but_the_comparison_are_of_this_rule() -> None:
    assert {name for name, path in STUDIES.items() if "desire" in str(load_study(path).rule)} == {
        "desire",
        "desire-in-place",
        "desire-in-place-sign",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": [{"neurons": 5}, {"bias": False, "fires": True}]}, "without bias"),
        ({"layers": [*LAYERS[:-1], {"bias": False}]}, "outputs fire"),
        ({"lif": {"leak": LEAK, "threshold": 1.0, "reset": "zero"}}, "subtract the threshold at once"),
        ({"lif": {"leak": "learned", "threshold": 1.0}}, "leaks and thresholds that are numbers"),
        ({"lif": {"leak": LEAK, "threshold": 1.0, "gain": 2.0}}, "without compartments or gain"),
        ({"steps": MARGIN}, "margin of 4 steps"),
    ],
)
def test_what_the_rule_does_not_know_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"rule 'desire' .*{message}"):
        Desire().check(network(**changes), torch.zeros(2, 64))


def test_circuits_numbers_and_dropout_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rule 'desire' is of discrete neurons"):
        train(make_study(rule="desire", epochs=1), tmp_path / "circuits")
    found = network()
    with pytest.raises(InputError, match="rule 'desire' is of classes"):
        Desire().grads(batch_of(found, torch.rand(16, 10)))
    with pytest.raises(InputError, match="rule 'desire' has no dropout"):
        train(make_study(**entries(epochs=1, training={"dropout": 0.1})), tmp_path / "dropout")


@pytest.mark.parametrize("wrong", [{"margin": -1}, {"least": 1.0}, {"dead_zone": -0.1}])
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))} = .* of rule 'desire'; allowed: from 0"):
        Desire(**wrong)


def test_the_first_examples_of_a_named_set_are_taken() -> None:
    whole, part = (
        load_dataset("digits"),
        load_dataset(DataTable(name="digits", first_train=30, first_test=20)),
    )
    assert torch.equal(part.train.stored, whole.train.stored[:30])
    assert torch.equal(part.test.labels, whole.test.labels[:20])
    with pytest.raises(InputError, match="first_test = 451 of 'digits' is out of range; allowed: 1 to 450"):
        load_dataset(DataTable(name="digits", first_test=451))
