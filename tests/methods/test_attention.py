"""Attention: what ranks frames, what goes on arrays, and what does not."""

from __future__ import annotations

import pytest
import torch

from memsim.errors import InputError
from memsim.imc import digital_parts, load_hardware
from memsim.learn import build, make_study
from memsim.learn.run import on_card
from memsim.methods.dimensional_attention import ranking, shares_of_frames
from memsim.networks.gates import constant_gain

STEPS = 6


def network_with(gate: object) -> tuple:
    layer = {"channels": 8, "kernel": 3, "stride": 2, "padding": 1, "norm": "batch", "gate": gate}
    return build(make_study(data="digits", steps=STEPS, layers=(layer, {"neurons": 5}, {})))


def test_shares_of_frames_are_those_that_currents_are_multiplied_by() -> None:
    network, data = network_with({"kind": "dimensional", "channel": False, "place": False})
    inputs, layer = data.test.inputs()[:7], network.eval().chain[0]
    seen: list[torch.Tensor] = []
    layer.neuron.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    shares = shares_of_frames(network, inputs)
    assert shares.shape == (1, STEPS, 7)
    current = layer.norm(layer.synapse(network.drive(inputs, None).over(()).values)).detach()
    torch.testing.assert_close(seen[0], (shares[0][..., None] * current).relu())
    with pytest.raises(InputError, match="no attention over time"):
        shares_of_frames(network_with("joint")[0], inputs)


def test_a_ranking_counts_pairs_in_the_right_order() -> None:
    """Signal 0.9, 0.4 and noise 0.4, 0.1: of four pairs three are in order, and one is equal."""
    shares = torch.tensor([[0.9, 0.4], [0.4, 0.1]])
    signal = torch.tensor([[True, False], [True, False]])
    assert ranking(shares, signal) == 3.5 / 4


def test_gates_that_look_at_data_stay_beside_the_arrays_and_are_no_constant_ratio() -> None:
    card = load_hardware("adcless-differential-64", {"wires.word_line": 0.0, "wires.bit_line": 0.0})
    for kind in ("dimensional", "joint"):
        network, data = network_with({"kind": kind, "causal": True, "bits": 4})
        mapped = on_card(network, card, data, 0)
        assert digital_parts(mapped)["layers.0.gate"] == (type(network.chain[0].gate).__name__,)
        assert constant_gain(network.chain[0].gate, STEPS) is None
        with pytest.raises(InputError, match="is not causal, and adcless-differential-64 reads step by step"):
            on_card(network_with(kind)[0], card, data, 0)
    behind, data = network_with({"kind": "joint", "causal": True, "place": "spike"})
    with pytest.raises(InputError, match="JointAttention of layer 'layer1' is not binary_safe"):
        on_card(behind, card, data, 0)
