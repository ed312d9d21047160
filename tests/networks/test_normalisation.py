"""Batch normalisation in front of discrete neurons, and inputs that are numbers at every step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from memsim.errors import InputError
from memsim.imc import estimate_averages
from memsim.interop.nir_discrete import check_chain
from memsim.learn import load_run, load_study, make_study, train
from memsim.learn.optimization import make_optimizer
from memsim.learn.size import training_memory
from memsim.networks import CircuitNeuron, Layer, SpikingNetwork, build_network
from memsim.networks.normalisation import BatchNorm
from memsim.networks.spikes import DIRECT, coding_of, direct
from memsim.networks.synapses import Ideal

CONVOLUTION = {"channels": 3, "kernel": 3, "stride": 2, "padding": 1, "norm": "batch"}
STUDY: dict[str, Any] = {
    "data": "digits",
    "steps": 3,
    "coding": DIRECT,
    "batch": 64,
    "layers": (CONVOLUTION, {**CONVOLUTION, "channels": 4, "pool": 2}, {"norm": "batch"}),
}


@pytest.mark.parametrize("training", [True, False])
def test_it_normalises_as_torch_does_images_of_all_steps(training: bool) -> None:
    source = torch.Generator().manual_seed(0)
    current = 3 + 2 * torch.randn(4, 5, 3 * 6 * 2, generator=source)
    own, torchs = BatchNorm((3, 6, 2)).train(training), nn.BatchNorm2d(3).train(training)
    images = current.reshape(20, 3, 6, 2)
    # the same arithmetic in another order of summation
    assert torch.allclose(own(current).reshape(images.shape), torchs(images), atol=1e-5)
    assert torch.allclose(own.running_var, torchs.running_var, rtol=1e-5)


def test_a_network_is_the_one_that_torch_would_write() -> None:
    network = build_network((8, 8), 10, make_study(**STUDY)).train()
    images = torch.rand(7, 8, 8, generator=torch.Generator().manual_seed(1))
    first, second, last = network.chain
    given = images[None, :, None].expand(3, 7, 1, 8, 8).reshape(21, 1, 8, 8)
    twin = nn.BatchNorm2d(3)
    current = twin(first.synapse.module(given)).reshape(3, 7, -1)
    spikes, _ = first.neuron(current)
    pooled = nn.functional.avg_pool2d(spikes.reshape(21, 3, 4, 4), 2)
    spikes, _ = second.neuron(nn.BatchNorm2d(4)(second.synapse.module(pooled)).reshape(3, 7, -1))
    sums = last.synapse.module(spikes.reshape(21, -1))
    membranes, _ = last.neuron(nn.BatchNorm1d(10)(sums).reshape(3, 7, 10))
    # spikes are all or nothing, so that what is left is rounding of the last layer
    assert torch.allclose(network(images), membranes.mean(0), atol=1e-5)


def test_averages_are_kept_with_the_weights(tmp_path: Path) -> None:
    run = train(make_study(**STUDY, epochs=2), tmp_path)
    norm = run.network.chain[0].norm
    assert isinstance(norm, BatchNorm)
    assert int(norm.num_batches_tracked) == 2 * -(-len(run.data.train.labels) // 64)
    again = load_run(tmp_path).network.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in run.network.state_dict().items())
    # ten classes: twice chance
    assert run.history[-1].test_accuracy > 0.2


def test_averages_can_be_those_of_any_inputs() -> None:
    network = build_network((8, 8), 10, make_study(**STUDY)).eval()
    images = torch.rand(50, 64, generator=torch.Generator().manual_seed(2))
    estimate_averages(network, images)
    first = network.chain[0]
    current = first.synapse.module(images.reshape(50, 1, 8, 8))
    assert torch.allclose(first.norm.running_mean, current.mean((0, 2, 3)), atol=1e-6)


def test_it_has_the_bias_of_its_layer_and_no_weight_decay() -> None:
    study = make_study(**STUDY, training={"optimizer": "adamw", "weight_decay": 0.1})
    network = build_network((8, 8), 10, study)
    assert all(layer.synapse.module.bias is None for layer in network.chain)
    decayed = {
        id(p)
        for g in make_optimizer(network, study.training, study.every_stage[0]).param_groups
        for p in g["params"]
        if g["weight_decay"]
    }
    assert decayed == {id(layer.synapse.module.weight) for layer in network.chain}


def test_one_of_yours_gets_the_shape(tmp_path: Path) -> None:
    (tmp_path / "norms.py").write_text(
        "import torch\nclass Halved(torch.nn.Module):\n"
        "    def __init__(self, shape):\n        super().__init__()\n        self.shape = shape\n"
        "    def forward(self, i):\n        return i / 2\n"
        "def bright(inputs, steps):\n    return 1 - inputs.expand(steps, *inputs.shape)\n"
        "def flat(inputs, steps):\n    return inputs\n"
    )
    (tmp_path / "s.toml").write_text(
        'data = "digits"\nsteps = 2\ncoding = "norms.py:bright"\n[[layers]]\nneurons = 5\nnorm = "norms.py:Halved"\n'
    )
    study = load_study(tmp_path / "s.toml", trust=True)
    network = build_network((64,), 10, study)
    assert network.chain[0].norm.shape == (5,)
    assert network.chain[0].synapse.module.bias is None
    given = network.drive(torch.full((4, 64), 0.25), None).over(torch.empty(0)).values
    assert torch.equal(given, torch.full((2, 4, 64), 0.75))
    with pytest.raises(InputError, match=r"flat.*gives \(4, 64\).*\(2, 4, 64\)"):
        coding_of(f"{tmp_path / 'norms.py'}:flat")(torch.zeros(4, 64), 2)


def test_numbers_come_at_every_step_and_events_as_they_are() -> None:
    still, events = torch.rand(4, 6), torch.rand(4, 5, 6)
    assert torch.equal(direct(still, 3), torch.stack([still] * 3))
    assert torch.equal(direct(events, 5), events.transpose(0, 1))


@pytest.mark.parametrize(
    ("study", "named"),
    [
        ({"layers": ({"neurons": 4, "norm": "layer"},), "steps": 2}, "'layer' is unknown; known: batch"),
        ({"layers": ({"neurons": 4, "norm": {"momentum": 0.1}},), "steps": 2}, "no kind"),
        (
            {"layers": ({"neurons": 4, "norm": {"kind": "batch", "momentum": 2.0}},), "steps": 2},
            "above 0, at most 1",
        ),
        ({"layers": ({"neurons": 4, "norm": {"kind": "batch", "eps": 0.0}},), "steps": 2}, "above 0"),
        (
            {"layers": ({"neurons": 4, "norm": "batch", "bias": True},), "steps": 2},
            "bias changes nothing in front of batch",
        ),
        (
            {"layers": ({"neurons": 4, "norm": "batch"},), "neuron": "integrate-and-fire-set1"},
            "norm is of discrete neurons",
        ),
        ({"coding": "bits"}, "known: spikes, direct"),
        ({"coding": "direct", "neuron": "integrate-and-fire-set1"}, "coding changes nothing"),
    ],
)
def test_what_cannot_be_is_named(study: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        make_study(**study)


def test_what_it_cannot_stand_for_is_named() -> None:
    with pytest.raises(InputError, match="single current of each neuron"):
        BatchNorm((3,)).train()(torch.ones(1, 1, 3))
    layer = Layer(
        Ideal((4,), nn.Linear(4, 3)),
        CircuitNeuron("integrate-and-fire-set1"),
        name="mixed",
        norm=BatchNorm((3,)),
    )
    with pytest.raises(InputError, match="'mixed' has a normalisation"):
        layer(torch.zeros(3, 2, 3), dt=1e-4)
    with pytest.raises(InputError, match="'layer1' has a normalisation"):
        check_chain(build_network((8, 8), 10, make_study(**STUDY)))
    with pytest.raises(InputError, match="coding changes nothing"):
        SpikingNetwork((4,), 2, [], coding=direct)


def test_the_memory_that_it_takes_is_known() -> None:
    plain = STUDY | {"layers": tuple({**layer, "norm": None} for layer in STUDY["layers"])}
    kept = []
    for values in (plain, STUDY):
        network, sizes = build_network((8, 8), 10, make_study(**values)), {}

        def pack(tensor: torch.Tensor, sizes: dict[int, int] = sizes) -> torch.Tensor:
            storage = tensor.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            # kept until everything is counted, so that no storage comes twice
            scores = network(torch.rand(64, 64))
            kept.append(sum(sizes.values()))
            del scores
    known = [training_memory((8, 8), 10, make_study(**values)) for values in (plain, STUDY)]
    # moments and weights of channels, and biases that are not there, are small beside what batches keep
    assert kept[1] - kept[0] == pytest.approx(known[1] - known[0], rel=0.1)


@pytest.mark.parametrize("kind", ["batch", "batch-through-time"])
def test_a_norm_begins_with_the_weight_that_is_said(kind):
    layer = {"neurons": 4, "norm": {"kind": kind, "initial_weight": 0.25}}
    network = build_network((6,), 3, make_study(layers=(layer, {}), steps=2))
    assert torch.equal(network.chain[0].norm.weight, torch.full_like(network.chain[0].norm.weight, 0.25))
    with pytest.raises(InputError, match="initial_weight"):
        make_study(
            layers=({"neurons": 4, "norm": {"kind": kind, "initial_weight": float("inf")}}, {}), steps=2
        )
