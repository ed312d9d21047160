"""Spiking neural coding: printed digits, the published step term by term, locality, and refusals."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.imc import load_hardware
from memsim.interop import to_nir
from memsim.learn import make_study, train
from memsim.learn.data import load_dataset
from memsim.learn.rules import Batch, PredictiveCoding
from memsim.learn.rules.coding import coded, correlated, hold
from memsim.learn.run import on_card
from memsim.networks import SpikingNetwork, build_network
from memsim.networks.synapses import Ideal

W = ((-0.8, -0.2, 0.4), (0.6, -1.0, -0.4))
Z_UP, Z_LOW = (0.2, 0.5, 0.1), (0.4, 0.3)
ROUNDING = 1e-12
"""Of float64, against digits that are printed in full."""
TAU, KAPPA, LEAK = 5.0, 0.3, 0.9
J_FILTER = {"decay": 1 - KAPPA, "gain": KAPPA, "driven_by": "input", "feeds": "input"}
HIDDEN = {
    "neurons": 30,
    "prediction_tau": TAU,
    "lif": {"leak": LEAK, "threshold": 1.0, "spike": {"inclusive": True}, "compartments": [J_FILTER]},
}
LAST = {"bias": False, "lif": {"leak": 1 - 1 / TAU, "gain": 1 / TAU}}


def test_errors_and_steps_have_the_printed_digits() -> None:
    synapse = Ideal((2,), torch.nn.Linear(2, 3, bias=False, dtype=torch.float64))
    synapse.module.weight.data = torch.tensor(W, dtype=torch.float64).mT
    z_up, z_low = (torch.tensor(z, dtype=torch.float64)[None, None] for z in (Z_UP, Z_LOW))
    with torch.no_grad():
        mu = synapse.transposed(z_up)
    e = z_low - mu
    assert mu.flatten().tolist() == pytest.approx([-0.22, -0.42], abs=ROUNDING)
    assert e.flatten().tolist() == pytest.approx([0.62, 0.72], abs=ROUNDING)
    assert synapse(e).flatten().tolist() == pytest.approx([-0.064, -0.844, -0.04], abs=ROUNDING)
    correlated(synapse, e, z_up).backward()
    step = -synapse.module.weight.grad.mT
    assert step[0].tolist() == pytest.approx([0.124, 0.31, 0.062], abs=ROUNDING)
    assert step[1].tolist() == pytest.approx([0.144, 0.36, 0.072], abs=ROUNDING)


def entries(**changes: Any) -> dict[str, Any]:
    return {
        "data": "digits",
        "steps": 12,
        "coding": "direct",
        "initial_variance": 1.0,
        "rule": "predictive-coding",
        "layers": [HIDDEN, LAST],
        **changes,
    }


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


def test_gradients_are_the_published_step() -> None:
    """z, e, J and the neurons written out, and dW = eta e z^T."""
    found, rule = network(), PredictiveCoding()
    batch = batch_of(found)
    energy = rule.grads(batch)
    w, v = (layer.synapse.module.weight.detach() for layer in found.chain)  # [30, 64], [10, 30]
    z, j, u = (torch.zeros(16, 30) for _ in range(3))
    y, x = torch.nn.functional.one_hot(batch.wanted, 10).float(), batch.inputs
    steps, total = [torch.zeros_like(w), torch.zeros_like(v)], 0.0
    for _ in range(12):
        e, f = x - z @ w, y - z @ v.mT
        total += float(e.square().sum() + f.square().sum()) / 2
        steps[0] += z.mT @ e
        steps[1] += f.mT @ z
        j = j + KAPPA * (-j + e @ w.mT + f @ v)
        u = LEAK * u + j
        s = (u >= 1).float()
        u = u - s
        z = z + (s - z) / TAU
    # 16 examples of 12 steps are added in float32
    assert float(energy) == pytest.approx(total / (12 * 16), rel=1e-5)
    for layer, step in zip(found.chain, steps, strict=True):
        assert torch.allclose(-12 * 16 * layer.synapse.module.weight.grad, step, rtol=1e-4, atol=1e-4)
        assert step.abs().max() > 0


def test_a_network_without_its_label_is_the_one_whose_label_it_predicts() -> None:
    """The same steps, with f = 0: membranes of the last layer are V z, by a step later."""
    found = network()
    x = batch_of(found).inputs
    w, v = (layer.synapse.module.weight.detach() for layer in found.chain)
    z, j, u = (torch.zeros(16, 30) for _ in range(3))
    said = []
    for _ in range(12):
        j = j + KAPPA * (-j + (x - z @ w) @ w.mT)
        u = LEAK * u + j
        s = (u >= 1).float()
        u = u - s
        z = z + (s - z) / TAU
        said.append(z @ v.mT)
    spikes, last = found.waveforms(x)
    assert spikes.mean() > 0
    # sums of 64 and 30 numbers in float32
    assert torch.allclose(last, torch.stack(said), atol=1e-5)


def test_a_layer_learns_from_its_two_sides_alone() -> None:
    """Whatever is on the other side of the hidden layer is no number, and its step is the same."""
    for own in (0, 1):
        found = network()
        one = coded(found, batch_of(found).inputs, batch_of(found).wanted)
        sides = [(one.of_inputs, one.traces), (one.traces, one.of_labels)]
        correlated(found.chain[own].synapse, *sides[own]).backward()
        before = found.chain[own].synapse.module.weight.grad.clone()
        assert before.abs().max() > 0
        found.zero_grad()
        other = found.chain[1 - own].synapse.module.weight
        with torch.no_grad():
            other.fill_(math.nan)
            (one.of_labels, one.of_inputs)[own].fill_(math.nan)
        correlated(found.chain[own].synapse, *sides[own]).backward()
        assert torch.equal(found.chain[own].synapse.module.weight.grad, before)
        assert other.grad is None or not other.grad.any()


def test_the_rule_makes_the_steps_that_locality_was_shown_of() -> None:
    found = network()
    batch = batch_of(found)
    PredictiveCoding().grads(batch)
    whole = [layer.synapse.module.weight.grad.clone() for layer in found.chain]
    found.zero_grad()
    one = coded(found, batch.inputs, batch.wanted)
    (
        correlated(found.chain[0].synapse, one.of_inputs, one.traces)
        + correlated(found.chain[1].synapse, one.traces, one.of_labels)
    ).backward()
    for layer, gradient in zip(found.chain, whole, strict=True):
        assert torch.equal(layer.synapse.module.weight.grad, gradient)


@pytest.mark.parametrize("synapse", ["ideal", "crossbar"])
def test_columns_are_held(synapse: str) -> None:
    found = network(synapse=synapse, initial_variance=9.0)
    before = [layer.synapse.matrix().clone() for layer in found.chain]
    hold(found, 1.0)
    for layer, matrix, lines in zip(found.chain, before, (0, 1), strict=True):
        norm = matrix.norm(dim=lines, keepdim=True)
        assert norm.max() > 1
        # in float32
        assert torch.allclose(layer.synapse.matrix(), matrix / norm.clamp(min=1), atol=1e-6)


def test_crossbars_are_read_from_their_other_side() -> None:
    """The same weights as cells: the same spikes, and gradients of what these stand for."""
    plain, cells = network(), network(synapse="crossbar")
    for own, other in zip(plain.chain, cells.chain, strict=True):
        own.synapse.module.weight.data = other.synapse.matrix().mT.detach().clone()
    batches = batch_of(plain), batch_of(cells)
    energies = [float(PredictiveCoding(bound=100.0).grads(batch)) for batch in batches]
    # currents of some microampere, in float32
    assert energies[0] == pytest.approx(energies[1], rel=1e-3)
    for own, other in zip(plain.chain, cells.chain, strict=True):
        crossbar = other.synapse.array.crossbar
        unit = other.synapse.voltage / other.synapse.unit * crossbar.gain
        assert torch.allclose(
            own.synapse.module.weight.grad.mT * unit, crossbar.weight.grad, rtol=1e-3, atol=1e-3
        )


def test_training_by_local_updates_learns(tmp_path: Path) -> None:
    data = {"name": "digits", "first_train": 400, "first_test": 200}
    plain = {"data": data, "epochs": 3, "batch": 20, "learning_rate": 3.0, "training": {"optimizer": "sgd"}}
    history = train(make_study(**entries(**plain)), tmp_path).history
    # a tenth is right by chance
    assert history[-1].test_accuracy > 0.6
    assert history[-1].loss < history[0].loss


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": [{"neurons": 5}, LAST]}, "predicts its input"),
        ({"layers": [HIDDEN, {"neurons": 5}, LAST]}, "predicts its input"),
        ({"layers": [HIDDEN, {**LAST, "bias": True}]}, "without bias"),
        ({"layers": [HIDDEN, {"bias": False, "fires": True}]}, "adds up"),
        ({"layers": [{**HIDDEN, "lif": {"leak": "learned"}}, LAST]}, "that are numbers"),
        (
            {"layers": [HIDDEN, {"bias": False, "lif": {"leak": 0.9, "gain": 0.2}}]},
            r"lif = {leak = 0.8, gain = 0.2}",
        ),
        ({"layers": [HIDDEN, {**LAST, "delay": 2.0}]}, "hear the one before"),
    ],
)
def test_what_the_rule_does_not_know_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"rule 'predictive-coding' .*{message}"):
        PredictiveCoding().check(network(**changes), torch.zeros(2, 64))


def test_circuits_numbers_dropout_and_bounds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rule 'predictive-coding' is of discrete neurons"):
        train(make_study(rule="predictive-coding", epochs=1), tmp_path / "circuits")
    with pytest.raises(InputError, match="rule 'predictive-coding' is of classes"):
        PredictiveCoding().grads(batch_of(network(), torch.rand(16, 10)))
    with pytest.raises(InputError, match="rule 'predictive-coding' has no dropout"):
        train(make_study(**entries(epochs=1, training={"dropout": 0.1})), tmp_path / "dropout")
    with pytest.raises(InputError, match=r"bound = 0\.0 of rule 'predictive-coding'; allowed: above 0"):
        PredictiveCoding(bound=0.0)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({**HIDDEN, "bias": True}, "bias is given, too"),
        ({**HIDDEN, "recurrent": True}, "recurrent is given, too"),
        ({"channels": 2, "kernel": 3, "prediction_tau": TAU}, "channels is given, too"),
        ({**HIDDEN, "prediction_tau": 0.5}, "prediction_tau"),
    ],
)
def test_layers_that_cannot_predict_are_refused(layer: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_study(**entries(layers=[layer, LAST]))
    with pytest.raises(InputError, match="hidden layers over time"):
        make_study(**entries(layers=[HIDDEN, {"prediction_tau": TAU}]))
    with pytest.raises(InputError, match="prediction_tau is of discrete neurons"):
        make_study(layers=[{"neurons": 5, "prediction_tau": TAU}, {}])


def test_cards_and_graphs_do_not_take_predictions() -> None:
    found, card = network(), load_hardware("adcless-differential-64")
    with pytest.raises(InputError, match="'layer1' predicts what it hears: its"):
        on_card(found, card, load_dataset("digits"), 0)
    with pytest.raises(InputError, match="'layer1' predicts what it hears, which NIR graphs"):
        to_nir(found)
