"""Membrane residuals: blocks that begin as the identity, and gradients that pass through a hundred of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from memsim.learn import build, load_study, make_study
from memsim.methods import load_method
from memsim.methods.membrane_residuals import gradient_norms

STUDIES = load_method("membrane-residuals").studies
LIF = load_study(STUDIES["membrane-residuals-deep"]).lif.given


def _norms(blocks: int, weight: float, skip: object = "before", neurons: int = 128) -> Tensor:
    """Of the gradients at the stem, in each block twice, and at the last layer, on a batch of digits."""
    inner = {"neurons": neurons, "norm": {"kind": "batch", "initial_weight": 0.5}}
    last = {
        "neurons": neurons,
        "norm": {"kind": "batch", "initial_weight": weight},
        "from": skip,
        "join": "membrane",
    }
    stem, block = {"neurons": neurons, "norm": "batch"}, {"repeat": blocks, "block": (inner, last)}
    study = make_study(
        data="digits", steps=6, coding="direct", lif=LIF, layers=(stem, block, {"lif": {"leak": 0.0}})
    )
    network, data = build(study)
    inputs, labels = data.train.batch(slice(64))
    return gradient_norms(network.train(), inputs, lambda scores: cross_entropy(scores, labels))


def test_the_neuron_is_the_one_of_the_paper() -> None:
    """u[t] = 0.25 u[t-1] (1 - z[t-1]) + x[t], z = 1 where u > 0.5, slope 1 where |u - 0.5| < 0.5, reset detached."""
    neuron = load_study(STUDIES["membrane-residuals-deep"]).lif.neurons((3,))
    x = torch.randn(
        7, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True
    )
    spikes, _ = neuron.double()(x)
    u = z = torch.zeros(2, 3).double()
    passed = torch.zeros_like(x)
    for step, now in enumerate(x.detach()):
        passed[:step] *= 0.25 * (1 - z)
        u = 0.25 * u * (1 - z) + now
        z = (u > 0.5).double()
        passed[step] = 1.0
        assert torch.equal(z, spikes[step])
    (slope,) = torch.autograd.grad(spikes[-1].sum(), x)
    torch.testing.assert_close(slope, passed * ((u - 0.5).abs() < 0.5), rtol=0, atol=1e-15)
    assert slope[:-1].any()


@pytest.mark.parametrize("blocks", [1, 7, 30])
def test_blocks_whose_last_weight_is_zero_pass_the_gradient_as_it_is(blocks: int) -> None:
    norms = _norms(blocks, 0.0, neurons=32)
    assert float(norms[0] / norms[-2]) == 1.0
    assert torch.equal(norms[:-1:2], norms[:1].expand(blocks + 1))


@torch.no_grad()
def test_blocks_whose_last_weight_is_zero_are_the_identity() -> None:
    network, data = build(load_study(STUDIES["membrane-residuals-deep"]))
    stem, *blocks, _ = network.eval().waveforms(data.test.inputs()[:20])
    assert len(blocks) == 200
    assert all(torch.equal(out, stem) for out in blocks[1::2])
    assert stem.any()


def test_gradients_pass_twenty_blocks_and_not_those_of_spikes() -> None:
    """First over last: 1.16 and 0.01 are what the equations written out for themselves give at 20 blocks."""
    membranes, spikes = _norms(20, 0.1), _norms(20, 0.1, {"layer": "before", "of": "spike"})
    assert float(membranes[0] / membranes[-2]) == pytest.approx(1.16, abs=0.1)
    assert float(spikes[0] / spikes[-2]) < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("weight", [0.1, 0.5])
def test_gradients_pass_a_hundred_blocks_and_not_those_of_spikes(weight: float) -> None:
    membranes = _norms(100, 0.1)
    assert 0.5 < float(membranes[0] / membranes[-2]) < 2.5
    spikes = _norms(100, weight, {"layer": "before", "of": "spike"})
    assert float(spikes[0] / spikes[-2]) < 0.2
