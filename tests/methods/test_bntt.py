"""Batch normalisation through time: which steps count, and what is right after each."""

from __future__ import annotations

import pytest
import torch

from memsim.errors import InputError
from memsim.learn import build, evaluate, make_study
from memsim.methods.bntt import accuracies, last_step, weights_of_steps

LAYERS = ({"neurons": 8, "norm": "batch-through-time"}, {"neurons": 6, "norm": "batch-through-time"}, {})


def test_accuracies_of_all_steps_are_those_of_the_network() -> None:
    network, data = build(make_study(layers=LAYERS, steps=5))
    found = accuracies(network.eval(), data.test)
    assert len(found) == 5
    assert float(found[-1]) == pytest.approx(evaluate(network, data.test), abs=1e-12)
    first, _ = build(make_study(layers=LAYERS, steps=5))
    # the mean of one step is the step itself
    first.load_state_dict(network.state_dict())
    outputs = first.eval().waveforms(data.test.inputs())[-1][0]
    assert float(found[0]) == pytest.approx(float((outputs.argmax(1) == data.test.labels).double().mean()))


def test_steps_are_left_out_whose_weights_are_small_in_all_layers() -> None:
    network, _ = build(make_study(layers=LAYERS, steps=4))
    sizes = torch.tensor([[1.0, -0.5, 0.1, 0.05], [0.2, 2.0, 0.9, 0.1]])
    for layer, size in zip(network.chain, sizes, strict=False):
        with torch.no_grad():
            layer.norm.weight.view(4, -1).copy_(size[:, None])
    torch.testing.assert_close(weights_of_steps(network), sizes.abs())
    assert [last_step(network, share) for share in (0.02, 0.2, 0.46, 0.6)] == [4, 3, 2, 2]
    with pytest.raises(InputError, match="share = 1"):
        last_step(network, 1)
    plain, _ = build(make_study(hidden=(4,), steps=2, neuron="lif"))
    with pytest.raises(InputError, match="no batch normalisation through time"):
        weights_of_steps(plain)
