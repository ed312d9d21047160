"""What leads past layers: currents to membranes, spikes to outputs, and convolutions between."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from memsim.errors import InputError
from memsim.learn import make_study
from memsim.networks import build_network
from memsim.networks.layer import Join

INPUTS = torch.rand(5, 36, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def _network(*layers, shape=(1, 6, 6), **study):
    return build_network(shape, 3, make_study(layers=layers, steps=3, **study)).double().eval()


def _norm(skip: Join) -> nn.Module:
    assert isinstance(skip.norm, nn.BatchNorm1d)
    with torch.no_grad():
        skip.norm.weight.uniform_(0.5, 1.5, generator=torch.Generator().manual_seed(1))
        skip.norm.bias.uniform_(-0.3, 0.3, generator=torch.Generator().manual_seed(2))
    return skip.norm


CONV = {"channels": 2, "kernel": 3, "padding": 1, "norm": "batch"}


@torch.no_grad()
def test_currents_are_added_to_membranes_behind_normalisation() -> None:
    network = _network(
        {"name": "a", "neurons": 6}, {"neurons": 6, "norm": "batch", "from": "a", "join": "membrane"}
    )
    first, second, _ = network.chain
    spikes = network.drive(INPUTS, None).over(()).values
    current = first.synapse(spikes)
    out, _ = first.neuron(current)
    added = current + second.gated(second.synapse(out))
    assert torch.equal(network.waveforms(INPUTS)[1], second.neuron(added)[0])


@torch.no_grad()
def test_currents_add_up_over_a_chain_of_such_layers() -> None:
    residual = {"neurons": 6, "from": "before", "join": "membrane"}
    network = _network({"neurons": 6}, {**residual, "repeat": 3}, lif={"leak": 0.0})
    given = network.drive(INPUTS, None).over(()).values
    x = network.chain[0].synapse(given)
    for layer, before in zip(network.chain[1:4], network.waveforms(INPUTS), strict=False):
        x = x + layer.synapse(before)
        assert torch.equal(layer.neuron(x)[0], network.waveforms(INPUTS)[network.chain.index(layer)])


@pytest.mark.parametrize("of", ["spike", "current"])
@torch.no_grad()
def test_a_convolution_of_spikes_or_currents_ends_at_membranes_with_a_norm_of_its_own(of: str) -> None:
    skip = {"layer": "a", "of": of, "pool": 2, "kernel": 1, "norm": "batch"}
    second = {
        "channels": 4,
        "kernel": 3,
        "stride": 2,
        "padding": 1,
        "norm": "batch",
        "from": skip,
        "join": "membrane",
    }
    network = _network({"name": "a", **CONV}, second)
    first, last, _ = network.chain
    (join,) = last.connections
    norm = _norm(join)
    current = first.gated(first.synapse(network.drive(INPUTS, None).over(()).values))
    out, _ = first.neuron(current)
    told = (current if of == "current" else out).unflatten(-1, (2, 6, 6))
    pooled = nn.functional.avg_pool2d(told.flatten(0, 1), 2)
    shortcut = join.synapse.module(pooled).reshape(3, 5, -1)
    expected, _ = last.neuron(last.gated(last.synapse(out)) + norm(shortcut))
    torch.testing.assert_close(network.waveforms(INPUTS)[1], expected, rtol=0, atol=0)


@torch.no_grad()
def test_a_convolution_of_spikes_ends_at_outputs_or_in_front_of_the_norm() -> None:
    skip = {"layer": "a", "kernel": 1}
    for join in ("spike", "current"):
        network = _network({"name": "a", **CONV}, {**CONV, "from": skip, "join": join})
        first, second, _ = network.chain
        out, _ = first.neuron(first.gated(first.synapse(network.drive(INPUTS, None).over(()).values)))
        shortcut = second.connections[0].synapse(out)
        front = second.synapse(out) + (shortcut if join == "current" else 0)
        expected = second.neuron(second.gated(front))[0] + (shortcut if join == "spike" else 0)
        assert torch.equal(network.waveforms(INPUTS)[1], expected)


def test_a_norm_of_a_skip_learns_averages_once_a_batch() -> None:
    skip = {"layer": "a", "kernel": 1, "norm": {"kind": "batch", "momentum": 1.0}}
    network = _network({"name": "a", **CONV}, {**CONV, "from": skip, "join": "membrane"}).train()
    network(INPUTS)
    norm = network.chain[1].connections[0].norm
    assert int(norm.num_batches_tracked) == 1 == int(network.chain[0].norm.num_batches_tracked)
    assert float(norm.running_mean.abs().sum()) > 0


@torch.no_grad()
def test_a_current_that_others_get_is_not_folded_away() -> None:
    """Gains and references fire alike, but what goes into neurons then is another current."""
    layer = {"neurons": 6, "norm": "batch-through-time"}
    study = make_study(
        layers=(layer, {**layer, "from": "before", "join": "membrane"}, {}), steps=3, coding="direct"
    )
    network = build_network((36,), 3, study).double().train()
    network(5 * torch.rand(50, 36, generator=torch.Generator().manual_seed(3), dtype=torch.float64))
    outputs = network.eval().waveforms(INPUTS)
    for layer in network.chain:
        layer.fold_steps()
    assert [layer.norm is None for layer in network.chain] == [False, True, True]
    assert all(
        torch.equal(mine, other) for mine, other in zip(network.waveforms(INPUTS), outputs, strict=True)
    )
    assert outputs[1].any()


A = {"name": "a", "neurons": 4}


@pytest.mark.parametrize(
    ("layers", "study", "words"),
    [
        ((A, {"neurons": 5, "from": "a", "join": "membrane"}), {}, "must be as many"),
        ((A, {"neurons": 4, "from": "input", "join": "membrane"}), {}, "no current into them"),
        ((A, {"neurons": 4, "from": {"layer": "a", "kernel": 1}}), {}, "no convolution"),
        ((A, {"neurons": 4, "from": {"layer": "a", "stride": 2}}), {}, "stride and padding belong"),
        ((A, {"neurons": 4, "from": {"layer": "a", "norm": "batch"}}), {}, "in front of that of the layer"),
        ((A, {"neurons": 4, "from": ["a", {"layer": "a"}], "join": "membrane"}), {}, "twice"),
        ((A, {"neurons": 4, "join": "membrane"}), {}, "changes nothing without `from`"),
        ((A, {"neurons": 4, "from": {"layer": "a", "norm": "batch"}, "join": "membrane"}), {"neuron": None}, "norm"),
        ((A, {"neurons": 4, "from": {"layer": "a", "of": "spike"}, "join": "membrane"}), {"neuron": None}, "copied"),
        ((A, {"neurons": 4, "from": {"layer": "a", "of": "current"}, "join": "spike"}), {"neuron": None}, "copied"),
    ],
)  # fmt: skip
def test_skips_that_cannot_be_are_refused(layers, study, words) -> None:
    entries = {} if "neuron" in study else {"steps": 2}
    with pytest.raises(InputError, match=words):
        build_network((4,), 2, make_study(layers=layers, **entries))


def test_a_convolution_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="makes \\(2, 3, 3\\)"):
        _network(
            {"name": "a", **CONV},
            {**CONV, "from": {"layer": "a", "kernel": 1, "stride": 2}, "join": "membrane"},
        )
