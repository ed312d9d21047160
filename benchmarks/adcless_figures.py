"""Pictures of benchmarks/results/adcless_training.json: accuracy by stage, and over growing non-idealities.

python benchmarks/adcless_figures.py
"""

from __future__ import annotations

import json
from typing import Any

from common import RESULTS
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from memsim.plots import save
from memsim.plots.style import COLOURS, styled

NAME = "adcless_training"
TITLES = {
    "mnist": "MNIST, 10 000 images",
    "fashion-mnist": "Fashion-MNIST, 10 000 images",
    "nmnist": "N-MNIST, 100 recordings",
}
STAGES = {
    "software": "software",
    "weights": "4-bit weights",
    "partial sums": "5-bit partial sums",
    "one bit": "1-bit partial sums",
    "non-idealities": "and non-idealities",
}
OTHERS = {
    "trained on": ("hp-adc", "HP-ADC, trained on"),
    "jump": ("jump", "jump to the last stage"),
    "cold": ("staged", "1 bit, cold"),
    "cold, calibrated": ("staged", "1 bit, cold, calibrated"),
}
AXES = {
    "converter.offset": "amplifier offset (LSB)",
    "converter.noise": "amplifier noise (LSB)",
    "cell.variation": "variation of ln G",
    "on/off ratio": "on/off ratio (variation 0.1)",
    "wires": "wire resistance (Ω per segment)",
    "array size": "rows and columns of an array",
}
NETWORKS = {
    "one bit": "trained for 1-bit columns",
    "non-idealities": "trained for non-idealities, or the size",
}


@styled
def stages(results: dict[str, Any]) -> Figure:
    """Test accuracy after each stage, of each seed, and of what stages are compared with."""
    shown = [data for data in TITLES if data in results]
    figure = Figure(figsize=(4.4 * len(shown), 4.0), layout="constrained")
    for axes, data in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        seeds = {name: runs for name, runs in results[data].items() if name.isdigit()}
        rows = [
            (title, [runs["staged"].get(name) for runs in seeds.values()]) for name, title in STAGES.items()
        ]
        rows += [
            (title, [runs.get(plan, {}).get(name) for runs in seeds.values()])
            for name, (plan, title) in OTHERS.items()
        ]
        for height, (_, values) in enumerate(rows):
            found = [100 * value for value in values if value is not None]
            if found:
                colour = COLOURS[0] if height < len(STAGES) else COLOURS[1]
                axes.barh(height, sum(found) / len(found), color=colour, alpha=0.35)
                axes.plot(found, [height] * len(found), "o", color=colour, markersize=4)
        axes.set_yticks(range(len(rows)), [title for title, _ in rows])
        axes.invert_yaxis()
        count = f"{len(seeds)} seeds" if len(seeds) > 1 else "1 seed"
        axes.set(xlabel="test accuracy (%)", title=f"{TITLES[data]}, {count}", xlim=(0, 100))
    return figure


@styled
def robustness(results: dict[str, Any]) -> Figure:
    """Accuracy over each non-ideality, before and after the stage that trains for them."""
    figure = Figure(figsize=(10.5, 6), layout="constrained")
    sweeps = results["mnist"]["robustness-0"]
    for axes, (kind, title) in zip(figure.subplots(2, 3).flat, AXES.items(), strict=True):
        _curves(axes, sweeps.get(kind, {}))
        axes.set(xlabel=title, ylabel="test accuracy (%)", ylim=(0, 100))
    figure.axes[0].legend(loc="lower left")
    return figure


def _curves(axes: Axes, points: dict[str, dict[str, float]]) -> None:
    for (name, title), colour in zip(NETWORKS.items(), COLOURS, strict=False):
        accuracies = [100 * point[name] for point in points.values()]
        axes.plot(range(len(points)), accuracies, "o-", color=colour, label=title, markersize=4)
    axes.set_xticks(range(len(points)), list(points))


def main() -> None:
    """Draw what is there."""
    results = json.loads((RESULTS / f"{NAME}.json").read_text(encoding="utf-8"))["results"]
    print(save(stages(results), RESULTS / f"{NAME}.png"))
    if "robustness-0" in results.get("mnist", {}):
        print(save(robustness(results), RESULTS / f"{NAME}_robustness.png"))


if __name__ == "__main__":
    main()
