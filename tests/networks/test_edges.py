"""A convolution that hears itself along the edges of a graph: it is one matrix, and as tame as its weights."""

from __future__ import annotations

import networkx as nx
import pytest
import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.learn import make_study
from memsim.learn.rules.equilibrium import hold
from memsim.networks import SpikingNetwork, build_network
from memsim.networks.graphs import normalised

EDGES = [[int(one), int(other)] for one, other in nx.karate_club_graph().edges()]
HIDDEN = {"channels": 3, "kernel": 1, "recurrent": True, "edges": EDGES}


def network(**entries: object) -> SpikingNetwork:
    layers = ({**HIDDEN, **entries}, {"channels": 2, "kernel": 1, "output": True})
    lif = {"leak": 0.9, "threshold": 1.0, "spike": {"relative": False}}
    found = build_network((4, 1, 34), 68, make_study(steps=6, layers=layers, lif=lif, coding="direct"))
    assert isinstance(found, SpikingNetwork)
    return found.double()


def one_matrix(found: SpikingNetwork) -> Tensor:
    """W (x) S."""
    along = torch.from_numpy(normalised(torch.tensor(EDGES), 34).toarray())
    return torch.kron(found.chain[0].recurrent.module.weight.flatten(1), along)


def test_what_it_hears_is_one_matrix() -> None:
    found = network()
    y = torch.rand(5, 2, 3 * 34, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    # S is kept in single precision, as weights are
    torch.testing.assert_close(found.chain[0].recurrent(y), y @ one_matrix(found).T, rtol=1e-5, atol=1e-6)


def test_without_edges_each_place_hears_itself() -> None:
    found = network(edges=[])
    y = torch.rand(1, 1, 3 * 34, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = found.chain[0].recurrent.module.weight.flatten(1) @ y.view(3, 34)
    torch.testing.assert_close(found.chain[0].recurrent(y).view(3, 34), expected)


def test_the_graph_changes_nothing_of_the_norm_that_a_contraction_needs() -> None:
    found = network()
    hidden = found.chain[0]
    weight = hidden.recurrent.module.weight
    with torch.no_grad():
        weight.mul_(50)
    hold(hidden, 0.9)
    norm = float(torch.linalg.matrix_norm(weight.detach().flatten(1), 2))
    assert float(torch.linalg.matrix_norm(one_matrix(found).detach(), 2)) == pytest.approx(norm, rel=1e-12)
    slope = norm * float(hidden.neuron.gain.value()) / float(hidden.neuron.leak.value())  # thresholds are 1
    # the norm is found by power iteration, from below, within a few per cent
    assert 0.9 <= slope * (1 + 1e-9) < 0.95


def test_edges_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match=r"edges name place 34 of 34; allowed: 0 to 33"):
        network(edges=[[0, 34]])
    with pytest.raises(InputError, match="edges join the places of a recurrent convolution"):
        network(recurrent=False)
    with pytest.raises(InputError, match="edges mix what plain weights give"):
        network(synapse="crossbar")
