"""A linear twin beside spikes, fewer and more steps of time, and a picture of the graph."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
from sklearn.linear_model import LogisticRegression

from memsim.learn import Run, evaluate, load_run
from memsim.learn.data import load_graph
from memsim.learn.data.graphs import diffused
from method_parts.drawing import saved

STEPS = (1, 4, 16, 64)
DRAWS = 3
"""Evaluations with spikes of their own."""


def measures(run: Run, folder: Path) -> dict[str, Any]:
    """What a logistic regression of the same inputs has right, and spikes of other numbers of steps."""
    train, test = run.data.train, run.data.test
    twin = LogisticRegression(max_iter=2000).fit(train.inputs().numpy(), train.labels.numpy())
    found: dict[str, Any] = {"linear twin": float(twin.score(test.inputs().numpy(), test.labels.numpy()))}
    if not run.study.discrete:
        return found
    network = load_run(folder, stages=1, data=run.data).network
    for steps in STEPS:
        network.drive = replace(network.drive, steps=steps)
        right = [evaluate(network, test, seed=seed) for seed in range(DRAWS)]
        found[f"software, {steps} steps"] = sum(right) / DRAWS
    return found


def figure(path: Path) -> Path:
    """The largest part of Cora, with the classes of its papers; and what the first words of a paper become."""
    graph = load_graph("cora", Path(os.environ.get("MEMSIM_DATA", "data")))
    whole = nx.Graph(graph.edges.tolist())
    part = whole.subgraph(max(nx.connected_components(whole), key=len))
    places = nx.spring_layout(part, seed=0, iterations=60)
    drawn, (net, words) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained", width_ratios=(3, 2))
    at = np.array([places[node] for node in part])
    ends = np.array([[places[one], places[other]] for one, other in part.edges])
    net.plot(ends[:, :, 0].T, ends[:, :, 1].T, color="0.7", linewidth=0.3, zorder=0)
    colours = plt.get_cmap("tab10")(graph.labels[list(part)].numpy())
    net.scatter(at[:, 0], at[:, 1], s=4, c=colours, zorder=1)
    net.set_axis_off()
    net.set_title(f"{len(part)} papers of Cora that cite each other, in 7 classes", fontsize=9)
    paper = int(graph.test[0])
    for hops, words_of in enumerate((graph.features.double(), *map(_mixed(graph), (1, 2)))):
        words.plot(words_of[paper, :200].clamp(max=1) + 1.2 * (2 - hops), linewidth=0.8, label=f"{hops} hops")
    words.set(xlabel="word", yticks=[], title="")
    words.set_title("probability of a spike of each word of one paper", fontsize=9)
    words.legend(fontsize=8, loc="upper right")
    return saved(drawn, path)


def _mixed(graph: Any) -> Any:
    return lambda hops: diffused(graph.features, graph.edges, hops)
