"""Networks as NIR graphs: memsim's own come back bit for bit, others become crossbars and memristive neurons."""

from pathlib import Path

import nir
import numpy as np
import pytest
import torch

from memsim.errors import CheckpointError, InputError
from memsim.interop import from_nir, read_nir, to_nir, write_nir
from memsim.learn import make_study
from memsim.networks import MemristiveNetwork, build_network, load_cell
from memsim.surrogate import CompiledCircuit
from memsim.surrogate.small_signal import small_signal

DENSE = MemristiveNetwork((6,), 3, make_study(hidden=(5,), seed=2, parameters={"cmem": {"spread": 0.1}}))
IMAGES = MemristiveNetwork(
    (8, 8), 3, make_study(hidden=({"channels": 2, "kernel": 3, "stride": 2}, 4), seed=2)
)
FIRING = MemristiveNetwork((6,), 3, make_study(hidden=(4,), neuron="threshold-switching-a"))
NETWORKS = {"dense": (DENSE, (6,)), "images": (IMAGES, (8, 8)), "firing": (FIRING, (6,))}


@pytest.mark.parametrize(("network", "shape"), NETWORKS.values(), ids=NETWORKS)
def test_written_and_read_back(tmp_path: Path, network: MemristiveNetwork, shape: tuple[int, ...]):
    write_nir(tmp_path / "network.nir", network, shape)
    back = read_nir(tmp_path / "network.nir")
    assert back.study == network.study
    assert back.state_dict().keys() == network.state_dict().keys()
    for name, value in network.state_dict().items():
        assert torch.equal(value, back.state_dict()[name]), name
    inputs = torch.rand(2, int(np.prod(shape)), generator=torch.Generator().manual_seed(0))
    assert torch.equal(network(inputs, step=1e-3), back(inputs, step=1e-3))


@pytest.mark.parametrize(("network", "shape"), NETWORKS.values(), ids=NETWORKS)
def test_weights_are_what_the_crossbars_give(network: MemristiveNetwork, shape: tuple[int, ...]):
    """Computed by plain torch from the graph alone."""
    graph = to_nir(network, shape)
    voltage = torch.rand(1, int(np.prod(shape)), generator=torch.Generator().manual_seed(1))
    node = next(node for node in graph.nodes.values() if isinstance(node, nir.Linear | nir.Conv2d))
    weight = torch.as_tensor(node.weight)
    if isinstance(node, nir.Conv2d):
        expected = torch.nn.functional.conv2d(
            voltage.reshape(1, 1, *shape), weight, stride=node.stride
        ).flatten(1)
    else:
        expected = voltage @ weight.T
    current = network.synapses[0](voltage)
    torch.testing.assert_close(current, expected, rtol=1e-5, atol=1e-5 * float(current.detach().abs().max()))


def test_the_leaky_integrator_is_the_neuron_near_rest():
    """For currents so small and short that no state moves, the membrane follows the node's own equation."""
    neuron = load_cell("integrate-and-fire-set1").circuit
    node = to_nir(DENSE, (6,)).nodes["li_1"]
    tau, r, rest = (float(value[0]) for value in (node.tau, node.r, node.v_leak))
    assert r == pytest.approx(
        small_signal(CompiledCircuit(neuron.circuit(), inputs=("iin",)), "v(mem)").resistance
    )
    current, dt = 1e-9, tau / 50
    twin = CompiledCircuit(neuron.circuit(), inputs=("iin",))
    potential = twin(torch.full((101,), current, dtype=torch.float64), dt=dt)[0]["v(mem)"].numpy()
    expected = rest + r * current * (1 - np.exp(-np.arange(101) * dt / tau))
    # states answer within tau of the device, 1 ms, of which this is 7 %
    np.testing.assert_allclose(potential - rest, expected - rest, atol=0.05 * r * current)


def chain(*nodes: nir.NIRNode, inputs: int = 3, outputs: int = 2) -> nir.NIRGraph:
    return nir.NIRGraph.from_list(nir.Input(np.array([inputs])), *nodes, nir.Output(np.array([outputs])))


def lif(count: int) -> nir.LIF:
    one = np.ones(count)
    return nir.LIF(1e-3 * one, one, 0 * one, one)


def test_a_network_from_elsewhere(tmp_path: Path):
    weights = [np.array([[1.0, -2.0, 0.5], [0.0, 4.0, 1.0]]), np.array([[0.5, -1.0], [0.25, 1.0]])]
    graph = chain(nir.Linear(weights[0]), lif(2), nir.Affine(weights[1], np.zeros(2)), lif(2))
    nir.write(tmp_path / "other.nir", graph)
    study = make_study(neuron="threshold-switching-a")
    network = read_nir(tmp_path / "other.nir", study)
    assert network.study.neuron == study.neuron
    gains = [crossbar(torch.eye(len(crossbar.weight))).detach().T.numpy() for crossbar in network.crossbars]
    for gain, weight in zip(gains, weights, strict=True):  # one scale for all layers
        np.testing.assert_allclose(gain, weight * gains[0][1, 1] / 4.0, rtol=1e-5, atol=1e-12)
    network(torch.rand(2, 3), step=1e-3).sum().backward()
    assert all(crossbar.weight.grad is not None for crossbar in network.crossbars)


WEIGHT, SQUARE = nir.Linear(np.ones((2, 3))), nir.Linear(np.ones((2, 2)))
REFUSED = {
    "bias": (chain(nir.Affine(np.ones((2, 3)), np.ones(2)), lif(2)), "has a bias"),
    "no neurons": (chain(WEIGHT), "end in neurons"),
    "two weights": (chain(WEIGHT, SQUARE, lif(2)), "takes a neuron node"),
    "a delay": (chain(nir.Delay(np.ones(3)), WEIGHT, lif(2)), "is a Delay"),
    "not finite": (chain(nir.Linear(np.full((2, 3), np.nan)), lif(2)), "not finite"),
    "recurrent": (
        nir.NIRGraph(
            {"i": nir.Input(np.array([2])), "w": SQUARE, "n": lif(2), "o": nir.Output(np.array([2]))},
            [("i", "w"), ("w", "n"), ("n", "o"), ("n", "w")],
        ),
        "branches",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("graph", "message"), REFUSED.values(), ids=REFUSED)
def test_what_memristive_hardware_does_not_have(graph: nir.NIRGraph, message: str):
    with pytest.raises(InputError, match=message):
        from_nir(graph)


def test_a_file_that_is_no_graph_and_metadata_that_do_not_fit(tmp_path: Path):
    with pytest.raises(CheckpointError, match="does not exist"):
        read_nir(tmp_path / "none.nir")
    (tmp_path / "bad.nir").write_bytes(b"\x89HDF\r\n\x1a\nnonsense")
    with pytest.raises(CheckpointError, match="not a NIR graph"):
        read_nir(tmp_path / "bad.nir")
    graph = to_nir(DENSE, (6,))
    graph.metadata["memsim"]["tensors"].popitem()
    with pytest.raises(CheckpointError, match="do not fit together"):
        from_nir(graph)


def test_a_recurrent_layer_is_a_loop_of_lines_and_a_matrix(tmp_path):
    layers = ({"neurons": 4, "recurrent": True, "recurrent_tau": 2e-3}, {})
    network = MemristiveNetwork((6,), 3, make_study(layers=layers, seed=3, neuron="threshold-switching-a"))
    write_nir(tmp_path / "network.nir", network, (6,))
    graph = to_nir(network, (6,))
    neurons, lines, loop = "lif_1", graph.nodes["lines_of_lif_1"], graph.nodes["recurrent_of_lif_1"]
    around = {
        (neurons, "lines_of_lif_1"),
        ("lines_of_lif_1", "recurrent_of_lif_1"),
        ("recurrent_of_lif_1", neurons),
    }
    assert around <= set(graph.edges)
    v, held, dt = torch.linspace(-0.1, 0.2, 4).double().numpy(), np.zeros(4), 1e-6
    for _ in range(2000):  # 1 tau of NIR's own equation
        held = held + dt / lines.tau * (lines.v_leak - held + lines.r * v)
    np.testing.assert_allclose(held, (v - network.cells[0].rest) * (1 - np.exp(-1)), rtol=1e-3)
    np.testing.assert_allclose(loop.weight, network.chain[0].recurrent.matrix().detach().numpy().T, rtol=1e-6)
    x = torch.rand(2, 6)
    with torch.no_grad():
        assert torch.equal(read_nir(tmp_path / "network.nir")(x), network(x))


def test_groups_and_pools_are_nodes_and_come_back():
    layers = ({"channels": 4, "kernel": 3, "groups": 2}, {"pool": 2})
    network = MemristiveNetwork((2, 6, 6), 3, make_study(layers=layers, seed=3))
    graph = to_nir(network, (2, 6, 6))
    conv, pool = graph.nodes["conv2d_0"], graph.nodes["avgpool2d_2"]
    assert conv.groups == 2
    assert conv.weight.shape == (4, 1, 3, 3)
    assert pool.kernel_size.tolist() == [2, 2]
    with torch.no_grad():
        x = torch.rand(3, 2, 6, 6)
        expected = torch.nn.functional.conv2d(x, torch.tensor(conv.weight), groups=2).flatten(1)
        torch.testing.assert_close(network.synapses[0](x.flatten(1)), expected)
        assert torch.equal(from_nir(graph)(x.flatten(1)), network(x.flatten(1)))


def test_larger_images_are_named():
    layers = [{"channels": 4, "kernel": 3}, {"channels": 2, "kernel": 3, "upsample": 2}, {}]
    for discrete in ({"steps": 3}, {}):
        network = build_network((2, 6, 6), 3, make_study(layers=layers, **discrete))
        with pytest.raises(InputError, match="upsample = 2 has no node in NIR"):
            to_nir(network, (2, 6, 6))


@pytest.mark.parametrize(
    ("layers", "synapses", "message"),
    [
        (({"neurons": 4}, {"from": "input"}), {}, "'layer2' has connections"),
        (({"neurons": 4}, {"delay": 1e-3}), {}, "'layer2' has a delay"),
        (({"neurons": 4},), {"bias": True}, "'layer1' has a bias line"),
    ],
)
def test_what_is_no_chain_is_not_exported_as_one(layers, synapses, message):
    network = MemristiveNetwork((6,), 3, make_study(layers=layers, synapses=synapses))
    with pytest.raises(InputError, match=message):
        to_nir(network, (6,))
