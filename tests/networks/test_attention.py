"""Gates of attention: printed numbers, parameters, windows, what is causal, and where they stand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.learn import build, load_study, make_study
from memsim.methods import load_method
from memsim.networks import Gate
from memsim.networks.attention import DimensionalAttention, JointAttention
from memsim.networks.gates import constant_gain
from memsim.networks.mirrors import Mirrors

SHAPE, STEPS = (8, 3, 4), 10
PRINTED = {"rtol": 0, "atol": 5e-7}
"""Six printed digits."""


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def made(kind: type[Gate], shape: tuple[int, ...] = SHAPE, steps: int = STEPS, **settings: Any) -> Any:
    return kind(shape, steps, torch.Generator().manual_seed(1), **settings).double()


def set_to(parameter: Tensor, values: object) -> None:
    with torch.no_grad():
        parameter.copy_(torch.as_tensor(values, dtype=torch.float64).view_as(parameter))


def test_shares_of_time_are_those_printed() -> None:
    """Two steps with means 1, 2 and largest 2, 4."""
    gate = made(DimensionalAttention, (2,), 2, channel=False, place=False)
    set_to(gate.time.squeeze, [0.5, -0.1])
    set_to(gate.time.excite, [0.2, -0.4])
    current = torch.tensor([[[0.0, 2.0]], [[0.0, 4.0]]], dtype=torch.float64)
    expected = torch.tensor([[0.544879], [0.410960]], dtype=torch.float64)
    torch.testing.assert_close(gate.of_time(current), expected, **PRINTED)
    torch.testing.assert_close(gate(current), expected[..., None] * current, rtol=0, atol=4 * 5e-7)


def test_membranes_after_a_spike_begin_at_the_threshold() -> None:
    """u = 0.1, 0.28, 0.384, 0.09, 0.527 and spikes 0, 0, 1, 0, 1, as printed."""
    neuron = load_study(load_method("dimensional-attention").studies["dimensional-attention"]).lif.neurons(
        None
    )
    neuron, state, found, fired = neuron.double(), None, [], []
    for i in (0.1, 0.25, 0.3, 0.0, 0.5):
        before = 0.0 if state is None else 0.3 * float(state.membrane)
        out, state = neuron.step(torch.tensor([[i]], dtype=torch.float64), state)
        found.append(before + i)
        fired.append(int(out))
    assert fired == [0, 0, 1, 0, 1]
    assert found == pytest.approx([0.1, 0.28, 0.384, 0.09, 0.527], abs=5e-7)


@pytest.mark.parametrize(("steps", "channels"), [(10, 16), (60, 128)])
def test_all_three_have_as_many_parameters_as_published(steps: int, channels: int) -> None:
    gate = made(DimensionalAttention, (channels, 2, 2), steps)
    assert sum(p.numel() for p in gate.parameters()) == 2 * steps**2 // 5 + 2 * channels**2 // 8 + 18


def test_all_three_are_applied_one_after_the_other() -> None:
    """By the equations, with the axes of images."""
    gate, current = made(DimensionalAttention), drawn(STEPS, 2, 96)
    x = current.view(STEPS, 2, *SHAPE)

    def both(part: Any, mean: Tensor, most: Tensor) -> Tensor:
        ways = [part.excite @ (part.squeeze @ one).relu() for one in (mean, most)]
        return (ways[0] + ways[1]).sigmoid()

    for number in range(2):
        one = x[:, number]
        one = both(gate.time, one.mean((1, 2, 3)), one.amax((1, 2, 3)))[:, None, None, None] * one
        one = both(gate.channel, one.mean((0, 2, 3)), one.amax((0, 2, 3)))[:, None, None] * one
        pooled = torch.stack([one.mean((0, 1)), one.amax((0, 1))])
        one = torch.conv2d(pooled[None], gate.kernel, padding=1).sigmoid() * one
        torch.testing.assert_close(gate(current)[:, number], one.relu().flatten(1), rtol=1e-12, atol=1e-12)


def test_shares_of_channels_at_steps_are_those_printed() -> None:
    gate = made(JointAttention, (3,), 2)
    set_to(gate.along_channels, torch.arange(16) / 20 - 0.3)
    set_to(gate.along_time, torch.arange(36) / 60 - 0.3)
    z = torch.tensor([[[1, 2, 0]], [[3, 4, 1]]], dtype=torch.float64)
    expected = torch.tensor(
        [[[0.862653, 0.580542, 0.114305]], [[0.000067, 0.206962, 0.956548]]], dtype=torch.float64
    )
    torch.testing.assert_close(gate.shares(z), expected, **PRINTED)
    torch.testing.assert_close(gate(z), expected * z, rtol=0, atol=4 * 5e-7)


def test_joint_attention_has_as_many_parameters_as_published() -> None:
    counts = [
        sum(p.numel() for p in made(JointAttention, *size).parameters())
        for size in (((3,), 2), ((128, 1, 1), 20))
    ]
    assert counts == [52, 67_136]


def test_studies_of_one_convolution_alone_have_as_many_parameters_as_of_both() -> None:
    studies = load_method("joint-attention").studies
    counts = set()
    for name in ("joint-attention", *(f"joint-attention-{one}" for one in ("two-pass", "time", "channels"))):
        (first, second, _) = build_of(studies[name])
        counts.add(sum(p.numel() for gate in (first, second) for p in gate.parameters()))
    assert counts == {1600}


def build_of(path: Any) -> list[Gate]:
    study = load_study(path).model_copy(update={"data": "digits"})
    return [layer.gate for layer in build(study)[0].chain]


def test_kernels_of_even_size_look_further_to_the_right() -> None:
    """Taps of a kernel of 4 look at the one before, itself, and the two behind."""
    z = drawn(1, 1, 6)
    for tap, shift in enumerate((-1, 0, 1, 2)):
        gate = made(JointAttention, (6,), 1, time=False)
        set_to(gate.along_channels, torch.eye(4)[tap])
        seen = torch.zeros(6, dtype=torch.float64)
        for c in range(6):
            seen[c] = z[0, 0, c + shift] if 0 <= c + shift < 6 else 0.0
        torch.testing.assert_close(gate.shares(z)[0, 0], seen.sigmoid())


KINDS = [
    (DimensionalAttention, {"time": time, "channel": channel, "place": place})
    for time, channel, place in ((True, False, False), (False, True, False), (False, False, True))
] + [
    (DimensionalAttention, {}),
    (JointAttention, {}),
    (JointAttention, {"time": False}),
    (JointAttention, {"channel": False}),
]


@pytest.mark.parametrize(("kind", "settings"), KINDS)
def test_what_is_causal_needs_no_later_step_and_what_is_not_does(kind: type[Gate], settings: Any) -> None:
    one, other = drawn(STEPS, 2, 96), drawn(STEPS, 2, 96, seed=1)
    other[:6] = one[:6]
    causal, whole = (made(kind, causal=way, **settings) for way in (True, False))
    assert causal.causal
    assert not whole.causal
    assert torch.equal(causal(one)[:6], causal(other)[:6])
    assert not torch.allclose(whole(one)[:6], whole(other)[:6])


@pytest.mark.parametrize(("kind", "settings"), KINDS[:3])
def test_at_the_last_step_the_causal_form_has_seen_what_the_other_has(
    kind: type[Gate], settings: Any
) -> None:
    current = drawn(STEPS, 2, 96)
    last, whole = (made(kind, causal=way, **settings)(current)[-1] for way in (True, False))
    torch.testing.assert_close(last, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [DimensionalAttention, JointAttention])
def test_shares_of_few_bits_are_multiples_and_pass_gradients(kind: type[Gate]) -> None:
    current = drawn(STEPS, 2, 96)
    settings = {"channel": False} | ({"place": False} if kind is DimensionalAttention else {})
    rounded, exact = (made(kind, bits=bits, **settings) for bits in (4, None))
    with torch.no_grad():
        share, wanted = (gate(current)[current > 0] / current[current > 0] for gate in (rounded, exact))
    torch.testing.assert_close(share, (15 * wanted).round() / 15)
    assert len((15 * share).round().unique()) > 2
    for gate in (rounded, exact):
        gate(current).square().sum().backward()
    assert all(float(p.grad.abs().max()) > 0 for p in rounded.parameters())


@torch.no_grad()
def test_a_gate_behind_neurons_makes_spikes_smaller_and_no_fewer() -> None:
    layers = ({"neurons": 12, "gate": {"kind": "joint", "place": "spike"}}, {})
    network, data = build(make_study(data="digits", steps=6, layers=layers))
    outputs = network.waveforms(data.test.inputs()[:20])
    layer = network.chain[0]
    plain, _ = layer.neuron(layer.synapse(network.drive(data.test.inputs()[:20], None).over(()).values))
    assert torch.equal(outputs[0] > 0, plain > 0)
    assert torch.equal(outputs[0], layer.gate(plain))
    assert float(outputs[0].max()) < 1
    assert network.spikes_per_neuron(outputs) == [pytest.approx(float(plain.sum()) / plain[0].numel())]


def test_gates_that_stand_where_they_cannot_are_refused() -> None:
    behind = {"kind": "joint", "place": "spike", "steps": 21}
    network, data = build(make_study(data="digits", layers=({"neurons": 4, "gate": behind}, {})))
    with pytest.raises(InputError, match="JointAttention of layer 'layer1' stands behind its neurons"):
        network(data.test.inputs()[:2])
    with pytest.raises(InputError, match="windows of 10 steps, and gets 4"):
        made(DimensionalAttention)(drawn(4, 2, 96))
    with pytest.raises(InputError, match="weighs by place, and 5 neurons have none"):
        made(DimensionalAttention, (5,))
    for kind, settings, message in (
        (DimensionalAttention, {"kernel": 2}, "kernel = 2; allowed: odd"),
        (DimensionalAttention, {"reduction": 0}, "reduction = 0; allowed: integers from 1"),
        (DimensionalAttention, {"bits": 0}, "bits = 0; allowed: 1 to 16"),
        (DimensionalAttention, dict.fromkeys(("time", "channel", "place"), False), "weighs by nothing"),
        (JointAttention, {"kernel": 0}, "kernel = 0"),
        (JointAttention, {"place": "membrane"}, "place = 'membrane'; allowed: current, spike"),
        (JointAttention, {"time": False, "channel": False}, "weighs by nothing"),
    ):
        with pytest.raises(InputError, match=message):
            made(kind, **settings)


def test_mirrors_are_constant_ratios_of_few_bits() -> None:
    gate = Mirrors((3, 2, 2), bits=4)
    set_to(gate.raw, [-3.0, 0.1, 2.0])
    ratios = constant_gain(gate, 5)
    assert ratios is not None
    expected = (15 * torch.tensor([-3.0, 0.1, 2.0]).sigmoid()).round() / 15
    torch.testing.assert_close(ratios, expected.repeat_interleave(4))
    current = drawn(5, 2, 12).float()
    torch.testing.assert_close(gate(current), ratios * current)
