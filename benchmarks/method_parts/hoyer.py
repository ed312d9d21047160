"""Picture of the Hoyer extremum."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from memsim.learn import make_study, train
from memsim.learn.penalties import watching
from method_parts.drawing import SIZE, entries, saved

EPOCHS = 20


def figure(path: Path) -> Path:
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
