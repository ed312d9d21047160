"""Batch normalisation through time, and what a chip makes of it: gains and references of single steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from memsim.errors import InputError
from memsim.imc import digital_parts, estimate_averages, load_hardware, map_to_imc, mapped_layers
from memsim.learn import make_study
from memsim.networks import BatchNormThroughTime, DiscreteNeuron, Gate, Layer, SpikingNetwork, build_network
from memsim.networks.discrete import Compartment, Hoyer, Learned, Reset, Scheduled, Spike
from memsim.networks.gates import Gains
from memsim.networks.synapses import Ideal

F64 = torch.float64
STEPS = 8
THROUGH_TIME = {"kind": "batch-through-time", "steps": STEPS}
IDEAL = load_hardware("ideal-16")


def drawn(network: nn.Module, seed: int) -> Any:
    """With moments and weights of steps as training could leave them."""
    source = torch.Generator().manual_seed(seed)
    for norm in (m for m in network.modules() if isinstance(m, BatchNormThroughTime)):
        with torch.no_grad():
            norm.running_mean.normal_(0, 0.5, generator=source)
            norm.running_var.uniform_(0.2, 2.0, generator=source)
            norm.weight.uniform_(0.3, 1.5, generator=source)
    return network.double().eval()


def network_of(seed: int, *layers: dict[str, Any], **more: Any) -> Any:
    study = make_study(steps=STEPS, layers=layers, seed=seed, **more)
    return drawn(build_network((6,), 3, study), seed)


def spikes(*shape: int, seed: int = 0) -> Tensor:
    return (torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.5).double()


def differing(one: Any, other: Any, inputs: Tensor) -> tuple[int, int]:
    """Spikes of hidden layers that two networks do not share, and those that fire."""
    with torch.no_grad():
        waves = [network.waveforms(inputs)[:-1] for network in (one, other)]
    pairs = list(zip(*waves, strict=True))
    return sum(int((a != b).sum()) for a, b in pairs), sum(int(a.sum()) for a, _ in pairs)


def test_each_step_has_moments_of_its_own() -> None:
    current = 1 + 2 * torch.randn(STEPS, 5, 3 * 4, generator=torch.Generator().manual_seed(0))
    norm = BatchNormThroughTime((3, 2, 2), STEPS)
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.5, 1.5, STEPS * 3))
    found = norm(current)
    for step, now in enumerate(current.view(STEPS, 5, 3, 4)):
        weight = norm.weight.view(STEPS, 3)[step]
        expected = batch_norm(now, None, None, weight, training=True, eps=1e-4)
        # the same arithmetic, vectorised otherwise
        torch.testing.assert_close(found[step].view(5, 3, 4), expected, rtol=1e-5, atol=1e-5)
    norm.eval()
    whole = norm(current)
    assert torch.equal(torch.cat([norm(current[:3]), norm(current[3:6], 3), norm(current[6:], 6)]), whole)
    for step in range(STEPS):
        gain, reference = norm.fold(step)
        torch.testing.assert_close(gain * current[step] + reference, whole[step], rtol=1e-5, atol=1e-5)


def test_averages_are_those_of_steps() -> None:
    network = SpikingNetwork((6,), 3, [], steps=STEPS)
    network.chain[0].norm = norm = BatchNormThroughTime((3,), STEPS)
    inputs = torch.rand(200, STEPS, 6, generator=torch.Generator().manual_seed(1))
    inputs = (inputs < torch.linspace(0.1, 0.9, STEPS)[:, None]).float()
    estimate_averages(network, inputs)
    current = network.chain[0].synapse.module(inputs).mean(0)
    torch.testing.assert_close(norm.running_mean.view(STEPS, 3), current, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_not_one_spike_of_200_random_networks_differs() -> None:
    source = torch.Generator().manual_seed(5)
    differ = fire = naive = 0
    for seed in range(200):
        leak = 0.6 + 0.4 * float(torch.rand((), generator=source))
        layer = Layer(
            Ideal((5,), nn.Linear(6, 5, bias=False)),
            DiscreteNeuron(leak, 1.0),
            norm=BatchNormThroughTime((5,), STEPS),
        )
        layer = drawn(layer, seed)
        current = 2 * torch.randn(STEPS, 4, 5, generator=source, dtype=F64) + 1
        expected, _ = layer(current)
        _, reference = zip(*(layer.norm.fold(step) for step in range(STEPS)), strict=True)
        layer.fold_steps()
        assert layer.norm is None
        found, _ = layer(current)
        differ += int((found != expected).sum())
        fire += int(expected.sum())
        layer.neuron.threshold = Scheduled(-torch.stack(reference), 1.0)
        naive += int((layer(current)[0] != expected).sum())
    assert differ == 0
    assert fire >= 4_000
    # a constant that leaks is no threshold: a schedule without the leak is another network
    assert naive > 0.02 * fire


HIDDEN: dict[str, dict[str, Any]] = {
    "dense": {"neurons": 5, "norm": THROUGH_TIME},
    "convolution": {"channels": 3, "kernel": 2, "norm": THROUGH_TIME},
    "recurrent": {"neurons": 5, "norm": THROUGH_TIME, "recurrent": True},
    "numbers of neurons": {
        "neurons": 5,
        "norm": THROUGH_TIME,
        "lif": {"leak": {"kind": "learned", "value": 0.8, "shared": "neuron"}, "gain": 1.5},
    },
    "image with numbers of columns": {
        "channels": 3,
        "kernel": 2,
        "norm": THROUGH_TIME,
        "lif": {"leak": {"kind": "learned", "value": 0.8, "shared": "column"}},
    },
    "reset at the next step": {"neurons": 5, "norm": THROUGH_TIME, "lif": {"reset": {"when": "next"}}},
    "adapting": {
        "neurons": 5,
        "norm": THROUGH_TIME,
        "lif": {"compartments": [{"decay": 0.8, "feeds": "threshold", "weight": 0.2}]},
    },
    "scheduled already": {
        "neurons": 5,
        "norm": THROUGH_TIME,
        "lif": {"threshold": {"kind": "scheduled", "schedule": [0.1 * k for k in range(STEPS)]}},
    },
}


@pytest.mark.parametrize("case", sorted(HIDDEN))
def test_folded_networks_on_ideal_tiles_fire_as_unfolded_ones(case: str) -> None:
    shape = (1, 4, 4) if "channels" in HIDDEN[case] else (6,)
    study = make_study(steps=STEPS, layers=(HIDDEN[case], {}), seed=2)
    network = drawn(build_network(shape, 3, study), 3)
    inputs = spikes(50, STEPS, *shape)
    folded, digital = (map_to_imc(network, IDEAL, fold=fold) for fold in (True, False))
    found = folded.chain[0]
    assert found.norm is None
    assert isinstance(found.gate, Gains)
    assert isinstance(found.neuron.threshold, Scheduled)
    assert "layers.0.norm" in digital_parts(digital)
    assert "layers.0.norm" not in digital_parts(folded)
    differ, fire = differing(folded, digital, inputs)
    assert differ == 0
    assert fire > 100
    # the network that was given stays as it was
    assert isinstance(network.chain[0].norm, BatchNormThroughTime)


def test_a_scheduled_threshold_is_decided_behind_the_sums_of_tiles() -> None:
    """On columns of one bit, too: the schedule moves the neuron's comparator, and no decision of a tile."""
    lif = {"threshold": {"kind": "scheduled", "schedule": [0.3 * k for k in range(STEPS)]}}
    network = network_of(4, {"neurons": 5, "lif": lif}, {})
    for card in (IDEAL, load_hardware("adcless-differential-16", {"converter.offset": 0.0})):
        on_tiles = map_to_imc(network, card)
        first = on_tiles.chain[0]
        assert all(layer.step_bias is None for layer in mapped_layers(on_tiles).values())
        inputs = spikes(20, STEPS, 6)
        with torch.no_grad():
            found = on_tiles.waveforms(inputs)[0]
            current = first.synapse(inputs.transpose(0, 1))
            leak, ramp = first.neuron.leak, torch.linspace(0, 0.3 * (STEPS - 1), STEPS, dtype=F64)
            expected, _ = DiscreteNeuron(leak, Scheduled(ramp, 1.0))(current)
            constant, _ = DiscreteNeuron(leak, 1.0)(current)
        assert torch.equal(found, expected)
        assert not torch.equal(found, constant)


class Bent(Gate):
    causal = binary_safe = True

    def forward(self, current: Tensor) -> Tensor:
        return torch.relu(current)


class Shifted(Gate):
    causal = binary_safe = True

    def forward(self, current: Tensor) -> Tensor:
        return 0.5 * current + 0.25

    def fold(self, step: int) -> tuple[float, float]:
        return 0.5, 0.25


def normalised(neuron: DiscreteNeuron, gate: Gate | None = None) -> Layer:
    layer = Layer(
        Ideal((5,), nn.Linear(6, 5, bias=False)), neuron, norm=BatchNormThroughTime((5,), STEPS), gate=gate
    )
    return drawn(layer, 1)


@torch.no_grad()
def test_gates_that_fold_are_folded_with_it() -> None:
    layer, current = normalised(DiscreteNeuron(0.9, 0.5), Shifted()), 2 * spikes(STEPS, 40, 5)
    current += torch.randn(current.shape, generator=torch.Generator().manual_seed(1), dtype=F64)
    expected, _ = layer(current)
    layer.fold_steps()
    found, _ = layer(current)
    assert isinstance(layer.gate, Gains)
    assert torch.equal(found, expected)
    assert int(found.sum()) > 100


def test_folded_gains_and_references_are_trained() -> None:
    layer = normalised(DiscreteNeuron(0.9, Learned(1.0)))
    layer.fold_steps()
    out, _ = layer(torch.randn(STEPS, 4, 5, generator=torch.Generator().manual_seed(1), dtype=F64))
    out.sum().backward()
    for part in (layer.gate.gains, layer.neuron.threshold.schedule, layer.neuron.threshold.threshold.raw):
        assert part.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "layer",
    [
        lambda: normalised(DiscreteNeuron(0.9, 1.0, reset=Reset("zero"))),
        lambda: normalised(DiscreteNeuron(0.9, 1.0, reset=Reset("set"))),
        lambda: normalised(DiscreteNeuron(0.9, Hoyer())),
        lambda: normalised(DiscreteNeuron(0.9, spiking=False)),
        lambda: normalised(DiscreteNeuron(0.9, 1.0, spike=Spike(centre=0.5))),
        lambda: normalised(
            DiscreteNeuron(0.9, 1.0, compartments=[Compartment(0.8, driven_by="input", feeds="input")])
        ),
        lambda: normalised(DiscreteNeuron(0.9, 1.0), Bent()),
    ],
    ids=["reset to zero", "reset to a value", "of membranes", "silent", "slope", "filtered", "bent gate"],
)
def test_what_has_no_such_reference_stays_digital_by_name(layer: Any) -> None:
    on_tiles = map_to_imc(nn.Sequential(layer()), IDEAL)
    assert isinstance(on_tiles[0].norm, BatchNormThroughTime)
    assert digital_parts(on_tiles)["0.norm"] == ("BatchNormThroughTime",)


def test_skipped_layers_keep_it() -> None:
    network = network_of(1, HIDDEN["dense"], HIDDEN["dense"], {})
    on_tiles = map_to_imc(network, IDEAL, skip=["layers.0"])
    assert [layer.norm is None for layer in on_tiles.chain] == [False, True, True]


def test_steps_are_those_of_the_study_and_of_the_state() -> None:
    study = make_study(steps=5, layers=({"neurons": 4, "norm": "batch-through-time"},))
    network = drawn(build_network((6,), 3, study), 0)
    assert network.chain[0].norm.steps == 5
    layer, current = normalised(DiscreteNeuron(0.9, 1.0)), torch.randn(STEPS, 4, 5, dtype=F64)
    for fold in (False, True):
        if fold:
            layer.fold_steps()
        whole, _ = layer(current)
        first, state = layer(current[:3])
        assert torch.equal(torch.cat([first, layer(current[3:], state)[0]]), whole)


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (lambda: BatchNormThroughTime((3,), 0), "steps = 0; allowed: integers from 1"),
        (lambda: BatchNormThroughTime((3,), 4, eps=0.0), "above 0"),
        (lambda: BatchNormThroughTime((3,), 4)(torch.ones(3, 2, 3)), "all of them, as it trains"),
        (lambda: BatchNormThroughTime((3,), 4).eval()(torch.ones(3, 2, 3), 2), "gets step 3 to 5"),
        (lambda: BatchNormThroughTime((3,), 4)(torch.ones(4, 1, 3)), "single current of each neuron"),
        (lambda: BatchNormThroughTime((3,), 4).fold(4), "moments of 4 steps"),
        (lambda: Gains(torch.ones(4, 3))(torch.ones(3, 2, 3), 2), "of 4 steps, and this is step 5"),
        (
            lambda: make_study(steps=4, layers=({"neurons": 4, "norm": "batch-through-time", "bias": True},)),
            "bias changes nothing",
        ),
    ],
)
def test_what_cannot_be_is_named(cause: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        cause()
