"""Figures of memprop.py, from its saved results."""

from __future__ import annotations

from typing import Any

import numpy as np
from common import RESULTS
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from memprop_results import PUBLISHED, TITLES, load_rows

from memsim import plots
from memsim.circuits.waveforms import dataset
from memsim.plots.style import COLOURS, columns, styled
from memsim.report.run import output_waves
from memsim.verify.comparison import Evidence

SHOWN = 5
"""Output neurons in the picture of spikes: those with the highest mean potential."""
TRAININGS = {"plain": "trained on ideal devices", "aware": "trained with 20 % variation"}
SHARES = {
    "variation": ("device variation (%)", (0.0, 5.0, 10.0, 20.0)),
    "stuck": ("stuck cells (%)", (0.0, 0.5, 1.2, 10.0)),
    "read noise": ("read noise (%)", (0.0, 5.0, 10.0, 20.0)),
}


def draw_figures() -> None:
    """All figures whose results are there."""
    if any(load_rows("train", data) for data in TITLES):
        plots.save(learning_curves(), RESULTS / "memprop-curves.png")
    for data in TITLES:
        if load_rows("robust", data):
            plots.save(robustness(data), RESULTS / f"memprop-robustness-{data}.png")
        if rows := load_rows("train", data):
            total = np.sum([row["confusion"] for row in rows.values()], axis=0)
            plots.save(plots.confusion(total), RESULTS / f"memprop-confusion-{data}.png")


def draw_spikes(data: str, evidence: Evidence) -> None:
    """Membranes of the leading output neurons for the first image, and the winner in both engines."""
    both = [output_waves(evidence, getattr(evidence, name), name) for name in ("ngspice", "twin")]
    plots.save(plots.overlay(*both, "v(mem)"), RESULTS / f"memprop-ngspice-{data}.png")
    first = evidence.ngspice[0]
    best = np.argsort(first.mean(axis=0))[::-1][:SHOWN]
    names = [f"v(class{number})" for number in best]
    waves = dataset(evidence.times, dict(zip(names, first[:, best].T, strict=True)))
    plots.save(plots.waveforms(waves, names), RESULTS / f"memprop-spikes-{data}.png")


@styled
def learning_curves() -> Figure:
    """Test accuracy after each epoch, mean and range of the seeds, with the published figure."""
    figure, panels = columns(2, (7.2, 3.2))
    for axes, (data, title) in zip(panels, TITLES.items(), strict=True):
        kinds: dict[str, list[list[float]]] = {}
        for row in load_rows("train", data).values():
            kinds.setdefault("memsim", []).append([record["test_accuracy"] for record in row["history"]])
        for name, row in load_rows("references", data).items():
            kinds.setdefault(name.split(",")[0], []).append(row["history"])
        for (name, runs), colour in zip(kinds.items(), COLOURS, strict=False):
            _band(axes, runs, name, colour)
        axes.axhline(100 * PUBLISHED[data], color="grey", linestyle=":", label="SPICEprop, published")
        axes.set(title=title, xlabel="epoch")
    panels[0].set_ylabel("test accuracy (%)")
    panels[0].set_ylim(bottom=94)
    panels[0].legend(loc="lower right")
    return figure


def _band(axes: Axes, runs: list[list[float]], name: str, colour: str) -> None:
    accuracy, epochs = 100 * np.array(runs), np.arange(1, len(runs[0]) + 1)
    axes.plot(epochs, accuracy.mean(axis=0), color=colour, label=name)
    axes.fill_between(
        epochs, accuracy.min(axis=0), accuracy.max(axis=0), color=colour, alpha=0.2, linewidth=0
    )


def robustness(data: str) -> Figure:
    """Accuracy on hardware that is not ideal, trained without and with device variation."""
    return plots.robustness(
        {
            label: plots.Robustness(levels, _accuracies(load_rows("robust", data), kind))
            for kind, (label, levels) in SHARES.items()
        }
    )


def _accuracies(rows: dict[str, Any], kind: str) -> dict[str, list[list[float]]]:
    """By way of training, for each condition of a kind, those of all seeds and draws."""
    conditions = ["ideal", *(name for name in next(iter(rows.values())) if name.startswith(kind))]
    return {
        title: [
            [share for name, row in rows.items() if name.startswith(training) for share in row[condition]]
            for condition in conditions
        ]
        for training, title in TRAININGS.items()
        if any(name.startswith(training) for name in rows)
    }
