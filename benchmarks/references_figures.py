"""Pictures of methods whose neurons have references that learn, or that follow what the layer does."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib as mpl
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from memsim.learn import build, load_study, make_study, train
from memsim.learn.penalties import watching
from memsim.methods import load_method

mpl.use("Agg")
import matplotlib.pyplot as plt

SIZE = (9, 3.4)
EPOCHS = 20


def entries(method: str, name: str) -> dict[str, Any]:
    """What a study of a method says of its network."""
    study = load_study(load_method(method).studies[name]).model_dump(exclude_none=True, exclude_defaults=True)
    return {key: value for key, value in study.items() if key not in {"stages", "training", "augmentation"}}


def thresholds(path: Path) -> Path:
    """Thresholds of neurons leave their common start while weights are trained, and where they end."""
    network, data = build(make_study(**entries("thresholds", "thresholds")))
    neuron, optimizer = network.chain[0].neuron, torch.optim.Adam(network.parameters(), 5e-3)
    seen, order = [neuron.threshold.value().detach().clone()], torch.Generator().manual_seed(0)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(data.train), generator=order).split(32):
            inputs, labels = data.train.batch(chosen)
            optimizer.zero_grad()
            cross_entropy(network(inputs), labels).backward()
            optimizer.step()
        seen.append(neuron.threshold.value().detach().clone())
    figure, (way, end) = plt.subplots(
        1, 2, figsize=SIZE, layout="constrained", sharey=True, width_ratios=(2, 1)
    )
    way.plot(torch.stack(seen), color="C0", alpha=0.35, linewidth=0.8)
    way.set(xlabel="passes over the training examples", ylabel="threshold of a neuron")
    end.hist(seen[-1], bins=20, orientation="horizontal", color="C0", alpha=0.8)
    end.axhline(1.0, color="k", linestyle=":", label="start")
    end.set(xlabel="neurons")
    end.legend(fontsize=8)
    return saved(figure, path)


def hoyer(path: Path) -> Path:
    """Membranes of a hidden layer with the penalty and without, and the extremum that decides which ones fire."""
    figure, panels = plt.subplots(1, 2, figsize=SIZE, layout="constrained", sharex=True, sharey=True)
    for axes, name, words in zip(panels, ("hoyer-plain", "hoyer"), ("without", "with"), strict=True):
        membranes, extremum = _membranes(name)
        axes.hist(membranes, bins=80, range=(-3, 3), density=True, color="C0", alpha=0.8)
        axes.axvline(extremum, color="C3", label=f"Hoyer extremum, {extremum:.2f}")
        share = float((membranes >= extremum).double().mean())
        axes.set(xlabel="membrane u", title=f"{words} the penalty: {100 * share:.0f} % of neurons fire")
        axes.legend(fontsize=8)
    panels[0].set_ylabel("density")
    return saved(figure, path)


def _membranes(name: str) -> tuple[Tensor, float]:
    """Of the second hidden layer for test images of the small digits, after a short training, and their threshold."""
    study = make_study(
        **{**entries("hoyer", name), "data": "digits", "epochs": EPOCHS, "learning_rate": 5e-3}
    )
    with TemporaryDirectory() as folder:
        run = train(study, Path(folder))
    neuron = run.network.eval().chain[1].neuron
    with torch.no_grad(), watching(run.network) as watch:
        run.network(run.data.test.inputs())
        (_, second) = watch.layers
        found = neuron.gain.value() * second.current
    return found.flatten(), float(neuron.threshold.value())


def bntt(path: Path) -> Path:
    """Weights of the normalisation of each step, and what is right after each, as they were measured."""
    found = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["seeds"]["0"]["bntt"]
    figure, (weights, right) = plt.subplots(1, 2, figsize=SIZE, layout="constrained")
    for number, layer in enumerate(found["weights of steps"]):
        weights.plot(range(1, len(layer) + 1), layer, "o-", label=f"layer {number + 1}")
    weights.set(xlabel="step", ylabel="mean weight of the normalisation", ylim=(0, None))
    weights.legend(fontsize=8)
    accuracies = [100 * one for one in found["right after each step"]]
    right.plot(range(1, len(accuracies) + 1), accuracies, "o-")
    right.axhline(accuracies[-1] - 0.5, color="k", linestyle=":", label="half a point below all steps")
    right.set(xlabel="steps taken", ylabel="test accuracy [%]")
    right.legend(fontsize=8)
    return saved(figure, path)


def saved(figure: plt.Figure, path: Path) -> Path:
    """Write a figure, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
