"""Float twins of the pack of graphs, its figures on columns of one bit, and a picture of two graphs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib.pyplot as plt
import networkx as nx
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from memsim.learn import Run, load_run, load_study, train
from memsim.learn.data import Dataset
from memsim.learn.data.diffusion import random_geometric, signal
from memsim.learn.data.diffusion_table import DiffusionTable
from memsim.learn.data.karate import karate_club
from memsim.learn.evaluation import respond
from memsim.learn.judging import chip_of, on_chip
from memsim.learn.metrics import METRICS
from memsim.methods import load_method
from memsim.networks import Network
from memsim.networks.graphs import normalised
from method_parts.drawing import saved

FLOAT_TWIN = "float twin"
CHIPS = (1, 2, 3)
"""That training never saw."""
HELD = 5
"""One of so many trials is held out to choose the leak of a twin."""


def measures(run: Run, folder: Path) -> dict[str, Any]:
    """The figure of a member in software, of its float twin, and on columns of one bit."""
    if not run.study.stages:
        return {}
    what, metric, twin = MEMBERS[run.data.name]
    found = {FLOAT_TWIN: metric(twin(run.data), run.data.test.labels), **_everywhere(run, folder, metric)}
    return {f"{what}{where}": value for where, value in found.items()}


def _everywhere(run: Run, folder: Path, metric: Callable[[Tensor, Tensor], float]) -> dict[str, Any]:
    def score(network: Network) -> float:
        with network.unlimited():
            return metric(respond(network, run.data.test), run.data.test.labels)

    before, card = load_run(folder, stages=1, data=run.data), run.study.stages[-1].hardware_card()
    return {
        "software": score(before.network),
        "cold": score(on_chip(before, card, cold=True)),
        "trained": score(on_chip(run, card, chip=chip_of(run))),
        "unseen chips": [score(on_chip(run, card, chip=chip)) for chip in CHIPS],
    }


def nodes_right(outputs: Tensor, wanted: Tensor) -> float:
    """Share of nodes whose class is right, of those that are told, of numbers [1, 2 * nodes]."""
    said, of_class = outputs.view(2, -1), wanted.view(2, -1)
    told = ~of_class[0].isnan()
    return float((said[:, told].argmax(0) == of_class[:, told].argmax(0)).double().mean())


def equilibrium(data: Dataset) -> Tensor:
    """Classes of nodes by a = clip(S (W a + b) + F h, 0, 1): a recurrent graph network."""
    torch.manual_seed(0)
    inputs, wanted = data.train.inputs().view(-1, data.shape[-1]).T, data.train.labels.view(2, -1).T
    along, told = _along(len(inputs)), ~wanted[:, 0].isnan()
    heard, fed, read = nn.Linear(32, 32), nn.Linear(inputs.shape[1], 32), nn.Linear(32, 2)
    nn.init.normal_(fed.weight, std=(6 / inputs.shape[1]) ** 0.5)
    optimizer = torch.optim.Adam([*heard.parameters(), *fed.parameters(), *read.parameters()], 0.01)
    for _ in range(100):
        with torch.no_grad():
            heard.weight.mul_((0.9 / torch.linalg.matrix_norm(heard.weight, 2)).clamp(max=1))
        a = torch.zeros(len(inputs), 32)
        for _ in range(40):
            a = (along @ heard(a) + fed(inputs)).clamp(0, 1)
        optimizer.zero_grad()
        (read(a)[told] - wanted[told]).square().mean().backward()
        optimizer.step()
    return read(a).detach().T.reshape(1, -1)


def _along(nodes: int) -> Tensor:
    """S of the karate club."""
    return torch.from_numpy(normalised(karate_club().edges, nodes).toarray()).float()


def links(data: Dataset) -> Tensor:
    """Scores of pairs by sigma(z z' - b), z = max(V h, 0): a graph auto-encoder."""
    torch.manual_seed(0)
    inputs, wanted = data.train.inputs().unflatten(1, (-1, 2)).mT, data.train.labels.float()
    encoder, bias = nn.Linear(inputs.shape[-1], 32), nn.Parameter(torch.ones(()))
    optimizer = torch.optim.Adam([*encoder.parameters(), bias], 0.01)
    for _ in range(8):
        for chosen in torch.randperm(len(wanted)).split(64):
            optimizer.zero_grad()
            alike = encoder(inputs[chosen]).relu().prod(1).sum(1) - bias
            binary_cross_entropy_with_logits(alike, wanted[chosen]).backward()
            optimizer.step()
    with torch.no_grad():
        alike = encoder(data.test.inputs().unflatten(1, (-1, 2)).mT).relu().prod(1).sum(1)
    return torch.stack([torch.zeros_like(alike), alike], 1)


def diffusion(data: Dataset) -> Tensor:
    """Next values, linear in averages of events that forget: the leak that predicts held-out trials best."""

    def averages(inputs: Tensor, leak: float) -> Tensor:
        ages = torch.arange(inputs.shape[1] - 1, -1, -1)
        now = (inputs * (leak**ages)[:, None]).sum(1)
        return torch.cat([now, torch.ones(len(now), 1)], 1)

    def predicted(leak: float, train: slice, inputs: Tensor) -> Tensor:
        fitted = torch.linalg.lstsq(averages(data.train.inputs(train), leak), data.train.labels[train])
        return averages(inputs, leak) @ fitted.solution

    kept = len(data.train) - len(data.train) // HELD
    seen, held = slice(kept), slice(kept, None)
    errors = {
        leak: (predicted(leak, seen, data.train.inputs(held)) - data.train.labels[held]).square().mean()
        for leak in (0.4, 0.5, 0.6, 0.7, 0.8)
    }
    return predicted(min(errors, key=errors.__getitem__), slice(None), data.test.inputs())


MEMBERS = {
    "karate-club": ("", nodes_right, equilibrium),
    "cora": ("AUC of links, ", METRICS["area-under-curve"], links),
    "graph-diffusion": ("error of next values, ", METRICS["root-mean-square-error"], diffusion),
}
"""By the name of their data: their figure, and what the shares of the harness are where they have none of their own."""


def figure(path: Path) -> Path:
    """The karate club as the recurrent member sees it, and a signal that spreads."""
    drawn, (club, places, course) = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
    _draw_club(club)
    _draw_signal(places, course)
    return saved(drawn, path)


def _draw_club(axes: Axes) -> None:
    """Members by how much more one output says than the other; those of the president's side are squares."""
    study = load_study(load_method("graph-pack").studies["graph-pack"])
    with TemporaryDirectory() as folder:
        run = train(study.model_copy(update={"stages": study.stages[:1]}), Path(folder))
    said = respond(run.network, run.data.test).view(2, -1).diff(dim=0)[0]
    club = karate_club()
    whole = nx.Graph(club.edges.tolist())
    at = nx.spring_layout(whole, seed=1)
    nx.draw_networkx_edges(whole, at, ax=axes, edge_color="0.8")
    for side, shape in ((0, "o"), (1, "s")):
        nodes = [node for node in whole if club.labels[node] == side]
        nx.draw_networkx_nodes(
            whole,
            at,
            nodes,
            ax=axes,
            node_color=said[nodes].tolist(),
            node_shape=shape,
            node_size=90,
            cmap="coolwarm",
            vmin=-1,
            vmax=1,
            edgecolors=["k" if node in club.train else "w" for node in nodes],
        )
    axes.set_title(
        "two sides (shapes), and what is said\n(colours); those of the ringed are told", fontsize=9
    )
    axes.set_axis_off()


def _draw_signal(places: Axes, course: Axes) -> None:
    """One trial: the signal at its end, and over time at three nodes, with the events of their sensors."""
    steps, table = 30, DiffusionTable(strength=1.0, train=8)
    generator = torch.Generator().manual_seed(table.seed)
    at, edges = random_geometric(table, generator)
    along = torch.from_numpy(normalised(edges, table.nodes).toarray())
    sources = torch.zeros(1, steps, table.nodes, dtype=torch.float64)
    source = int(torch.diagonal(along).argmin())
    sources[:, 5:18, source] = table.strength
    u = signal(sources, along, table.loss)[0]
    ends = at[edges].numpy()
    places.plot(ends[..., 0].T, ends[..., 1].T, color="0.8", linewidth=0.8, zorder=0)
    seen = places.scatter(*at.T.numpy(), c=u[18], s=60, cmap="viridis", vmin=0, edgecolors="w")
    places.scatter(*at[source].numpy(), s=130, facecolors="none", edgecolors="C3", linewidths=1.5)
    places.figure.colorbar(seen, ax=places, shrink=0.8)
    places.set_title("a signal as its source (ringed) goes off", fontsize=9)
    places.set_axis_off()
    nodes = (at - at[source]).norm(dim=1).argsort()[[0, 1, 20]].tolist()
    for row, (node, words) in enumerate(zip(nodes, ("source", "nearest to it", "20th nearest"), strict=True)):
        course.plot(u[:, node], color=f"C{row}", label=words)
        fired = torch.bernoulli((u[:-1] @ along).clamp(max=1)[:, node], generator=generator).nonzero()
        course.plot(
            fired, torch.full_like(fired, -0.12 - 0.1 * row, dtype=torch.float64), "|", color=f"C{row}"
        )
    course.set(xlabel="step", ylabel="signal; below, events of one sensor")
    course.legend(fontsize=8)
