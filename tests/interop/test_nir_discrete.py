"""Networks of discrete neurons as NIR graphs: their own come back bit for bit, others fire as their equations say."""

from __future__ import annotations

from pathlib import Path

import nir
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from memsim.crossbar import Crossbar
from memsim.errors import CheckpointError, InputError
from memsim.interop import from_nir, read_nir, spiking_from_nir, spiking_to_nir, to_nir, write_nir
from memsim.networks import DiscreteNeuron, SpikingNetwork
from memsim.networks.discrete import Compartment, Fixed, Hoyer, Reset, Spike
from memsim.networks.geometry import Convolution
from memsim.networks.layer_table import LayerTable

CONVOLUTION = Convolution(channels=3, kernel=3, stride=2, padding=1)
GROUPS = (
    LayerTable(channels=6, kernel=3, padding=1, groups=2),
    LayerTable(channels=6, kernel=2, groups=6, pool=2),
    LayerTable(pool=2),
)
TWICE = (LayerTable(neurons=5, recurrent=True), LayerTable(neurons=4, recurrent=True))


def network(kind: str) -> SpikingNetwork:
    generator = torch.Generator().manual_seed(1)
    made = {
        "dense": lambda: SpikingNetwork((6,), 3, (5,), generator=generator),
        "recurrent": lambda: SpikingNetwork((6,), 3, (7, 5), recurrent=True, generator=generator),
        "images": lambda: SpikingNetwork((8, 8), 3, (CONVOLUTION, 6), recurrent=True, generator=generator),
        "float64": lambda: SpikingNetwork((6,), 3, (5,), generator=generator).double(),
        "groups": lambda: SpikingNetwork((4, 6, 6), 3, GROUPS, generator=generator),
        "twice": lambda: SpikingNetwork((6,), 3, TWICE, generator=generator),
    }[kind]()
    with torch.no_grad():
        for parameter in made.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.add_(noise, alpha=0.05)
        made.neurons[0].leak.raw.fill_(1.07)  # cut off in use, but trained on from there
    return made


def spikes(like: SpikingNetwork, steps: int = 12) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    dtype = next(like.parameters()).dtype
    return (torch.rand((steps, 4, *like.shape), generator=generator) > 0.5).to(dtype)


@pytest.mark.parametrize("kind", ["dense", "recurrent", "images", "float64", "groups", "twice"])
def test_written_and_read_back_bit_for_bit(tmp_path: Path, kind: str) -> None:
    written = network(kind)
    write_nir(tmp_path / "network.nir", written)
    for back in (read_nir(tmp_path / "network.nir"), spiking_from_nir(spiking_to_nir(written))):
        assert isinstance(back, SpikingNetwork)
        assert back.shape == written.shape
        assert back.state_dict().keys() == written.state_dict().keys()
        for (name, a), (_, b) in zip(written.named_parameters(), back.named_parameters(), strict=True):
            assert torch.equal(a, b), name
            assert a.dtype == b.dtype
            assert a.requires_grad == b.requires_grad, name
        inputs = spikes(written)
        found, expected = back(inputs), written(inputs)
        assert torch.equal(found, expected)
        found.sum().backward()
        expected.sum().backward()
        for a, b in zip(written.parameters(), back.parameters(), strict=True):
            assert (a.grad is None and b.grad is None) or torch.equal(a.grad, b.grad)
        written.zero_grad()


def test_the_nodes_say_what_the_neurons_do() -> None:
    written = network("recurrent")
    graph = spiking_to_nir(written, dt=1e-3)
    node = graph.nodes["neurons_1"]
    leak, theta = (one.value().item() for one in (written.neurons[1].leak, written.neurons[1].threshold))
    assert node.tau.shape == (5,)
    np.testing.assert_allclose(1 - 1e-3 / node.tau, leak)
    np.testing.assert_allclose(node.r * 1e-3 / node.tau, 1.0)
    np.testing.assert_allclose(node.v_threshold, theta)
    assert isinstance(graph.nodes["neurons_0"], nir.IF)  # a leak of 1
    assert isinstance(graph.nodes["neurons_2"], nir.LI)
    assert ("recurrent_1", "neurons_1") in graph.edges


def test_without_memsims_metadata_the_equations_are_the_same() -> None:
    written = network("images").double()
    graph = spiking_to_nir(written, dt=2e-3)
    bare = nir.NIRGraph(graph.nodes, graph.edges)
    back = spiking_from_nir(bare, dt=2e-3, reset=Reset(), spike=Spike())
    inputs = spikes(written)
    # 1 - dt / (dt / (1 - leak)) is leak up to rounding of float64
    torch.testing.assert_close(back(inputs), written(inputs), rtol=1e-12, atol=1e-12)


def test_sums_of_windows_are_averages_with_larger_weights() -> None:
    written = network("groups")
    graph = spiking_to_nir(written)
    pools = {name: nir.SumPool2d(*np.array([[2, 2], [2, 2], [0, 0]])) for name in ("pool_1", "pool_2")}
    with torch.no_grad():
        for number in (1, 2):
            graph.nodes[f"synapses_{number}"].weight /= 4
    summed = nir.NIRGraph(graph.nodes | pools, graph.edges, metadata=graph.metadata)
    assert torch.equal(spiking_from_nir(summed)(spikes(written)), network("groups")(spikes(written)))
    pools["pool_2"].stride = np.array([1, 1])
    with pytest.raises(InputError, match=r"SumPool2d before .* every \[1\] pixels"):
        spiking_from_nir(summed)


@pytest.mark.parametrize(("more", "message"), [({"delay": 1.0}, "delay"), ({"from": "input"}, "connections")])
def test_what_is_no_chain_is_not_exported_as_one(more: dict[str, object], message: str) -> None:
    layers = (LayerTable(neurons=5), LayerTable.model_validate(more))
    with pytest.raises(InputError, match=rf"'layer2' has .*{message}"):
        to_nir(SpikingNetwork((6,), 3, layers))


def test_a_convolution_that_hears_itself_is_not_exported() -> None:
    layers = (LayerTable(channels=2, kernel=1, recurrent=True, edges=((0, 1),)), LayerTable())
    with pytest.raises(InputError, match="'layer1' is a convolution that hears itself"):
        to_nir(SpikingNetwork((1, 1, 3), 3, layers))


def chain(*nodes: nir.NIRNode, inputs: tuple[int, ...] = (3,), outputs: int = 2) -> nir.NIRGraph:
    return nir.NIRGraph.from_list(nir.Input(np.array(inputs)), *nodes, nir.Output(np.array([outputs])))


def by_hand(node: nir.NIRNode, drive: Tensor, dt: float) -> Tensor:
    """Forward Euler through NIR's own equations, with an absolute membrane [V] and a reset to v_reset."""
    p = {name: torch.as_tensor(value) for name, value in vars(node).items() if isinstance(value, np.ndarray)}
    v = torch.zeros_like(drive[0]) + p["v_leak"]
    s, out = torch.zeros_like(drive[0]), []
    for i in drive:
        if "tau_syn" in p:
            s = s + dt / p["tau_syn"] * (p["w_in"] * i - s)
            i = s  # noqa: PLW2901 - the current that reaches the membrane
        tau = p["tau_mem"] if "tau_syn" in p else p["tau"]
        v = v + dt / tau * (p["v_leak"] - v + p["r"] * i)
        z = (v > p["v_threshold"]).to(v.dtype)
        v = (1 - z) * v + z * p["v_reset"]
        out.append(z)
    return torch.stack(out)


@pytest.mark.parametrize("kind", ["lif", "cuba"])
def test_a_graph_from_elsewhere_fires_as_its_equations_say(kind: str) -> None:
    rng, dt, n = np.random.default_rng(3), 1e-4, 30
    tau = rng.uniform(5e-4, 3e-3, n)
    rest, up = rng.uniform(-0.2, 0.2, n), rng.uniform(0.6, 1.2, n)
    common = {"r": rng.uniform(2, 5, n), "v_leak": rest, "v_threshold": rest + up, "v_reset": rest - 0.1}
    if kind == "lif":
        node: nir.NIRNode = nir.LIF(tau=tau, **common)
    else:
        node = nir.CubaLIF(tau_syn=tau / 2, tau_mem=tau, w_in=rng.uniform(0.5, 2, n), **common)
    weight, bias = rng.normal(size=(n, 8)), rng.normal(size=n) * 0.1
    graph = chain(nir.Affine(weight, bias), node, inputs=(8,), outputs=n)
    found = spiking_from_nir(graph, dt)
    inputs = torch.as_tensor((rng.random((400, 5, 8)) > 0.5).astype(float))
    expected = by_hand(node, inputs @ torch.as_tensor(weight.T) + torch.as_tensor(bias), dt)
    drive = found.synapses[0](inputs)
    fired, _ = found.neurons[0](drive)
    assert expected.sum() > 1_000
    assert torch.equal(fired, expected)  # 0 of 60 000
    torch.testing.assert_close(found(inputs), expected.mean(0))


@pytest.mark.parametrize("nested", [True, False])
def test_a_recurrent_graph_of_snntorch(nested: bool) -> None:
    """Written as its exporter does: a graph within the graph, r = tau / dt, v_reset = 0 for a reset that subtracts."""
    snntorch = pytest.importorskip("snntorch")
    beta, n, dt = 0.85, 6, 1e-4
    torch.manual_seed(0)
    first, last = nn.Linear(4, n).double(), nn.Linear(n, 2).double()
    with torch.no_grad():
        first.weight.abs_()
        last.weight.abs_()
    layer = snntorch.RLeaky(beta=beta, linear_features=n).double()
    readout = snntorch.Leaky(beta=beta, reset_mechanism="none").double()
    one = np.ones(n)
    tau = dt / (1 - float(layer.beta))
    lif = nir.LIF(tau * one, tau / dt * one, 0 * one, one, 0 * one)
    array = {name: p.detach().numpy() for name, p in layer.recurrent.named_parameters()}
    loop = nir.Affine(array["weight"], array["bias"])
    ends = {"in": nir.Input(np.array([4])), "out": nir.Output(np.array([2]))}
    dense = {
        name: nir.Affine(m.weight.detach().numpy(), m.bias.detach().numpy())
        for name, m in (("first", first), ("last", last))
    }
    li = {"li": nir.LI(tau * np.ones(2), tau / dt * np.ones(2), np.zeros(2))}
    inner = [("lif", "w_rec"), ("w_rec", "lif")]
    if nested:
        within = {
            "input": nir.Input(np.array([n])),
            "lif": lif,
            "w_rec": loop,
            "output": nir.Output(np.array([n])),
        }
        hidden: dict[str, nir.NIRNode] = {
            "lif": nir.NIRGraph(within, [("input", "lif"), *inner, ("lif", "output")], type_check=False)
        }
        inner = []
    else:
        hidden = {"lif": lif, "w_rec": loop}
    edges = [("in", "first"), ("first", "lif"), *inner, ("lif", "last"), ("last", "li"), ("li", "out")]
    graph = nir.NIRGraph({**ends, **dense, **hidden, **li}, edges, type_check=False)
    found = spiking_from_nir(graph, dt, reset=Reset(when="next"))
    inputs = (torch.rand((40, 3, 4)) > 0.5).double()
    spk, mem, total, out = (
        torch.zeros(3, n).double(),
        torch.zeros(3, n).double(),
        0.0,
        torch.zeros(3, 2).double(),
    )
    for x in inputs:
        spk, mem = layer(first(x), spk.double(), mem)
        _, out = readout(last(spk.double()), out)
        total = total + out
    # float64 rounding of the leak, 1 - dt / tau
    torch.testing.assert_close(found(inputs), total / 40, rtol=1e-9, atol=1e-9)


def test_neurons_of_other_kinds_go_and_come_by_their_equations() -> None:
    written = SpikingNetwork((4,), 2, (5,), generator=torch.Generator().manual_seed(0)).double()
    synapse = Compartment(0.6, 0.4, driven_by="input", feeds="input", weight=0.7)
    leaks = torch.linspace(0.5, 0.9, 5, dtype=torch.float64)
    written.chain[0].neuron = DiscreteNeuron(leaks, 0.4, reset=Reset("zero"), compartments=(synapse,))
    graph = to_nir(written)
    assert isinstance(graph.nodes["neurons_0"], nir.CubaLIF)
    back = spiking_from_nir(graph)
    assert isinstance(back.neurons[0].threshold, Fixed)
    torch.testing.assert_close(back(spikes(written)), written(spikes(written)), rtol=1e-12, atol=1e-12)


def test_what_nir_or_a_network_cannot_say_is_refused_by_name() -> None:
    one, two = np.ones(2), np.ones((2, 3))
    lif = nir.LIF(1e-3 * one, one, 0 * one, one)
    loud = network("dense")
    loud.chain[0].neuron = DiscreteNeuron(0.9, Hoyer())
    wired = network("dense")
    wired.chain[0].synapse.module = Crossbar(6, 5, g_min=4e-6, g_max=25e-6)
    kernel = nir.Conv2d((4, 4), np.ones((2, 1, 3, 2)), 1, 0, 1, 1, np.zeros(2))
    twice = {
        "in": nir.Input(np.array([2])),
        "w": nir.Linear(np.ones((2, 2))),
        "n": lif,
        "out": nir.Output(np.array([2])),
    }
    looped = nir.NIRGraph(
        twice | {"r": nir.Linear(np.ones((2, 2)))},
        [("in", "w"), ("w", "n"), ("n", "out"), ("n", "r"), ("r", "n")],
    )
    branching = nir.NIRGraph(twice, [("in", "w"), ("w", "n"), ("n", "out"), ("in", "n")])
    cases = {
        "change with the step": lambda: to_nir(loud),
        "Crossbar is no node": lambda: to_nir(wired),
        "does not know that of its inputs": lambda: to_nir(object()),  # type: ignore[arg-type]
        "shorter than the step": lambda: spiking_from_nir(chain(nir.Linear(two), lif), dt=2e-3),
        "dt = 0": lambda: spiking_from_nir(chain(nir.Linear(two), lif), dt=0),
        "threshold = -1": lambda: spiking_from_nir(
            chain(nir.Linear(two), nir.LIF(1e-3 * one, one, 0 * one, -one))
        ),
        "another potential than 0": lambda: spiking_from_nir(
            chain(nir.Linear(two), nir.LI(1e-3 * one, one, one))
        ),
        "not finite": lambda: spiking_from_nir(chain(nir.Linear(two * np.nan), lif)),
        "is a LIF; at this place networks have synapses": lambda: spiking_from_nir(
            chain(lif, lif, inputs=(2,))
        ),
        "is a Linear; at this place networks have neurons": lambda: spiking_from_nir(
            chain(nir.Linear(two), nir.Linear(two[:, :2]), lif)
        ),
        "one chain of synapses and neurons": lambda: spiking_from_nir(chain(nir.Linear(two))),
        "sides that differ": lambda: spiking_from_nir(
            nir.NIRGraph.from_list(
                nir.Input(np.array([1, 4, 4])),
                kernel,
                nir.LIF(*(np.ones((2, 2, 3)),) * 4),
                nir.Flatten({"input": np.array([2, 2, 3])}, 0, -1),
                nir.Linear(np.ones((2, 12))),
                lif,
                type_check=False,
            )
        ),
        "only hidden layers": lambda: spiking_from_nir(looped),
        "branches": lambda: spiking_from_nir(branching),
    }
    for words, make in cases.items():
        with pytest.raises(InputError, match=words):
            make()


def test_damaged_metadata_are_noticed() -> None:
    for key, value in (("discrete", "{"), ("discrete", '{"shape": [7]}'), ("tensors", {"0.leak.raw": 1.0})):
        graph = spiking_to_nir(network("dense"))
        graph.metadata["memsim"][key] = value
        with pytest.raises(CheckpointError, match="do not fit together"):
            from_nir(graph)
