"""Several inputs: parts of the word lines, known by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from memsim.errors import InputError
from memsim.imc import load_hardware, map_to_imc
from memsim.imc.mapping import evaluating
from memsim.interop import to_nir
from memsim.learn import load_run, make_dataset, make_study, save_study, train
from memsim.learn.data import load_dataset
from memsim.learn.size import check_training, layer_sizes
from memsim.learn.study import load_study
from memsim.networks import Layer, LeakyIntegrateAndFire, Network, build_network, parts_of
from memsim.networks.network import Outputs
from memsim.networks.synapses import Ideal

TWO = {"left": 4, "right": 2}
BRANCHES = (
    {"name": "a", "neurons": 5, "from": "left"},
    {"name": "b", "neurons": 3, "from": "right"},
    {"from": "a"},
)
X = torch.rand(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def network(layers=BRANCHES, shape=(6,), rails=1, **study):
    table = make_study(**{"inputs": TWO, "layers": layers, "seed": 1} | study)
    check_training(shape, 3, table, rails=rails)
    return build_network(shape, 3, table, rails=rails).double()


def test_branches_hear_their_part_alone_and_meet_again():
    net = network(step=500e-6, synapses={"mirror_ratio": 1.0, "bias": True})
    assert [len(one.weight) for one in net.crossbars] == [5, 3, 4, 5]
    lines = net.drive(X).over(net.clock.times()).values
    with torch.no_grad():
        a, b, out = net.waveforms(X)
        (one, two, last), dt = net.chain, net.clock.step
        assert torch.allclose(a, one.neuron(one.synapse(lines[..., :4]), dt=dt)[0], rtol=1e-9, atol=1e-15)
        assert torch.allclose(b, two.neuron(two.synapse(lines[..., 4:]), dt=dt)[0], rtol=1e-9, atol=1e-15)
        current = last.synapse(b) + last.joins[0].synapse(a)
        assert torch.allclose(out, last.neuron(current, dt=dt)[0], rtol=1e-9, atol=1e-15)
    # the bias line in front of a part of the input is one of the drive
    assert [layer.synapse.bias for layer in net.chain] == [net.drive.voltage] * 2 + [
        net.cells[1].regime.level
    ]


def test_in_python_a_layer_has_a_source_and_a_network_parts():
    def layer(rows, columns, **more):
        synapse = Ideal((rows,), torch.nn.Linear(rows, columns, bias=False))
        return Layer(synapse.double(), LeakyIntegrateAndFire(), **more)

    spikes = (X > 0.5).double()[None]
    net = Network(
        [layer(4, 5, source="left"), layer(2, 3, source="right"), layer(3, 2)],
        drive=lambda x, _: Fixed(x),
        readout=lambda out: out.mean(0),
        parts=parts_of((6,), TWO),
    )
    one, two, last = net.chain
    second, _ = two.neuron(two.synapse(spikes[..., 4:]))
    assert torch.equal(net.waveforms(spikes)[0], one.neuron(one.synapse(spikes[..., :4]))[0])
    assert torch.equal(net(spikes), last.neuron(last.synapse(second))[0].mean(0))
    with pytest.raises(InputError, match="connection from 'left'; before it come: input"):
        Network([layer(4, 5, source="left")], drive=lambda x, _: Fixed(x), readout=lambda out: out)


class Fixed:
    def __init__(self, spikes):
        self.spikes = spikes

    def over(self, _):
        return Outputs(self.spikes)


def test_discrete_branches_are_the_same():
    net = network(neuron="lif", steps=6)
    spikes = net.drive(X, None).over(np.empty(0)).values
    a, b, out = net.waveforms(X)
    one, two, last = net.chain
    assert torch.equal(a, one.neuron(one.synapse(spikes[..., :4]))[0])
    assert torch.equal(b, two.neuron(two.synapse(spikes[..., 4:]))[0])
    assert torch.equal(out, last.neuron(last.synapse(b) + last.joins[0].synapse(a))[0])


def test_a_list_that_names_a_part_begins_with_what_leads_to_the_synapse():
    layers = (
        {"neurons": 5, "from": "left"},
        {"neurons": 3, "from": "left"},
        {"from": ["layer1", "right", "layer2"]},
    )
    net = network(layers, step=500e-6, synapses={"mirror_ratio": 1.0, "bias": True})
    with torch.no_grad():
        a, b, out = net.waveforms(X)
        lines = net.drive(X).over(net.clock.times()).values
        last = net.chain[2]
        current = last.synapse(a) + last.joins[0].synapse(lines[..., 4:]) + last.joins[1].synapse(b)
        assert torch.allclose(out, last.neuron(current, dt=net.clock.step)[0], rtol=1e-9, atol=1e-15)
    assert [one.rows for one in layer_sizes((6,), 3, net.study.every_layer, net.parts)] == [4, 4, 5]


def test_a_later_layer_may_hear_a_part_beside_the_layer_before():
    net = network(({"neurons": 5, "from": "left"}, {"from": ["right", "layer1"]}))
    assert [tuple(one.weight.shape) for one in net.crossbars] == [(4, 5), (2, 3), (5, 3)]


@pytest.mark.parametrize("neuron", ["threshold-switching-a", "lif"])
def test_the_whole_input_is_heard_beside_a_part_of_it(neuron):
    net = network(({"neurons": 5, "from": ["left", "input"]}, {}), neuron=neuron)
    with torch.no_grad():
        changed = X.clone()
        changed[:, 5] = 1 - changed[:, 5]  # of "right", which "input" holds
        assert not torch.equal(net.waveforms(X)[0], net.waveforms(changed)[0])
    net = network(({"neurons": 5}, {"from": ["left", "layer1"]}))
    assert [len(one.weight) for one in net.crossbars] == [6, 4, 5]


def test_parts_of_images_are_channels_and_of_signed_inputs_have_both_rails():
    x = torch.arange(2.0 * 3 * 4 * 4)
    parts = parts_of((6, 4, 4), {"grey": 1, "colours": 2}, rails=2)
    assert parts["colours"].shape == (4, 4, 4)
    assert torch.equal(parts["colours"](x), x.view(2, 3, 4, 4)[:, 1:].flatten())
    assert torch.equal(parts["grey"](x[None, None]), x.view(2, 3, 4, 4)[:, :1].reshape(1, 1, -1))
    net = network(
        ({"channels": 2, "kernel": 2, "from": "a"}, {"from": ["b", "layer1"]}),
        shape=(6, 4, 4),
        rails=2,
        inputs={"a": 1, "b": 2},
    )
    assert [len(one.weight) for one in net.crossbars] == [2 * 4, 4 * 16, 18]


GROUPED = ({"channels": 6, "kernel": 3, "groups": 3}, {})


def signed_images():
    values = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64) - 0.5
    return values, torch.cat([values.clamp(min=0), (-values).clamp(min=0)], dim=1).flatten(1)


def of_channels(values, kernel):
    """Plain: each channel alone, both signs; `kernel` [number of the channel, 2 rails, 3, 3, out]."""
    found = []
    for number in range(values.shape[1]):
        signs = torch.stack([values[:, number].clamp(min=0), (-values[:, number]).clamp(min=0)], 1)
        found.append(torch.nn.functional.conv2d(signs, kernel[number].movedim(-1, 0)))
    return torch.cat(found, 1).flatten(1)


OF_A_PART = ({**GROUPED[0], "from": "rgb"}, {"from": ["depth", "layer1"]})


@pytest.mark.parametrize(("layers", "inputs"), [(GROUPED, {}), (OF_A_PART, {"rgb": 3, "depth": 1})])
def test_groups_of_circuits_keep_both_rails_of_a_channel(layers, inputs):
    values, lines = signed_images()
    channels = sum(inputs.values()) or 3
    net = network(layers, shape=(2 * channels, 5, 5), rails=2, inputs=inputs)
    kernel = torch.stack([one.matrix().reshape(2, 3, 3, 2) for one in net.crossbars[:3]])
    with torch.no_grad():
        expected, synapse = of_channels(values, kernel), net.synapses[0]
        assert torch.allclose(synapse(lines), expected, rtol=1e-9, atol=1e-20)
        driven = synapse.driven(lines[:, None], torch.ones(1, 1, dtype=torch.float64))
        assert torch.allclose(driven[0], expected, rtol=1e-9, atol=1e-20)


def test_groups_of_plain_weights_keep_both_rails_of_a_channel():
    values, lines = signed_images()
    net = network(GROUPED, shape=(6, 5, 5), rails=2, inputs={}, neuron="lif")
    kernel = net.chain[0].synapse.module.weight.detach().reshape(3, 2, 2, 3, 3).movedim(1, -1)
    with torch.no_grad():
        assert torch.allclose(net.chain[0].synapse(lines), of_channels(values, kernel), rtol=1e-9, atol=1e-12)


def test_groups_on_tiles_keep_both_rails_of_a_channel():
    net = map_to_imc(
        network(GROUPED, shape=(6, 5, 5), rails=2, inputs={}, neuron="lif"), load_hardware("ideal")
    )
    spikes, synapse = (signed_images()[1] > 0).double(), net.chain[0].synapse
    with torch.no_grad(), evaluating(net):
        found = synapse(spikes).reshape(2, 3, 2, 3, 3)
        for number, group in enumerate(synapse.module.groups):
            assert torch.equal(found[:, number], group(spikes.reshape(2, 6, 5, 5)[:, number::3]))
    assert found.any()


@pytest.mark.parametrize("neuron", ["lif", "threshold-switching-a"])
def test_groups_are_counted_in_channels_not_in_rails(neuron):
    layers = ({**GROUPED[0], "groups": 2}, {})
    with pytest.raises(InputError, match="groups = 2 does not divide 3 channels that come in"):
        network(layers, shape=(6, 5, 5), rails=2, inputs={}, neuron=neuron)
    with pytest.raises(InputError, match="groups = 2 does not divide 3 channels that come in"):
        build_network((6, 5, 5), 3, make_study(layers=layers, neuron=neuron), rails=2)


@pytest.mark.parametrize("neuron", ["lif", "threshold-switching-a"])
def test_groups_of_signed_channels_are_not_written_to_nir(neuron):
    net = network(GROUPED, shape=(6, 5, 5), rails=2, inputs={}, neuron=neuron)
    with pytest.raises(InputError, match="'layer1' has groups of signed channels"):
        to_nir(net, None if neuron == "lif" else (6, 5, 5))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": {"left": 4, "right": 3}}, "left = 4 \\+ right = 3 make 7 channels, and the data have 6"),
        ({"inputs": TWO | {"third": 1}}, "no layer hears the input 'third'"),
        ({"layers": ({"neurons": 2}, {})}, "no `from` names 'left' or another part"),
        ({"layers": ({"neurons": 2}, {"from": "input"})}, "no `from` names 'left' or another part"),
        (
            {"layers": ({"from": ["layer9", "left", "right"]},)},
            "from = 'layer9' is none of what comes before it",
        ),
        (
            {"layers": ({"neurons": 2, "from": "left", "join": "spike"}, {"from": ["right", "layer1"]})},
            "join = 'spike' changes",
        ),
        ({"inputs": {}}, "from = 'left' is none of what comes before it: input"),
        ({"layers": ({"name": "left", "neurons": 3, "from": ["left", "right"]},)}, "the name 'left'"),
        ({"inputs": {"input": 4, "right": 2}, "layers": ({"from": ["input", "right"]},)}, "input"),
        ({"inputs": {"1": 6}}, "inputs"),
        (
            {"inputs": {"left": 6}, "layers": ({"from": "left"},)},
            "names one part, 'left', and changes nothing",
        ),
    ],
)
def test_inputs_that_cannot_be_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        network(**changes)


def test_the_memory_of_branches_is_that_of_their_parts():
    study = make_study(
        inputs={"a": 1, "b": 2},
        layers=({"neurons": 5, "from": "a"}, {"channels": 2, "kernel": 3, "from": "b"}, {"from": "layer1"}),
    )
    assert [
        (one.rows, one.columns)
        for one in layer_sizes((3, 4, 4), 3, study.every_layer, parts_of((3, 4, 4), study.inputs))
    ] == [(16, 5), (18, 2), (8, 3)]


def arrays(**shapes):
    random = np.random.default_rng(0)
    return {name: random.random(shape) for name, shape in shapes.items()}


def saved(folder: Path, **more):
    labels = {"y_train": np.arange(40) % 2, "y_test": np.arange(10) % 2}
    given = {
        "x_left_train": (40, 4),
        "x_right_train": (40, 2),
        "x_left_test": (10, 4),
        "x_right_test": (10, 2),
    }
    found = arrays(**given) | labels | more
    np.savez(folder / "two.npz", **found)
    return found


def test_arrays_of_a_file_lie_side_by_side_in_the_order_of_the_study(tmp_path):
    found = saved(tmp_path)
    options = {"name": str(tmp_path / "two.npz"), "range": [0.0, 1.0]}
    for order in (("left", "right"), ("right", "left")):
        data = load_dataset(make_study(data=options).data, parts=order)
        expected = np.concatenate([found[f"x_{name}_test"] for name in order], axis=1)
        assert torch.equal(data.test.inputs(), torch.tensor(expected, dtype=torch.float32))
        assert list(data.parts) == list(order)


def test_series_and_images_lie_side_by_side_as_channels():
    series = arrays(left=(20, 30, 3), right=(20, 30, 1))
    data = make_dataset((series, np.arange(20) % 2), rails=False, range=(0.0, 1.0), slots=30)
    assert data.shape == (4,)
    expected = np.concatenate(list(series.values()), axis=2)
    both = torch.cat([data.train.inputs(), data.test.inputs()])
    assert sorted(both.sum((1, 2)).tolist()) == pytest.approx(sorted(expected.sum((1, 2))), rel=1e-5)
    images = arrays(grey=(20, 5, 6), colour=(20, 5, 6))
    assert make_dataset((images, np.arange(20) % 2), inputs="images").shape == (2, 5, 6)
    pairs = [
        ({"left": one, "right": other}, k % 2)
        for k, (one, other) in enumerate(zip(*series.values(), strict=True))
    ]
    assert make_dataset(pairs).parts == {"left": 3, "right": 1}


@pytest.mark.parametrize("kind", [{}, {"neuron": "lif"}])
def test_a_run_of_two_inputs_goes_on_where_it_was(tmp_path, kind):
    saved(tmp_path)
    entries = {"data": "two.npz", "inputs": TWO, "layers": BRANCHES, "epochs": 1, **kind}
    save_study(make_study(**entries), tmp_path / "study.toml")
    study = load_study(tmp_path / "study.toml")
    assert study.inputs == TWO
    run = train(study, tmp_path / "run")
    again = load_run(tmp_path / "run")
    assert again.study.inputs == TWO
    assert again.data.parts == TWO
    for one, other in zip(run.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("study", "more", "message"),
    [
        ({"inputs": {"left": 4, "up": 2}}, {}, "have the inputs left, right, and the study names left, up"),
        (
            {"inputs": {"left": 3, "right": 3}},
            {},
            "study are left = 3, right = 3, and of the data left = 4, right = 2",
        ),
        ({}, {}, "the inputs left, right, and the study names none"),
        ({"inputs": TWO}, {"x_left_train": np.zeros((40, 4, 3))}, "may differ in channels alone"),
        ({"inputs": TWO}, {"x_left_train": np.zeros((39, 4))}, "x_left_train has shape \\(39, 4\\)"),
    ],
)
def test_data_of_other_parts_are_refused_by_name(tmp_path, study, more, message):
    saved(tmp_path, **more)
    branches = tuple({"neurons": 2, "from": name} for name in study.get("inputs", {}))
    layers = (*branches, {"from": "layer1"}) if branches else ({"neurons": 2},)
    with pytest.raises(InputError, match=message):
        train(make_study(data=str(tmp_path / "two.npz"), layers=layers, **study), tmp_path / "run")
