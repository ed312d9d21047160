"""Spike residuals: sums of spikes, which grow by one with each block, and numbers of both signs behind a stride."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from memsim.learn import build, load_study, make_study
from memsim.methods import load_method
from memsim.networks.layer import Join, Layer
from memsim.networks.network import Arriving, Outputs
from memsim.networks.synapses import Ideal

STUDIES = load_method("spike-residuals").studies
LIF = load_study(STUDIES["spike-residuals"]).lif.given


class _Given(nn.Module):
    """Neurons that fire as they are told."""

    def forward(self, current: Tensor, _: object = None) -> tuple[Tensor, None]:
        return (current > 0).to(current.dtype), None


def test_spikes_and_what_skips_them_are_added() -> None:
    layer = Layer(Ideal((3,), nn.Linear(3, 3, bias=False)), _Given(), joins=[Join("before")])
    z, skip = torch.tensor([[[1.0, 0.0, 1.0]]]), torch.tensor([[[1.0, 2.0, 0.0]]])
    arriving = Arriving(layer, Outputs(z), [(layer.connections[0], Outputs(skip))])
    assert arriving.given(z).tolist() == [[[2.0, 2.0, 1.0]]]


def test_neurons_are_those_of_the_paper() -> None:
    """u <- 0.874 u + x, z = 1 where u > 1, u <- u - z."""
    neuron = load_study(STUDIES["spike-residuals"]).lif.neurons((3,))
    x = torch.randn(30, 2, 3, generator=torch.Generator().manual_seed(0))
    spikes, _ = neuron(x)
    u = torch.zeros(2, 3)
    for now, found in zip(x, spikes, strict=True):
        u = 0.874 * u + now
        assert torch.equal(found, (u > 1).float())
        u = u - found
    assert 0 < spikes.mean() < 1


@pytest.mark.parametrize("blocks", [1, 3, 12])
@torch.no_grad()
def test_the_largest_sum_grows_by_at_most_one_with_each_block(blocks: int) -> None:
    residual = {"neurons": 32, "norm": "batch-through-time"}
    block = {"repeat": blocks, "block": (residual, {**residual, "from": "before", "join": "spike"})}
    network, data = build(make_study(steps=4, lif=LIF, layers=(residual, block, {})))
    outputs = network.train().waveforms(data.train.batch(slice(50))[0])[:-1]
    sums = outputs[::2]
    assert all(torch.equal(out, out.round()) and float(out.min()) >= 0 for out in outputs)
    assert all(float(out.max()) <= number + 1 for number, out in enumerate(sums))
    assert float(sums[-1].max()) > 1


@torch.no_grad()
def test_behind_a_stride_there_are_numbers_of_both_signs() -> None:
    network, data = build(load_study(STUDIES["spike-residuals-stride"]))
    outputs = network.train().waveforms(data.train.batch(slice(20))[0])[:-1]
    whole = [torch.equal(out, out.round()) for out in outputs]
    assert whole == [True, True, True, True, False]
    assert float(outputs[-1].min()) < 0
