"""Implicit differentiation where a layer that hears itself settles: closed forms, limits, memory, refusals."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from memsim.errors import ConvergenceError, InputError
from memsim.learn import BPTT, Batch, make_study, train
from memsim.learn.rules import Equilibrium
from memsim.learn.rules.equilibrium import at_equilibrium, hold
from memsim.networks import SpikingNetwork, build_network

INPUT = (0.9, 0.2, 0.6, 0.4, 0.7, 0.3)
SETTLED = (0.733354, 0.337508, 0.617608, 0.373568, 0.737963, 0.133354)
GRADIENT = (0.812165, 1.085578, 0.951169, 1.116078, 1.035010, 0.812165)
"""Rates, and their gradient of a loss with slope 1 in each, of six neurons with these inputs and the weights below."""
PRINTED = 5e-7
"""Half of the last printed digit."""


def study(**changes: Any) -> dict[str, Any]:
    entries: dict[str, Any] = {
        "data": "digits",
        "steps": 10,
        "coding": "direct",
        "scores": "last",
        "rule": "equilibrium",
        "lif": {"leak": 1.0, "threshold": 1.0, "spike": {"relative": False, "inclusive": True}},
        "layers": [{"neurons": 6, "recurrent": True, "recurrent_norm": 0.8}, {}],
    }
    return {**entries, **changes}


def network(inputs: int = 6, outputs: int = 6, **changes: Any) -> SpikingNetwork:
    found = build_network((inputs,), outputs, make_study(**study(**changes))).double()
    assert isinstance(found, SpikingNetwork)
    return found


def six_neurons(steps: int) -> SpikingNetwork:
    """Weights W of spectral norm 0.8; inputs are the currents, scores the sums of spikes."""
    found = network(steps=steps)
    weights = torch.tensor([[(7 * i + 3 * j) % 5 - 2 for j in range(6)] for i in range(6)]).double()
    weights *= 0.8 / torch.linalg.matrix_norm(weights, 2)
    hidden, last = found.chain
    with torch.no_grad():
        for synapse, matrix in (
            (hidden.synapse, torch.eye(6)),
            (hidden.recurrent, weights),
            (last.synapse, torch.eye(6)),
        ):
            synapse.module.weight.copy_(matrix)
            synapse.module.bias.zero_()
    return found


def response(found: SpikingNetwork, a: Tensor) -> Tensor:
    """The map that rates settle by, in the words of the paper, with thresholds of 1."""
    weights = found.chain[0].recurrent.module.weight
    return (a @ weights.T + torch.tensor([INPUT]).double()).clamp(0, 1)


def settled(found: SpikingNetwork) -> Tensor:
    a = torch.zeros(1, 6).double()
    for _ in range(400):
        a = response(found, a)
    return a


def rates(found: SpikingNetwork) -> Tensor:
    return found(torch.tensor([INPUT]).double())[0] / found.drive.steps


def test_rates_settle_to_the_printed_digits_as_one_over_the_steps() -> None:
    fixed = settled(six_neurons(1))[0]
    assert fixed.tolist() == pytest.approx(SETTLED, abs=PRINTED)
    with torch.no_grad():
        away = {steps: float((rates(six_neurons(steps)) - fixed).norm()) for steps in (10, 100, 1_000)}
    assert list(away.values()) == pytest.approx([0.1039, 0.01459, 0.001458], abs=5e-5)
    slope = math.log10(away[1_000] / away[10]) / 2
    assert slope == pytest.approx(-1, abs=0.1)  # the membrane that is left over is at most a few spikes


def test_gradients_have_the_printed_digits() -> None:
    found, steps = six_neurons(1_000), 1_000
    scores = Equilibrium(tolerance=1e-13).scores(found, torch.tensor([INPUT]).double())
    (scores.sum() / steps).backward()
    # the input is the current of each neuron, none of which is at a bound: the bias has the gradient v
    assert found.chain[0].synapse.module.bias.grad.tolist() == pytest.approx(GRADIENT, abs=PRINTED)


def test_the_gradient_is_that_of_400_unrolled_steps_at_the_equilibrium() -> None:
    found = six_neurons(1)
    weights = found.chain[0].recurrent.module.weight
    unrolled = torch.autograd.grad(settled(found).square().sum(), weights)[0]
    a = at_equilibrium(settled(found).detach(), lambda a: response(found, a), tolerance=1e-14)
    implicit = torch.autograd.grad(a.square().sum(), weights)[0]
    assert float((implicit - unrolled).abs().max()) < 1e-10 * float(unrolled.abs().max())


@pytest.mark.parametrize(
    "changes", [{}, {"coding": "spikes"}, {"steps": 3, "lif": {"leak": 0.9, "threshold": 2.0}}]
)
def test_the_loss_is_that_of_the_network_itself(changes: dict[str, Any]) -> None:
    found = network(9, 4, **changes)
    inputs = torch.rand(5, 9, generator=torch.Generator().manual_seed(0)).double()
    found.chain[0].synapse.module.weight.data *= 3
    scores = Equilibrium().scores(found, inputs)
    assert torch.allclose(scores, found(inputs), atol=1e-12)
    assert float(scores.detach().std()) > 0.01


def kept(found: SpikingNetwork, rule: Any, inputs: Tensor) -> int:
    """Bytes that wait for the backward pass."""
    places: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        places[storage.data_ptr()] = storage.nbytes()
        return tensor

    def backward(loss: Tensor) -> None:
        loss.backward()

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        batch = Batch(
            found, inputs, inputs[:, 0], lambda: found(inputs), lambda s, _: s.square().sum(), backward
        )
        rule.grads(batch)
    return sum(places.values())


def test_memory_does_not_grow_with_the_steps() -> None:
    inputs = torch.rand(8, 6).double()
    short, long = network(steps=5), network(steps=50)
    assert kept(long, Equilibrium(), inputs) == kept(short, Equilibrium(), inputs)
    assert kept(long, BPTT(), inputs) > 5 * kept(short, BPTT(), inputs)


def test_weights_are_held_where_rates_settle() -> None:
    found = six_neurons(5)
    weights = found.chain[0].recurrent.module.weight
    weights.data *= 4
    hold(found.chain[0], 0.9)
    # power iteration ends within a few per cent of the largest singular value
    assert float(torch.linalg.matrix_norm(weights.detach(), 2)) == pytest.approx(0.9, rel=0.05)
    before = weights.detach().clone()
    hold(found.chain[0], 0.95)
    assert torch.equal(weights, before)


def test_what_does_not_settle_is_an_error() -> None:
    rates = at_equilibrium(torch.full((1, 2), 0.3), lambda a: 2 * a - 0.3, most=50)
    with pytest.raises(ConvergenceError, match="contraction"):
        rates.sum().backward()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layers": [{"neurons": 6}]}, "one recurrent layer"),
        ({"scores": "mean"}, "last step"),
        ({"lif": {"leak": "learned"}}, "leak above 0"),
        ({"lif": {"leak": 0.9, "reset": "zero"}}, "reset subtracts"),
        ({"layers": [{"neurons": 6, "recurrent": True}, {"from": "input"}]}, "nothing else"),
    ],
)
def test_networks_without_such_an_equilibrium_are_refused(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        train(make_study(**study(epochs=1, **changes)), tmp_path)


def test_it_learns_and_resumes(tmp_path: Path) -> None:
    entries = study(
        epochs=3,
        steps=5,
        learning_rate=0.01,
        layers=[{"neurons": 40, "recurrent": True, "recurrent_norm": 0.8}, {}],
    )
    run = train(make_study(**entries), tmp_path / "run")
    assert run.history[-1].test_accuracy > 0.85  # chance is 0.1
    again = train(make_study(**entries), tmp_path / "run", resume=True)
    assert again.history[-1].test_accuracy == run.history[-1].test_accuracy
