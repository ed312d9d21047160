"""What neighbours say: features of the nodes of a graph, mixed along its edges.

    S = D^(-1/2) (A + I) D^(-1/2),   D the degrees of A + I,   H = S^hops X

as in Kipf and Welling, ICLR 2017, arXiv:1609.02907, with all layers but the last without weights as in Wu et al., ICML
2019, arXiv:1902.07153.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from memsim.learn.data.dataset import Dataset, Split
from memsim.learn.data.graph_table import GraphTable
from memsim.learn.data.planetoid import Graph


def normalised(edges: Tensor, nodes: int) -> sparse.csr_array:
    """S [nodes, nodes], float64, of undirected edges [edges, 2]; those from a node to itself are left out."""
    one, other = edges[edges[:, 0] != edges[:, 1]].numpy().T
    there = sparse.coo_array((np.ones(len(one)), (one, other)), shape=(nodes, nodes))
    among = ((there + there.T) > 0).astype(np.float64) + sparse.eye_array(nodes)
    root = sparse.diags_array(1 / np.sqrt(among.sum(1)))
    return sparse.csr_array(root @ among @ root)


def diffused(features: Tensor, edges: Tensor, hops: int) -> Tensor:
    """H [nodes, features], float64."""
    mixed, along = features.numpy().astype(np.float64), normalised(edges, len(features))
    for _ in range(hops):
        mixed = along @ mixed
    return torch.from_numpy(mixed)


def nodes_of(graph: Graph, name: str, table: GraphTable) -> Dataset:
    """The nodes with a label of a graph by min(H + background, 1), with the split that belongs to it."""
    values = (diffused(graph.features, graph.edges, table.hops) + table.background).clamp(max=1).float()
    train, test = (Split(values[part], graph.labels[part]) for part in (graph.train, graph.test))
    return Dataset(name, int(graph.labels.max()) + 1, (values.shape[1],), train, test)
