"""The pack of graphs: its studies are of the graphs that they name, and rates settle in a loop through one."""

from __future__ import annotations

import torch

from memsim.learn import load_study, make_study
from memsim.learn.data.karate import karate_club
from memsim.methods import load_method
from memsim.networks import build_network
from memsim.networks.graphs import normalised

STUDIES = load_method("graph-pack").studies


def test_the_loop_is_along_the_edges_of_the_data() -> None:
    hidden = load_study(STUDIES["graph-pack"]).layers[0]
    assert torch.equal(torch.tensor(hidden.edges), karate_club().edges)


def test_rates_settle_where_the_equation_of_the_graph_says() -> None:
    """a = clip(S (W a + b) + x, 0, 1): the distance falls as 1 / T, as without a graph."""
    hidden = load_study(STUDIES["graph-pack"]).layers[0].model_copy(update={"channels": 2})
    layers = (hidden.model_dump(exclude_none=True), {"channels": 2, "kernel": 1, "output": True})
    lif = {"leak": 1.0, "threshold": 1.0, "spike": {"relative": False, "inclusive": True}}
    x = torch.rand(1, 68, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    away = []
    for steps in (100, 1000):
        network = build_network(
            (2, 1, 34), 68, make_study(steps=steps, coding="direct", layers=layers, lif=lif)
        ).double()
        first, loop = network.chain[0].synapse.module, network.chain[0].recurrent.module
        with torch.no_grad():
            first.weight.copy_(torch.eye(2)[..., None, None])
            loop.bias.fill_(0.05)
            rates = network.waveforms(x)[0].mean(0)
            along = torch.from_numpy(normalised(karate_club().edges, 34).toarray())
            a = torch.zeros(2, 34, dtype=torch.float64)
            for _ in range(400):
                heard = loop.weight.flatten(1) @ a + loop.bias[:, None]
                a = (heard @ along + x.view(2, 34)).clamp(0, 1)
        away.append(float((rates - a.view(1, -1)).norm()))
    # membranes of 68 neurons are within a threshold or so of rest, and so rates are within some 68^(1/2) / T
    assert away[1] < 3 * 68**0.5 / 1000
    assert away[1] < away[0] / 5
