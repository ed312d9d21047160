"""Citation graphs with the split of Planetoid: papers, their words, and who cites whom."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.learn.data.archives import read_arrays
from memsim.learn.data.dataset import Dataset, Split
from memsim.learn.data.folders import DATA_VARIABLE, find

GRAPHS = ("cora", "citeseer")
PLACES = ("planetoid", "Planetoid")
ARRAYS = ("feat_indptr", "feat_indices", "feat_shape", "edges", "label", "train", "val", "test")


@dataclass(frozen=True)
class Graph:
    """A graph whose nodes are to be classified.

    Attributes:
        features: [nodes, words], uint8: whether a word is in a paper.
        edges: [edges, 2], each once.
        labels: [nodes] classes; -1 of nodes without one.
        train, validation, test: numbers of nodes.
    """

    features: Tensor
    edges: Tensor
    labels: Tensor
    train: Tensor
    validation: Tensor
    test: Tensor


def planetoid(name: str, folder: Path | None) -> Dataset:
    """Papers of a citation graph by their words alone (Z. Yang et al., ICML 2016); see `load_graph` for its edges."""
    graph = load_graph(name, folder)
    train, test = (Split(graph.features[part], graph.labels[part]) for part in (graph.train, graph.test))
    return Dataset(name, int(graph.labels.max()) + 1, (graph.features.shape[1],), train, test)


def load_graph(name: str, folder: Path | None) -> Graph:
    """A citation graph, from the archive NAME.npz.

    Args:
        name: cora or citeseer.
        folder: the data folder; the archive is in planetoid/ or directly inside.

    Raises:
        InputError: no such file, or a damaged one.
    """
    path = find(folder, PLACES, [f"{name}.npz"])
    if path is None:
        raise InputError(
            f"{name} was not found: put {name}.npz into {PLACES[0]}/ of a folder given with --data-dir or "
            f"{DATA_VARIABLE}"
        )
    arrays = read_arrays(path, ARRAYS)
    try:
        nodes, words = map(int, arrays["feat_shape"])
        rows = np.repeat(np.arange(nodes), np.diff(arrays["feat_indptr"]))
        features = np.zeros((nodes, words), np.uint8)
        features[rows, arrays["feat_indices"]] = 1
        parts = {part: arrays[part].astype(np.int64) for part in ("train", "val", "test")}
        labels, edges = arrays["label"].astype(np.int64), arrays["edges"].astype(np.int64)
        whole = len(labels) == nodes and all(
            not ((own < 0) | (own >= nodes)).any() for own in (*parts.values(), edges)
        )
    except (ValueError, IndexError, TypeError, MemoryError, OverflowError):
        whole = False
    if not whole:
        raise InputError(f"{path}: its arrays do not belong together; fetch the file again")
    tensors = {part: torch.from_numpy(numbers) for part, numbers in parts.items()}
    return Graph(
        torch.from_numpy(features),
        torch.from_numpy(edges),
        torch.from_numpy(labels),
        tensors["train"],
        tensors["val"],
        tensors["test"],
    )
