"""A signal on a graph: where it settles, how often sensors fire, what is refused."""

from __future__ import annotations

import pytest
import torch

from memsim.errors import InputError
from memsim.learn import make_study
from memsim.learn.data import DataTable, load_dataset
from memsim.learn.data.diffusion import graph_diffusion, random_geometric, signal
from memsim.learn.data.diffusion_table import DiffusionTable
from memsim.learn.data.graph_table import GraphTable
from memsim.networks.graphs import normalised

TABLE = DiffusionTable(nodes=12, radius=0.4, sources=2, strength=0.5, lines=3, train=400, test=50)
STEPS = 10


def along() -> torch.Tensor:
    _, edges = random_geometric(TABLE, torch.Generator().manual_seed(TABLE.seed))
    return torch.from_numpy(normalised(edges, TABLE.nodes).toarray())


def test_sources_that_stay_on_bring_the_signal_to_its_fixed_point() -> None:
    sources = torch.zeros(1, 400, TABLE.nodes, dtype=torch.float64)
    sources[..., 3] = TABLE.strength
    settled = torch.linalg.solve(
        torch.eye(12, dtype=torch.float64) - (1 - TABLE.loss) * along(), sources[:, 0].T
    )
    # what is left of the start is 0.9^400, far below the rounding of sums
    torch.testing.assert_close(signal(sources, along(), TABLE.loss)[:, -1], settled.T, rtol=1e-12, atol=1e-12)


def test_sensors_fire_as_often_as_their_node_hears() -> None:
    trials = 20_000
    data = graph_diffusion(STEPS, TABLE.model_copy(update={"train": trials, "strength": 0.1}))
    assert (data.shape, data.classes) == ((36,), 12)
    events = data.train.inputs().view(trials, STEPS, 12, 3)
    assert events[:, 0].sum() == 0  # there is nothing before the first source is on
    # told is (1 - loss) S u[T-1] and what sources add, which are on in the last step of T in 2 T / (T + 1)^2 of draws
    added = 0.1 * TABLE.sources / 12 * 2 * STEPS / (STEPS + 1) ** 2
    expected = (1 - TABLE.loss) * along() @ events[:, -1].mean((0, 2)).double() + added
    # five standard deviations of the mean of 60 000 draws, whose probabilities are below 0.1
    assert float((expected - data.train.labels.double().mean(0)).abs().max()) < 5 * 0.3 / (3 * trials) ** 0.5
    assert float(events[:, -1].mean((0, 2)).min()) > 0.01


def test_hearing_neighbours_changes_events_and_not_what_is_told() -> None:
    alone, mixed = (graph_diffusion(STEPS, TABLE, GraphTable(hops=hops)) for hops in (0, 1))
    assert torch.equal(alone.train.labels, mixed.train.labels)
    assert not torch.equal(alone.train.stored, mixed.train.stored)
    assert torch.equal(alone.test.stored, graph_diffusion(STEPS, TABLE, GraphTable(hops=0)).test.stored)


def test_edges_join_places_that_are_near() -> None:
    places, edges = random_geometric(TABLE, torch.Generator().manual_seed(1))
    apart = (places[:, None] - places[None]).norm(dim=-1)
    near = {(i, j) for i in range(12) for j in range(i + 1, 12) if apart[i, j] < TABLE.radius}
    assert {tuple(pair) for pair in edges.tolist()} == near
    assert 0 < len(near) < 66


def test_what_cannot_be_is_refused() -> None:
    data = {"name": "graph-diffusion", "diffusion": {"nodes": 5, "sources": 6}}
    with pytest.raises(InputError, match="sources = 6 of 5 nodes"):
        make_study(data=data, steps=STEPS)
    with pytest.raises(InputError, match=r"recall .* changes nothing"):
        load_dataset(DataTable(name="graph-diffusion", recall={"cues": 3}), bins=STEPS)
