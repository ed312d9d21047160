"""Graphs: what a node hears of its neighbours.

    S = D^(-1/2) (A + I) D^(-1/2),   D the degrees of A + I

as in Kipf and Welling, ICLR 2017, arXiv:1609.02907. Its largest eigenvalue is 1.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from torch import Tensor


def normalised(edges: Tensor, nodes: int) -> sparse.csr_array:
    """S [nodes, nodes], float64, of undirected edges [edges, 2]; those from a node to itself are left out."""
    one, other = edges[edges[:, 0] != edges[:, 1]].numpy().T
    there = sparse.coo_array((np.ones(len(one)), (one, other)), shape=(nodes, nodes))
    among = ((there + there.T) > 0).astype(np.float64) + sparse.eye_array(nodes)
    root = sparse.diags_array(1 / np.sqrt(among.sum(1)))
    return sparse.csr_array(root @ among @ root)
