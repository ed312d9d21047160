"""Graphs: published sums, eigenvalues of a known one, and what a study says of them."""

from __future__ import annotations

import os
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch

from memsim.errors import InputError
from memsim.learn.data import DATA_VARIABLE, DataTable, load_dataset, load_graph
from memsim.learn.data.graphs import diffused, normalised

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
