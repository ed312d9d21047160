"""Layers that are stepped over locations: what they compute, what they cost, and where they cannot be."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import InputError
from memsim.imc import map_to_imc
from memsim.imc.cost import cost
from memsim.imc.hardware import load_hardware
from memsim.imc.mapping import mapped_layers
from memsim.learn import make_study
from memsim.learn.chips import workload_on_chip
from memsim.learn.rules import Equilibrium, ExactSpikes, SparseBPTT
from memsim.learn.size import training_memory
from memsim.networks import Join, Layer, Network, SpikingNetwork, build_network
from memsim.networks.discrete_neurons import DiscreteNeuron
from memsim.networks.scans import turned
from memsim.networks.scores import total
from memsim.networks.synapses import Ideal

STEPS, LINES, CLASSES, BATCH = 7, 5, 3, 4
SRM = {
    "leak": 0.0,
    "threshold": 1.0,
    "reset": "none",
    "compartments": [
        {"kind": "alpha-kernel", "tau": 3.0},
        {"kind": "alpha-kernel", "tau": 1.0, "driven_by": "spike", "feeds": "membrane", "weight": -2.0},
    ],
}
KINDS = {
    "plain": {},
    "kernels": {"lif": SRM},
    "recurrent": {"recurrent": True},
    "normalised": {"norm": "batch"},
    "normalised by steps": {"norm": "batch-through-time"},
}


def events(steps=STEPS, lines=LINES, seed=0):
    """[batch, time, lines]."""
    drawn = torch.rand(BATCH, steps, lines, generator=torch.Generator().manual_seed(seed))
    return (drawn < 0.5).float()


def network(*layers, lines=LINES, steps=STEPS, **study):
    return build_network((lines,), CLASSES, make_study(layers=layers, steps=steps, **study))


def branches(order="index", lines=LINES, steps=STEPS, neurons=6):
    """A branch over time and one over locations, whose spikes are counted together."""
    return network(
        {"name": "time", "neurons": neurons},
        {"name": "ends", "neurons": CLASSES},
        {"name": "location", "neurons": neurons, "after": "input", "over": "location", "order": order},
        {"from": "ends", "join": "steps", "over": "location", "fires": True},
        lines=lines,
        steps=steps,
        scores="sum",
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_location_neurons_are_time_neurons_on_the_input_turned(kind, dtype):
    """Bit for bit: both do the same sums in the same order."""
    entries = {"neurons": 6, **KINDS[kind]}
    location = network({**entries, "over": "location"}, {"over": "location"}).to(dtype)
    time = network(entries, {}, lines=STEPS, steps=LINES).to(dtype)
    weights = {name: value for name, value in location.state_dict().items() if not name.endswith("order")}
    time.load_state_dict(weights)
    x = events().to(dtype)
    for train in (True, False):
        mine, theirs = location.train(train).waveforms(x), time.train(train).waveforms(x.mT)
        assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))
    assert mine[0].sum() > 0


@given(st.permutations(range(LINES)))
def test_an_order_is_that_of_the_lines(order):
    x = events()
    ordered = network({"neurons": 6, "over": "location", "order": order}, {"over": "location"})
    plain = network({"neurons": 6, "over": "location"}, {"over": "location"})
    assert torch.equal(ordered(x), plain(x[..., list(order)]))


def test_a_random_order_is_of_the_seed_and_kept_with_the_weights():
    one, again = (
        network({"neurons": 6, "over": "location", "order": "random"}, {"over": "location"}) for _ in "ab"
    )
    order = one.chain[0].order
    assert torch.equal(order, again.chain[0].order)
    assert sorted(order.tolist()) == list(range(LINES))
    assert order.tolist() != list(range(LINES))
    assert torch.equal(one.chain[1].order, order)
    plain = network({"neurons": 6, "over": "location"}, {"over": "location"})
    plain.load_state_dict(one.state_dict())
    assert torch.equal(plain(events()), one(events()))


def test_the_spikes_of_both_branches_are_counted():
    whole, x = branches(), events()
    time = network({"neurons": 6}, {"fires": True}, scores="sum")
    location = network({"neurons": 6, "over": "location"}, {"over": "location", "fires": True}, scores="sum")
    own = whole.state_dict()
    for part, begin in ((time, 0), (location, 2)):
        part.load_state_dict(
            {
                f"layers.{n - begin}.{name.split('.', 2)[2]}": value
                for name, value in own.items()
                if (n := int(name.split(".")[1])) in (begin, begin + 1)
            }
        )
    outputs = whole.waveforms(x)[-1]
    assert outputs.shape == (STEPS + LINES, BATCH, CLASSES)
    assert torch.equal(outputs, torch.cat([time.waveforms(x)[-1], location.waveforms(x)[-1]]))
    assert torch.equal(whole(x), time(x) + location(x))


def test_dropout_silences_hidden_neurons_and_no_branch_that_ends():
    whole, x = branches(), events()
    plain = whole.waveforms(x)
    masks = [torch.ones(BATCH, 6), torch.zeros(BATCH, CLASSES), torch.ones(BATCH, 6)]
    assert torch.equal(whole.waveforms(x, masks=masks)[-1], plain[-1])


def test_a_part_of_the_input_and_joins_are_turned_too():
    net = network(
        {"neurons": 6, "from": "left", "over": "location"},
        {"neurons": 4, "from": "right", "over": "location"},
        {"over": "location", "from": "layer1"},
        inputs={"left": 3, "right": 3},
        lines=6,
    )
    x = events(lines=6)
    first, second, last = net.waveforms(x)
    a, b, c = net.chain
    assert torch.equal(first, a.neuron(a.synapse(turned(x[..., :3].transpose(0, 1))))[0])
    assert torch.equal(second, b.neuron(b.synapse(turned(x[..., 3:].transpose(0, 1))))[0])
    current = c.synapse(second) + c.joins[0].synapse(first)
    assert torch.equal(last, c.neuron(current)[0])
    x = events()
    skipping = network({"neurons": 6, "over": "location"}, {"over": "location", "from": "input"})
    hidden, out = skipping.waveforms(x)
    end = skipping.chain[1]
    assert torch.equal(
        out, end.neuron(end.synapse(hidden) + end.joins[0].synapse(turned(x.transpose(0, 1))))[0]
    )


def test_layers_of_python_are_turned_by_the_number_of_their_lines():
    synapses = [
        Ideal((rows,), torch.nn.Linear(rows, columns)) for rows, columns in ((STEPS, 6), (6, CLASSES))
    ]
    layers = [Layer(synapse, DiscreteNeuron(), over="location") for synapse in synapses]
    net = Network(layers, drive=network({}).drive, readout=total)
    (first, last), x = net.waveforms(events()), events()
    assert torch.equal(first, layers[0](synapses[0](turned(x.transpose(0, 1))))[0])
    assert last.shape == (LINES, BATCH, CLASSES)
    with pytest.raises(InputError, match="stepped over time and hears 'layer1'"):
        Network([layers[0], Layer(synapses[1], DiscreteNeuron())], drive=net.drive, readout=total)
    with pytest.raises(InputError, match="which has one order"):
        Layer(synapses[0], DiscreteNeuron(), order=torch.arange(LINES))
    with pytest.raises(InputError, match="passes a synapse, or comes before"):
        Join("layer1", synapses[1], place="steps")


LOCATION = {"neurons": 6, "over": "location"}


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (({"neurons": 6, "order": "random"}, {}), "order is of locations"),
        (({**LOCATION, "order": [0, 1, 2, 3]}, {"over": "location"}), "has 4 of 5 locations"),
        (({**LOCATION, "order": [0, 1, 2, 3, 3]}, {"over": "location"}), "names 3 locations"),
        (({**LOCATION, "order": [0, 1, 2, 3, 5]}, {"over": "location"}), "names 5 locations"),
        (({**LOCATION, "delay": 1.0}, {"over": "location"}), "delay is of steps of time"),
        (({**LOCATION, "pool": 2}, {"over": "location"}), "pool is of images"),
        (({"channels": 2, "kernel": 1, "over": "location"}, {}), "channels is of images"),
        ((LOCATION, {}), "stepped over time and hears 'layer1'"),
        ((LOCATION, {"over": "location", "order": "random"}), "order changes nothing behind 'layer1'"),
        (
            ({"neurons": 6}, {**LOCATION, "after": "input"}, {"over": "location", "from": "layer1"}),
            "hears 'layer1' in 6",
        ),
        (({"neurons": 6, "after": "input"}, {}), "after = 'input' is what it follows anyway"),
        (
            ({"neurons": 6}, {"neurons": 6, "after": "layer9", "from": "layer1"}, {}),
            "after = 'layer9' is none",
        ),
        (({"neurons": 6}, {"neurons": 6, "after": "input"}, {}), "no layer hears 'layer1'"),
        (({"neurons": 3}, {"after": "input", "from": "layer1", "join": "steps"}), "with fires = true"),
        (
            ({"neurons": 3}, {"neurons": 3, "from": "input", "join": "steps"}, {}),
            "the last layer of discrete",
        ),
        (({"neurons": 3}, {"from": "input", "join": "steps", "fires": True}), "'input' is none"),
        (
            ({"neurons": 4}, {"after": "input", "from": "layer1", "join": "steps", "fires": True}),
            "has 3 neurons",
        ),
    ],
)
def test_what_cannot_be_says_why(layers, message):
    with pytest.raises(InputError, match=message):
        network(*layers)


def test_circuits_and_inputs_of_unknown_length_have_no_locations():
    with pytest.raises(InputError, match="circuits such as 'integrate-and-fire-set1' run in time alone"):
        make_study(layers=(LOCATION, {"over": "location"}))
    tables = make_study(layers=(LOCATION, {"over": "location"}), steps=STEPS).every_layer
    with pytest.raises(InputError, match="a weight for each step"):
        SpikingNetwork((LINES,), CLASSES, tables)
    for rule, fires in ((SparseBPTT(), False), (ExactSpikes(), True), (Equilibrium(), False)):
        net = network(
            {**LOCATION, "recurrent": isinstance(rule, Equilibrium)}, {"over": "location", "fires": fires}
        )
        with pytest.raises(InputError):
            rule.prepared(net)


def test_on_tiles_a_layer_over_locations_has_a_row_for_each_step_and_is_read_at_each_location():
    lines, steps = 20, 70  # two tiles of 64 rows
    net, card = branches("random", lines, steps), load_hardware("adcless-differential-64")
    chip = map_to_imc(net, card, generator=torch.Generator().manual_seed(0))
    x = events(steps, lines)
    workload = workload_on_chip(chip, x, "mine")
    assert [layer.rows for layer in workload.layers] == [lines, 6, steps, 6]
    assert [layer.positions_seen for layer in workload.layers] == [1.0] * 4
    assert [layer.steps for layer in workload.layers] == [None, None, lines, lines]
    assert [layer.kept for layer in workload.layers] == [False, False, True, False]
    assert workload.layers[2].spike_rate == pytest.approx(float(x.double().mean()), abs=1e-12)
    found = cost(workload, card)
    assert found.plan.kept_bits == lines * steps
    assert any(f"{lines * steps} bits of events are kept" in remark for remark in found.remarks)
    # of the whole that flows half is on its way
    flowing = steps * (lines + 6) + lines * 6
    assert found.plan.global_buffer_bits == lines * steps + flowing / 2
    # two operations for each weight at each of its reads
    assert found.operations == 2 * (steps * (lines * 6 + 18) + lines * (steps * 6 + 18))
    assert [layer.arrays for layer in found.layers] == [1, 1, 2, 1]
    assert len(mapped_layers(chip)) == 4


def test_a_layer_over_locations_costs_what_the_same_layer_over_time_costs():
    """All but the buffer: the chip does the same reads."""
    card = load_hardware("adcless-differential-64")
    location = network({**LOCATION, "bias": False}, {"over": "location"})
    time = network({"neurons": 6, "bias": False}, {}, lines=STEPS, steps=LINES)
    time.load_state_dict({k: v for k, v in location.state_dict().items() if not k.endswith("order")})
    costs = []
    for net, x in ((location, events()), (time, events().mT)):
        chip = map_to_imc(net, card, generator=torch.Generator().manual_seed(0))
        costs.append(cost(workload_on_chip(chip, x, "mine"), card))
    mine, theirs = costs
    for one, other in zip(mine.layers, theirs.layers, strict=True):
        kept = {name: value for name, value in one.energy.items() if name != "leakage"}
        assert kept == pytest.approx({name: other.energy[name] for name in kept}, rel=1e-12)
        assert one.latency == pytest.approx(other.latency, rel=1e-12)
    assert mine.leakage_power > theirs.leakage_power
    assert mine.area["buffers"] > theirs.area["buffers"]


def test_memory_is_that_of_the_locations():
    def needed(lines, steps, over):
        layers = ({"neurons": 6, "over": over}, {"over": over})
        return training_memory((lines,), CLASSES, make_study(layers=layers, steps=steps))

    assert needed(5, 70, "location") == needed(70, 5, "time")
    assert needed(5, 70, "location") < needed(5, 70, "time")
