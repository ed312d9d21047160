"""Layers: convolutions are those of the textbook, and neurons keep their parameters within bounds."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import conv2d

from memsim.crossbar import Crossbar
from memsim.errors import InputError
from memsim.learn import build, make_study
from memsim.networks import SHIPPED, load_cell
from memsim.networks.circuit_neurons import bounded
from memsim.networks.geometry import Convolution
from memsim.networks.synapses import Convolutional
from memsim.networks.tables import ParameterTable, ReadoutTable
from memsim.surrogate import CompiledCircuit
from memsim.surrogate.bounded import Bounded

NOMINAL = 1e-9
COUNT = 4000


@given(
    st.tuples(st.integers(1, 3), st.integers(4, 9), st.integers(4, 9)),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(1, 5),
)
def test_a_convolution_is_that_of_its_crossbar_s_matrix(shape, kernel, stride, padding, channels):
    rows = shape[0] * kernel**2
    generator = torch.Generator().manual_seed(0)
    crossbar = Crossbar(
        rows, channels, g_min=1e-6, g_max=5e-6, mirror_ratio=0.5, generator=generator
    ).double()
    padding = min(padding, kernel - 1)
    table = Convolution(channels=channels, kernel=kernel, stride=stride, padding=padding)
    layer = Convolutional(shape, table, crossbar)
    images = torch.randn(2, 3, *shape, generator=generator, dtype=torch.float64)
    kernels = crossbar.matrix().T.reshape(channels, shape[0], kernel, kernel)
    expected = conv2d(images.flatten(0, 1), kernels, stride=stride, padding=padding)
    assert layer.shape == tuple(expected.shape[1:])
    found = layer(images.flatten(2))
    # sums of up to 48 products, some of them cancelling
    torch.testing.assert_close(found, expected.reshape(2, 3, -1), rtol=1e-9, atol=1e-20)


def test_a_later_convolution_takes_the_channels_of_the_one_before():
    convolutions = ({"channels": 3, "kernel": 3}, {"channels": 2, "kernel": 3, "stride": 2})
    network, data = build(make_study(hidden=(*convolutions, 7), step=1e-3))
    assert [layer.shape for layer in network.chain] == [(3, 6, 6), (2, 2, 2), (7,), (10,)]
    assert [tuple(c.weight.shape) for c in network.crossbars] == [(9, 3), (27, 2), (8, 7), (7, 10)]
    waves = network.waveforms(data.test.inputs(slice(2)))
    assert [wave.shape[1:] for wave in waves] == [(2, 108), (2, 8), (2, 7), (2, 10)]


def test_the_first_layer_drives_its_neurons_as_word_line_voltages_would():
    """One product for each amplitude and one for each time step are the same."""
    network, data = build(make_study(hidden=(5,), drive={"encoding": "latency", "slots": 4}, step=500e-6))
    images = data.test.inputs(slice(3)).double()
    network.double()
    lines = network.drive(images)
    times = torch.arange(21, dtype=torch.float64) * 500e-6
    current = network.synapses[0](lines.voltages(times.numpy()))
    expected, _ = network.chain[0].neuron(current, dt=500e-6)
    # the same sums in another order, and a circuit that multiplies differences by less than 1e3
    torch.testing.assert_close(network.waveforms(images)[0], expected, rtol=1e-9, atol=1e-12)


def parameter(**entries: object) -> Bounded:
    generator = torch.Generator().manual_seed(0)
    return bounded("cmem", NOMINAL, ParameterTable(**entries), COUNT, generator)


def test_neurons_start_at_the_value_of_the_circuit():
    values = parameter()()
    # a sigmoid and its inverse in float32
    torch.testing.assert_close(values, torch.full((COUNT,), NOMINAL), rtol=1e-5, atol=0)


def test_spread_is_log_normal_about_the_value_of_the_circuit():
    logarithms = (parameter(spread=0.1)().detach() / NOMINAL).log()
    # 4000 draws: standard errors of mean and deviation are 0.0016 and 0.0011; three of each
    assert float(logarithms.mean()) == pytest.approx(0, abs=0.005)
    assert float(logarithms.std()) == pytest.approx(0.1, abs=0.0035)


@given(st.floats(-1e6, 1e6), st.sampled_from([(None, None), (0.5e-9, 3e-9), (-1e-9, 2e-9)]))
def test_no_update_leaves_the_bounds(move, bounds):
    made = parameter(low=bounds[0], high=bounds[1], spread=1.0)
    low, high = (NOMINAL / 2, NOMINAL * 2) if bounds[0] is None else bounds
    with torch.no_grad():
        made.position += move
    values = made()
    # one rounding of float32 at either end
    assert bool((values >= low - 1e-6 * abs(low)).all())
    assert bool((values <= high * (1 + 1e-6)).all())


def test_a_source_below_ground_keeps_its_sign():
    generator = torch.Generator().manual_seed(0)
    made = bounded("v1", -0.025, ParameterTable(spread=0.2), COUNT, generator)
    assert (made.low, made.high) == (-0.05, -0.0125)
    assert float(made().detach().median()) == pytest.approx(-0.025, rel=0.01)


def test_parameters_that_are_not_trained_stay():
    network, _ = build(make_study(hidden=(4,), parameters={"cmem": {"trainable": False, "spread": 0.3}}))
    assert {name for name, _ in network.named_parameters()} == {
        "layers.0.synapse.crossbar.weight",
        "layers.1.synapse.crossbar.weight",
    }
    assert float(network.chain[0].neuron.parameters_by_name()["cmem"].detach().std()) > 0


def test_a_larger_capacitance_slows_its_own_neuron_alone():
    study = make_study(hidden=(4,), parameters={"cmem": {}}, drive={"pulse": "held", "slots": 1}, step=50e-6)
    network, data = build(study)
    images = data.test.inputs(slice(1))
    with torch.no_grad():
        before = network.waveforms(images)[0]
        network.chain[0].neuron.bounded["cmem"].position[2] += 5.0
        after = network.waveforms(images)[0]
    others = [0, 1, 3]
    assert torch.equal(before[..., others], after[..., others])
    assert abs(float(after[1, 0, 2])) < 0.8 * abs(float(before[1, 0, 2]))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"cmembrane": {}}, "the neuron has no parameter 'cmembrane'; it has: cmem, v1"),
        ({"cmem": {"low": 2e-9}}, "bounds of cmem, 2e-09 to 2e-09, do not enclose its value of 1e-09"),
        ({"v1": {"low": 0.0, "high": 0.1}}, "bounds of v1, 0 to 0.1, do not enclose its value of -0.025"),
    ],
)
def test_parameters_that_cannot_be_are_named(parameters: dict, message: str):
    with pytest.raises(InputError, match=message):
        build(make_study(parameters=parameters))


@pytest.mark.parametrize("name", SHIPPED)
def test_neurons_start_at_rest(name):
    neuron = load_cell(name).circuit
    cell = CompiledCircuit(neuron.circuit(), inputs=("iin",))
    waves, _ = cell(torch.zeros(11, dtype=torch.float64), dt=1e-6)
    for wave in waves.values():
        # equilibria are found to 1e-9 of the largest entry; nothing moves by more in 10 us
        assert float((wave - wave[0]).abs().max()) <= 1e-8


def test_readouts_of_every_kind_rank_a_stronger_input_higher():
    """One neuron that one weight drives: the more of it, the larger each logit."""
    for kind in ("mean", "maximum", "spike-count", "first-spike"):
        network, _ = build(
            make_study(hidden=(), readout=ReadoutTable(kind=kind).model_dump(exclude_none=True))
        )
        with torch.no_grad():
            network.crossbars[0].weight.copy_(torch.linspace(0.02, 0.3, 10).expand(64, 10))
            logits = network(torch.full((1, 64), 0.5))[0]
        assert bool((logits.diff() > 0).all()), kind
