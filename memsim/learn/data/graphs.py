"""What neighbours say: features of the nodes of a graph, mixed along its edges.

    H = S^hops X,   S as in memsim.networks.graphs

layers of a graph network of which all but the last have no weights: Wu et al., ICML 2019, arXiv:1902.07153.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from memsim.errors import InputError
from memsim.learn.data.dataset import Dataset, Split
from memsim.learn.data.graph_table import GraphTable
from memsim.learn.data.planetoid import Graph
from memsim.networks.graphs import normalised

PAIRS_SEED = 0
"""Of the edges to test on and the pairs without an edge, the same in all runs."""
OVER = 3
"""Pairs that are drawn for one without an edge."""


def diffused(features: Tensor, edges: Tensor, hops: int) -> Tensor:
    """H [nodes, features], float64."""
    mixed, along = features.numpy().astype(np.float64), normalised(edges, len(features))
    for _ in range(hops):
        mixed = along @ mixed
    return torch.from_numpy(mixed)


def examples_of(graph: Graph, name: str, table: GraphTable) -> Dataset:
    """The nodes of a graph, pairs of them where links are to be told, or all nodes at once."""
    if table.whole:
        return whole_of(graph, name, table)
    return pairs_of(graph, name, table) if table.links else nodes_of(graph, name, table)


def nodes_of(graph: Graph, name: str, table: GraphTable) -> Dataset:
    """The nodes with a label of a graph by min(H + background, 1), with the split that belongs to it."""
    values = _shown(graph.features, graph.edges, table)
    train, test = (Split(values[part], graph.labels[part]) for part in (graph.train, graph.test))
    return Dataset(name, int(graph.labels.max()) + 1, (values.shape[1],), train, test)


def whole_of(graph: Graph, name: str, table: GraphTable) -> Dataset:
    """A graph as one example: an image [features, 1, nodes]; [classes * nodes] numbers, 1 where a node is of a class.

    Of nodes that are not told it is NaN: to train, of those to test on, and the other way round.
    """
    values = _shown(graph.features, graph.edges, table).T.reshape(1, -1)
    of_class = one_hot(graph.labels.clamp(min=0)).float()

    def told(part: Tensor) -> Split:
        wanted = torch.full_like(of_class, torch.nan)
        wanted[part] = of_class[part]
        return Split(values, wanted.T.reshape(1, -1))

    shape = (graph.features.shape[1], 1, len(graph.features))
    return Dataset(name, of_class.numel(), shape, told(graph.train), told(graph.test))


def pairs_of(graph: Graph, name: str, table: GraphTable) -> Dataset:
    """Pairs of nodes by those of both, side by side; class 1 has an edge, and as many others have none.

    Edges to test on are drawn, and nothing is mixed along them. Inputs are images [features, 1, 2].

    Raises:
        InputError: a share of the edges that leaves none to train or to test on, or too few pairs without an edge.
    """
    generator, nodes = torch.Generator().manual_seed(PAIRS_SEED), len(graph.features)
    linked = graph.edges.sort(1).values.unique(dim=0)
    linked = linked[linked[:, 0] != linked[:, 1]]
    linked = linked[torch.randperm(len(linked), generator=generator)]
    held = round(table.links * len(linked))
    if not 0 < held < len(linked):
        raise InputError(
            f"graph.links = {table.links:g} of {len(linked)} edges holds {held} out; allowed: at least one, not all"
        )
    others = _strangers(linked, nodes, generator)
    values = _shown(graph.features, linked[held:], table)
    test, train = (
        Split(
            values[torch.cat(pairs)].transpose(1, 2).flatten(1),
            torch.tensor([1, 0]).repeat_interleave(len(pairs[0])),
        )
        for pairs in ((linked[:held], others[:held]), (linked[held:], others[held:]))
    )
    return Dataset(name, 2, (values.shape[1], 1, 2), train, test)


def _shown(features: Tensor, edges: Tensor, table: GraphTable) -> Tensor:
    """min(H + background, 1), float32."""
    return (diffused(features, edges, table.hops) + table.background).clamp(max=1).float()


def _strangers(linked: Tensor, nodes: int, generator: torch.Generator) -> Tensor:
    """As many pairs without an edge, each once."""
    drawn = torch.randint(nodes, (OVER * len(linked), 2), generator=generator).sort(1).values
    drawn = drawn[drawn[:, 0] != drawn[:, 1]].unique(dim=0)
    apart = drawn[~torch.isin(drawn @ torch.tensor([nodes, 1]), linked @ torch.tensor([nodes, 1]))]
    if len(apart) < len(linked):
        raise InputError(
            f"a graph of {nodes} nodes and {len(linked)} edges has too few pairs without an edge to draw as many; "
            "leave graph.links out"
        )
    return apart[torch.randperm(len(apart), generator=generator)[: len(linked)]]
