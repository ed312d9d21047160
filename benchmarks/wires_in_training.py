"""What wires cost a network that was trained without them, and what training with them brings back.

    python benchmarks/wires_in_training.py

Digits, 64-32-10, cells of 50 to 500 uS (`benchmarks/oxide.toml`) and 5 ohm a segment: 64 word lines times 64 bit
lines in the first layer, solved exactly. Each seed trains twice, on ideal arrays and on arrays with wires, with the
same study otherwise. The first is then read through the wires as it is, and once more with the gain of each layer
set anew by its mirrors, to make up for the mean loss of current. Takes some minutes of one core; what was
interrupted resumes. Writes benchmarks/results/wires_in_training.json and a figure.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import torch
from common import RESULTS, save_result
from matplotlib.figure import Figure

from memsim.cli.progress import training_progress
from memsim.learn import Run, build, evaluate, make_study, train
from memsim.learn.checkpoint import CHECKPOINT
from memsim.networks import MemristiveNetwork
from memsim.plots import save
from memsim.plots.style import COLOURS, styled

SEEDS = (0, 1, 2)
OHM = 5.0
RUNS = Path("runs/benchmark-wires")
STUDY = {"epochs": 16, "learning_rate": 0.04}
# the mirrors hand on as much current as the digits of the other benchmarks have
SYNAPSES = {"device": "benchmarks/oxide.toml", "mirror_ratio": 0.3 * 21e-6 / 450e-6}
CASES = {
    "ideal": "ideal arrays",
    "blind": "the same,\non wires",
    "rescaled": "the same,\nwith new gains",
    "aware": "trained\nwith wires",
}


def trained(seed: int, ohm: float) -> Run:
    """Train one seed on arrays with this resistance of a segment, or finish it."""
    study = make_study(seed=seed, **STUDY, synapses={**SYNAPSES, "wire_resistance": ohm})
    folder = RUNS / f"{ohm:g}-ohm-seed-{seed}"
    with training_progress() as progress:
        return train(study, folder, resume=(folder / CHECKPOINT).exists(), progress=progress)


def on_wires(run: Run) -> MemristiveNetwork:
    """A trained network on arrays with wires."""
    table = run.study.synapses.model_copy(update={"wire_resistance": OHM})
    network, _ = build(run.study.model_copy(update={"synapses": table}))
    network.load_state_dict(run.network.state_dict())
    return network


@torch.no_grad()
def transmission(network: MemristiveNetwork) -> list[float]:
    """Share of the ideal currents that wires leave in each layer, by least squares over its matrix."""
    return [
        float((crossbar.matrix() * crossbar.weight).sum() / crossbar.weight.square().sum() / crossbar.gain)
        for crossbar in network.crossbars
    ]


def measure(seed: int) -> dict[str, Any]:
    """Test accuracies of one seed."""
    blind, aware = trained(seed, 0.0), trained(seed, OHM)
    network = on_wires(blind)
    found = {
        "ideal": evaluate(blind.network, blind.data.test),
        "blind": evaluate(network, blind.data.test),
        "aware": evaluate(aware.network, aware.data.test),
    }
    shares = transmission(network)
    for crossbar, share in zip(network.crossbars, shares, strict=True):
        crossbar.mirror_ratio /= share
    seconds = {
        name: sum(record.seconds for record in run.history)
        for name, run in (("blind", blind), ("aware", aware))
    }
    return {
        "test_accuracy": {**found, "rescaled": evaluate(network, blind.data.test)},
        "transmission_of_layers": shares,
        "training_seconds": seconds,
    }


def recovered(means: dict[str, float], case: str) -> float:
    """Share of the accuracy lost on wires that a case has again."""
    return (means[case] - means["blind"]) / (means["ideal"] - means["blind"])


@styled
def figure(accuracies: dict[str, list[float]]) -> Figure:
    """Each seed as a point, their mean as a line, their range as an error bar."""
    drawn = Figure(figsize=(4.8, 3.2))
    axes = drawn.subplots()
    for place, case in enumerate(CASES):
        values = [100 * value for value in accuracies[case]]
        mean = statistics.mean(values)
        spread = [[mean - min(values)], [max(values) - mean]]
        axes.errorbar(place, mean, spread, fmt="_", ms=24, mew=2, capsize=4, color=COLOURS[0])
        axes.plot([place] * len(values), values, "o", color=COLOURS[1], markersize=4)
        axes.annotate(
            f"{mean:.1f} %", (place, mean), (16, 0), textcoords="offset points", va="center", fontsize=9
        )
    axes.set_xticks(range(len(CASES)), list(CASES.values()))
    axes.set_xlim(-0.5, len(CASES) - 0.3)
    axes.set_ylabel("test accuracy on digits (%)")
    return drawn


def main() -> None:
    """Train, measure, print, save."""
    seeds = {str(seed): measure(seed) for seed in SEEDS}
    accuracies = {case: [row["test_accuracy"][case] for row in seeds.values()] for case in CASES}
    means = {case: statistics.mean(values) for case, values in accuracies.items()}
    shares = {case: recovered(means, case) for case in ("rescaled", "aware")}
    for case, label in CASES.items():
        each = ", ".join(f"{value:.2%}" for value in accuracies[case])
        print(f"{label.replace(chr(10), ' '):<28} {means[case]:.2%}  ({each})")
    print(
        f"of the accuracy lost, new gains bring back {shares['rescaled']:.0%}, training {shares['aware']:.0%}"
    )
    save_result(
        "wires_in_training",
        "python benchmarks/wires_in_training.py",
        {
            "study": make_study(**STUDY, synapses=SYNAPSES).model_dump(exclude_none=True),
            "ohm_per_segment": OHM,
            "mean_test_accuracy": means,
            "recovered": shares,
            "seeds": seeds,
        },
    )
    print(save(figure(accuracies), RESULTS / "wires_in_training.png"))


if __name__ == "__main__":
    main()
