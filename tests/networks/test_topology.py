"""What leads into a layer: its own outputs, those of others, later ones, and a line that is always on."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import ConvergenceError, InputError
from memsim.learn import make_study
from memsim.networks import MemristiveNetwork, build_network
from memsim.networks.delays import Delay

SHAPE, CLASSES = (6,), 3
IMAGES = torch.rand(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def network(*layers, **study):
    table = make_study(
        layers=layers, step=500e-6, synapses={"mirror_ratio": 1.0, **study.pop("synapses", {})}, **study
    )
    return MemristiveNetwork(SHAPE, CLASSES, table).double()


def gradients(net):
    loss = net(IMAGES).square().sum()
    return loss, torch.autograd.grad(loss, list(net.parameters()))


def test_a_layer_that_hears_itself_in_one_scan_is_one_that_does_step_by_step(monkeypatch):
    """To 1e-10 of the largest gradient: both are exact adjoints of the same steps."""
    net = network({"neurons": 5, "recurrent": True})
    loss, slopes = gradients(net)
    monkeypatch.setattr(type(net.chain[0].recurrent), "matrix", lambda _: None)
    expected, others = gradients(net)
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-11)
    for mine, theirs in zip(slopes, others, strict=True):
        assert (mine - theirs).abs().max() <= 1e-10 * theirs.abs().max()
    assert others[1].abs().max() > 0


def test_a_recurrent_layer_is_another_one():
    plain, coupled = network({"neurons": 5}), network({"neurons": 5, "recurrent": True})
    coupled.chain[0].synapse.load_state_dict(plain.chain[0].synapse.state_dict())
    coupled.chain[1].synapse.load_state_dict(plain.chain[1].synapse.state_dict())
    with torch.no_grad():
        assert not torch.allclose(plain(IMAGES), coupled(IMAGES), rtol=1e-3)
        coupled.chain[0].recurrent.crossbar.weight.zero_()
        assert torch.allclose(plain(IMAGES), coupled(IMAGES), rtol=1e-10)


def test_a_skip_is_more_word_lines_of_the_same_layer():
    skipping = network({"neurons": 5}, {"neurons": 4, "from": "input"}, {})
    wide = network({"neurons": 5}, {"neurons": 4})
    wide.load_state_dict({k: v for k, v in skipping.state_dict().items() if "joins" not in k})
    lines = wide.drive(IMAGES).over(wide.clock.times()).values
    with torch.no_grad():
        first = wide.waveforms(IMAGES)[0]
        extra = lines @ skipping.chain[1].joins[0].synapse.crossbar.weight * wide.crossbars[0].gain
        expected, _ = wide.chain[1].neuron(wide.synapses[1](first) + extra, dt=wide.clock.step)
        assert torch.allclose(skipping.waveforms(IMAGES)[1], expected, rtol=1e-10, atol=1e-15)


def test_outputs_may_be_added_to_outputs():
    net = network({"neurons": 5}, {"neurons": 5, "from": "layer1", "join": "spike"})
    with torch.no_grad():
        first, second, _ = net.waveforms(IMAGES)
        alone, _ = net.chain[1].neuron(net.synapses[1](first), dt=net.clock.step)
    assert torch.equal(second, alone + first)


def test_a_bias_is_a_line_that_is_always_on():
    net = network({"neurons": 5}, synapses={"bias": True})
    assert [len(crossbar.weight) for crossbar in net.crossbars] == [7, 6]
    level = net.readout.level
    with torch.no_grad():
        lines = net.drive(IMAGES).over(net.clock.times()).values
        first = torch.cat([lines, torch.full_like(lines[..., :1], net.drive.voltage)], -1)
        current = first @ net.crossbars[0].weight * net.crossbars[0].gain
        hidden, _ = net.chain[0].neuron(current, dt=net.clock.step)
        assert torch.allclose(net.waveforms(IMAGES)[0], hidden, rtol=1e-9, atol=1e-15)
        second = torch.cat([hidden, torch.full_like(hidden[..., :1], level)], -1)
        output, _ = net.chain[1].neuron(
            second @ net.crossbars[1].weight * net.crossbars[1].gain, dt=net.clock.step
        )
        assert torch.allclose(net.waveforms(IMAGES)[1], output, rtol=1e-9, atol=1e-15)


def test_convolutions_have_a_bias_for_each_channel():
    table = make_study(hidden=({"channels": 2, "kernel": 3},), synapses={"bias": True}, step=500e-6)
    net = MemristiveNetwork((1, 4, 4), 2, table)
    assert [tuple(crossbar.weight.shape) for crossbar in net.crossbars] == [(10, 2), (9, 2)]
    with torch.no_grad():
        net.crossbars[0].weight[:-1] = 0
        current = net.synapses[0].driven(torch.rand(3, 1, 16), torch.rand(7, 1))
        expected = net.crossbars[0].weight[-1] * net.crossbars[0].gain * net.drive.voltage
    assert torch.allclose(current.unflatten(-1, (2, 2, 2)), expected[:, None, None].expand(1, 3, 2, 2, 2))


@given(delay=st.floats(1e-6, 3e-3))
def test_delays_are_straight_lines_between_samples(delay):
    dt, slope = 1e-3, torch.tensor([2.0, -3.0])
    ramp = torch.arange(8)[:, None, None] * dt * slope  # [time, 1, lines]
    later = Delay(delay)(ramp, dt)
    expected = (torch.arange(8)[:, None, None] * dt - delay).clamp(min=0) * slope
    assert torch.allclose(
        later[4:], expected[4:], rtol=1e-4, atol=1e-6
    )  # single precision; after the longest delay
    assert torch.equal(Delay(dt)(ramp, dt)[1:], ramp[:-1])


def test_delays_are_trained():
    net = network({"neurons": 5}, {"delay": 2e-3, "train_delay": True})
    position = net.chain[1].delay.trained.position
    assert position.shape == (5,)
    loss = net(IMAGES).square().sum()
    (slope,) = torch.autograd.grad(loss, position)
    step = 1e-3
    with torch.no_grad():
        found = []
        for sign in (1, -1):
            position[2] += sign * step
            found.append(float(net(IMAGES).square().sum()))
            position[2] -= sign * step
    # single precision of the delay, 1e-7 of 2 ms, and the step's own square
    assert (found[0] - found[1]) / (2 * step) == pytest.approx(float(slope[2]), rel=2e-2)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (({"neurons": 5}, {"neurons": 4, "from": "layer7"}), "layer7.*none of what comes before"),
        (({"neurons": 5}, {"neurons": 4, "from": "layer1", "join": "spike"}), "as many"),
        (({"neurons": 5, "name": "a"}, {"neurons": 4, "name": "a"}), "two layers have the name 'a'"),
        (({}, {"neurons": 4}), "no neurons"),
        (({"neurons": 5, "join": "spike"},), "join changes nothing"),
        (({"neurons": 5, "kernel": 3},), "channels and kernel"),
        (({"channels": 5, "kernel": 3, "recurrent": True},), "cannot be recurrent"),
        (({"neurons": 5, "train_delay": True},), "train_delay needs a delay"),
        (({"neurons": 5, "stride": 2},), "belong to a convolution"),
    ],
)
def test_layers_that_cannot_be_are_named(layers, message):
    with pytest.raises(InputError, match=message):
        network(*layers)


def test_hidden_and_layers_exclude_each_other():
    with pytest.raises(InputError, match="both describe"):
        make_study(hidden=(4,), layers=({"neurons": 3},))


def test_potentials_beyond_the_supply_are_an_error():
    net = network({"neurons": 5}, synapses={"mirror_ratio": 100.0})
    with pytest.raises(ConvergenceError, match=r"layer 'layer1' reaches .* V above rest.*supply of 3.3 V"):
        net(IMAGES)
    net.supply = None
    assert max(float(wave.detach().abs().amax()) for wave in net.waveforms(IMAGES)) > 3.3


def images(layers, *, shape=(4, 6, 6), **study):
    net = MemristiveNetwork(shape, CLASSES, make_study(layers=layers, step=500e-6, **study))
    x = torch.rand(3, math.prod(shape), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return net.double(), x


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("wire", [0.0, 5.0])
def test_groups_are_a_block_diagonal_without_its_zeros(bias, wire):
    groups, layer = 2, {"channels": 6, "kernel": 3, "padding": 1}
    synapses = {"bias": bias, "wire_resistance": wire}
    net, x = images(({**layer, "groups": groups}, {}), synapses=synapses)
    synapse, bound = net.synapses[0], 4 * 9 // groups
    assert [tuple(one.weight.shape) for one in net.crossbars[:2]] == [(bound + bias, 3)] * 2
    with torch.no_grad():
        lines = net.drive(x).over(net.clock.times())
        found = lines.through(synapse).unflatten(-1, synapse.shape)
        alone = []
        for number, crossbar in enumerate(net.crossbars[:2]):
            matrix = crossbar.matrix()
            patches = torch.nn.functional.conv2d(
                lines.values.reshape(-1, 4, 6, 6)[:, 2 * number : 2 * number + 2],
                matrix[:bound].mT.reshape(3, 2, 3, 3),
                padding=1,
            )
            constant = net.drive.voltage * matrix[bound] if bias else torch.zeros(3)
            alone.append(patches + constant[:, None, None])
        expected = torch.cat(alone, 1).reshape(found.shape)
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-20)


def test_a_pool_averages_windows_in_front_of_the_word_lines():
    net, x = images(({"channels": 2, "kernel": 3}, {"neurons": 5, "pool": 2, "delay": 1e-3}, {}))
    assert [len(one.weight) for one in net.crossbars] == [36, 8, 5]
    with torch.no_grad():
        first, second, _ = net.waveforms(x)
        windows = first.reshape(len(first), 3, 2, 2, 2, 2, 2)  # [..., channels, rows, 2, columns, 2]
        averages = net.chain[1].delay(windows.mean((-3, -1)).flatten(2), net.clock.step)
        expected, _ = net.chain[1].neuron(net.synapses[1](averages), dt=net.clock.step)
    assert torch.allclose(second, expected, rtol=1e-9, atol=1e-15)


def test_discrete_networks_have_groups_and_pools_too():
    layers = [{"channels": 4, "kernel": 3}, {"channels": 6, "kernel": 2, "groups": 2, "pool": 3}, {}]
    for synapse in ("ideal", "crossbar"):
        net = build_network((8, 8), 3, make_study(neuron="lif", layers=layers, synapse=synapse, steps=6))
        spikes, second, _ = net.waveforms(torch.rand(2, 64))
        pooled = torch.nn.functional.avg_pool2d(spikes.reshape(-1, 4, 6, 6), 3).reshape(6, 2, -1)
        fired, _ = net.chain[1].neuron(net.chain[1].synapse(pooled))
        assert torch.equal(fired, second)
        assert spikes.sum() > 0
    assert [tuple(one.weight.shape) for one in net.crossbars] == [(10, 4), (9, 3), (9, 3), (7, 3)]


@pytest.mark.parametrize("synapse", ["ideal", "crossbar"])
def test_a_smaller_image_grows_again_each_pixel_a_square_of_word_lines(synapse: str):
    layers = [
        {"channels": 4, "kernel": 2, "stride": 2},
        {"channels": 2, "kernel": 3, "padding": 1, "upsample": 2, "output": True},
    ]
    net = build_network((8, 8), 128, make_study(neuron="lif", layers=layers, synapse=synapse, steps=6))
    spikes, second = net.waveforms(torch.rand(3, 64))
    larger = torch.nn.functional.interpolate(spikes.reshape(-1, 4, 4, 4), scale_factor=2, mode="nearest")
    found, _ = net.chain[1].neuron(net.chain[1].synapse(larger.reshape(6, 3, -1)))
    assert torch.equal(found, second)
    assert spikes.sum() > 0
    assert second.shape == (6, 3, 128)


def test_circuits_follow_larger_images_too():
    net, x = images(({"channels": 2, "kernel": 3}, {"channels": 3, "kernel": 3, "upsample": 3}, {}))
    with torch.no_grad():
        first, second, _ = net.waveforms(x)
        larger = first.unflatten(-1, (2, -1, 4)).repeat_interleave(3, -2).repeat_interleave(3, -1).flatten(2)
        expected, _ = net.chain[1].neuron(net.synapses[1](larger), dt=net.clock.step)
    # a sum over other lines in another order, single precision in the kernel of neither
    assert torch.allclose(second, expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (({"channels": 2, "kernel": 3}, {"neurons": 4, "upsample": 2}, {}), "in front of a convolution"),
        (({"channels": 2, "kernel": 3, "upsample": 2, "pool": 2}, {}), "not beside pool"),
        (({"neurons": 4}, {"channels": 2, "kernel": 1, "upsample": 2}, {}), "a convolution needs an image"),
        (
            ({"channels": 4, "kernel": 3, "groups": 3}, {}),
            "groups = 3 does not divide 4 channels that come in and 4",
        ),
        (
            ({"channels": 3, "kernel": 3, "groups": 2}, {}),
            "groups = 2 does not divide 4 .* and 3 that go out",
        ),
        (({"neurons": 4, "groups": 2}, {}), "groups belong to a convolution"),
        (({"channels": 4, "kernel": 2}, {"pool": 2}), "pool = 2 does not divide the 5 x 5 pixels"),
        (({"neurons": 4}, {"pool": 2}), "an image, as pool does"),
        (({"neurons": 4, "pool": 1}, {}), "pool"),
    ],
)
def test_groups_and_pools_that_cannot_be_are_named(layers, message):
    with pytest.raises(InputError, match=message):
        images(layers)
