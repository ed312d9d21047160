"""Graphs: published sums, eigenvalues of a known one, and what a study says of them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch

from memsim.errors import InputError
from memsim.learn.data import DATA_VARIABLE, DataTable, load_dataset, load_graph
from memsim.learn.data.graph_table import GraphTable
from memsim.learn.data.graphs import diffused, pairs_of
from memsim.learn.data.karate import karate_club
from memsim.networks.graphs import normalised

REAL = os.environ.get(DATA_VARIABLE)
needs_data = pytest.mark.skipif(not REAL, reason=f"set {DATA_VARIABLE} to a folder with data sets")


def test_the_karate_club_has_its_known_eigenvalues() -> None:
    """Values of printed digits; the first eigenvalue is 1 by construction."""
    edges = torch.tensor(list(nx.karate_club_graph().edges()))
    along = normalised(edges, 34).toarray()
    values = np.sort(np.linalg.eigvalsh(along))
    assert along.sum() == pytest.approx(30.702051, abs=5e-7)
    assert along.trace() == pytest.approx(8.034592, abs=5e-7)
    assert values[[-1, -2, 0]] == pytest.approx([1, 0.896142, -0.420110], abs=5e-7)
    first = np.linalg.matrix_power(along, 2)[:, 0]
    assert np.linalg.norm(first) == pytest.approx(0.388727, abs=5e-7)


def test_an_edge_counts_once_whichever_way_and_however_often() -> None:
    once = normalised(torch.tensor([[0, 1], [1, 2]]), 3).toarray()
    again = normalised(torch.tensor([[1, 0], [0, 1], [1, 2], [2, 1], [2, 2]]), 3).toarray()
    assert np.array_equal(once, again)
    assert once == pytest.approx(once.T)


def test_the_karate_club_is_that_of_networkx_and_two_sides_are_told() -> None:
    data = load_dataset(DataTable(name="karate-club", graph={"hops": 0}))
    assert torch.equal(data.train.inputs(), torch.eye(34)[[0, 33]])
    assert data.train.labels.tolist() == [0, 1]
    assert len(data.test) == 32
    # 17 members on each side of the split, as in Zachary's table
    assert int(data.test.labels.sum()) == 16


def test_a_whole_graph_tells_each_node_once() -> None:
    data = load_dataset(DataTable(name="karate-club", graph={"hops": 0, "whole": True}))
    nodes = load_dataset("karate-club")
    assert data.shape == (34, 1, 34)
    assert torch.equal(data.test.inputs().view(34, 34), torch.eye(34))
    train, test = (~split.labels.isnan().view(2, 34) for split in (data.train, data.test))
    assert train.any(0).nonzero().flatten().tolist() == [0, 33]
    assert torch.equal(train, ~test)
    said = data.test.labels.view(2, 34)[:, 1:33]
    assert torch.equal(said.argmax(0), nodes.test.labels)
    assert torch.equal(said.sum(0), torch.ones(32))


def test_pairs_are_mixed_along_the_edges_to_train_on_alone() -> None:
    club = karate_club()
    data = pairs_of(club, "club", GraphTable(hops=1, links=0.1))
    assert (data.shape, data.classes) == ((34, 1, 2), 2)
    assert (len(data.train), len(data.test)) == (
        140,
        16,
    )  # 78 edges, 8 to test on, and as many pairs without one
    named = pairs_of(club, "club", GraphTable(hops=0, links=0.1))  # by who they are, the same draws
    train, test = (split.inputs().view(-1, 34, 2).argmax(1) for split in (named.train, named.test))
    pairs = [tuple(sorted(pair)) for pair in torch.cat([train, test]).tolist()]
    assert len(set(pairs)) == len(pairs)
    labels = torch.cat([data.train.labels, data.test.labels]).bool()
    linked = set(nx.karate_club_graph().edges())
    assert [pair in linked for pair in pairs] == labels.tolist()
    learned = {pair for pair, known in zip(pairs[:140], labels[:140], strict=True) if known}
    heard = torch.cat([data.train.inputs(), data.test.inputs()]).view(-1, 34, 2)
    for pair, (one, other), inputs in zip(pairs, torch.cat([train, test]), heard, strict=True):
        assert bool(inputs[other, 0] > 0) == bool(inputs[one, 1] > 0) == (pair in learned)


@needs_data
@pytest.mark.parametrize(
    ("name", "plain", "lifted"), [("cora", 16.767, 88.405), ("citeseer", 30.633, 215.689)]
)
def test_spikes_of_a_step_are_as_many_as_printed(name: str, plain: float, lifted: float) -> None:
    """Expected spikes of the words of a test paper at one step."""
    for background, expected in ((0.0, plain), (0.05, lifted)):
        table = DataTable(name=name, graph={"background": background})
        inputs = load_dataset(table, Path(str(REAL))).test.inputs().double()
        assert float(inputs.sum(1).mean()) == pytest.approx(expected, abs=5e-4)


@needs_data
def test_words_of_cora_after_two_hops() -> None:
    graph = load_graph("cora", Path(str(REAL)))
    mixed = diffused(graph.features, graph.edges, 2)
    assert float(mixed.norm()) == pytest.approx(108.499, abs=5e-4)
    assert float(mixed.max()) == pytest.approx(2.7067, abs=5e-5)


def test_a_graph_is_of_graphs() -> None:
    with pytest.raises(InputError, match="'digits' has no options"):
        load_dataset(DataTable(name="digits", graph={"hops": 1}))
    with pytest.raises(ValueError, match="hops"):
        DataTable(name="cora", graph={"hops": 11})
    with pytest.raises(ValueError, match="leave one out"):
        DataTable(name="cora", graph={"whole": True, "links": 0.1})
    with pytest.raises(InputError, match="of 78 edges holds 0 out"):
        load_dataset(DataTable(name="karate-club", graph={"links": 0.001}))
    with pytest.raises(InputError, match="too few pairs without an edge"):
        pairs_of(
            replace(karate_club(), edges=torch.combinations(torch.arange(34))), "all", GraphTable(links=0.1)
        )
