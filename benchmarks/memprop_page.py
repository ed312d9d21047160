"""The page of memprop.py: tables and figures, from its saved results alone."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from typing import Any

from common import RESULTS
from memprop_figures import TRAININGS
from memprop_references import REFERENCES
from memprop_results import PUBLISHED, STAGES, TITLES, load_rows, result_path

from memsim.files import write_text


def write_page() -> None:
    """Write benchmarks/results/memprop.md."""
    parts = ["# Fully memristive networks on MNIST and Fashion-MNIST", _introduction(), *accuracy_table(), ""]
    for data, title in TITLES.items():
        if load_rows("train", data):
            parts += [f"## {title}", "", *_data_section(data), ""]
    robust = [data for data in TITLES if load_rows("robust", data)]
    parts += ["## Hardware that is not ideal", ""] if robust else []
    for data in robust:
        parts += [*robustness_table(data), "", f"![Robustness](memprop-robustness-{data}.png)", ""]
    write_text(RESULTS / "memprop.md", "\n".join(parts))


def _introduction() -> str:
    saved = [result_path(stage, data) for stage in STAGES for data in TITLES]
    results = [json.loads(path.read_text(encoding="utf-8")) for path in saved if path.exists()]
    dates = sorted({result["date"] for result in results})
    commands = "\n".join(f"    {result['command']}" for result in results)
    return (
        "\nEvery weight is a pair of bounded conductances, every neuron a capacitor with two volatile memristors; "
        "training is backpropagation through the circuit's own equations, without surrogate gradients. The references "
        "have the same layers, images, augmentation, epochs and schedule (Adam, their own learning rate).\n\n"
        f"Measured {', '.join(dates)}; studies with all parameters are in `benchmarks/studies/`. Commands:\n\n"
        f"{commands}\n"
    )


def accuracy_table() -> list[str]:
    """Ours, published and references: mean and range over seeds."""
    rows = ["| test accuracy | MNIST | Fashion-MNIST |", "|---|---|---|"]
    rows.append(_row("memsim, fully memristive", {d: _accuracies(load_rows("train", d)) for d in TITLES}))
    published = {data: [value] for data, value in PUBLISHED.items()}
    rows.append(_row("SPICEprop, published (arXiv:2203.01426)", published))
    for kind in REFERENCES:
        chosen = {
            data: _accuracies({k: r for k, r in load_rows("references", data).items() if k.startswith(kind)})
            for data in TITLES
        }
        rows.append(_row(f"{kind} network of the same size", chosen))
    return rows


def _accuracies(rows: dict[str, Any]) -> list[float]:
    return [row["test_accuracy"] for row in rows.values()]


def _row(name: str, accuracies: dict[str, list[float]]) -> str:
    return f"| {name} | " + " | ".join(spread(accuracies.get(data, [])) for data in TITLES) + " |"


def spread(values: Iterable[float]) -> str:
    """Mean with lowest and highest, in percent."""
    shares = list(values)
    if not shares:
        return "not measured"
    mean = f"{statistics.mean(shares):.2%}"
    return (
        mean if len(shares) == 1 else f"{mean} ({min(shares):.2%} to {max(shares):.2%}, {len(shares)} seeds)"
    )


def _data_section(data: str) -> list[str]:
    rows = load_rows("train", data).values()
    steps = [row["steps"] for row in rows]
    seconds = [record["seconds"] for row in rows for record in row["history"]]
    lines = [
        f"- An epoch took {statistics.median(seconds):.0f} s (median, one thread, a machine with other work on it).",
        (
            f"- Ten times finer steps: {spread(s['fine_accuracy'] for s in steps)}; largest difference from training "
            f"steps {max(abs(s['difference']) for s in steps) * 100:.2f} points."
        ),
    ]
    for name, row in load_rows("verify", data).items():
        lines.append(
            f"- In ngspice, {name}, {row['images']} test images: {row['same_class']:.1%} same class as the torch twin; "
            f"mean waveform error {row['mean_error']:.3%} of spike amplitude, worst {row['worst_error']:.2%}; "
            f"{1e9 * row['energy_ngspice']:.0f} nJ an inference (twin within {row['energy_difference']:.2%})."
        )
    pictures = {
        f"memprop-confusion-{data}.png": "Confusion matrix, all seeds",
        f"memprop-spikes-{data}.png": "Membranes of the output neurons, first test image, ngspice",
        f"memprop-ngspice-{data}.png": "The winning neuron in ngspice and in the twin",
    }
    lines += ["", "![Accuracy after each epoch](memprop-curves.png)"]
    return lines + [f"\n![{text}]({name})" for name, text in pictures.items() if (RESULTS / name).exists()]


def robustness_table(data: str) -> list[str]:
    """Accuracy by condition, trained on ideal devices and with variation."""
    rows = load_rows("robust", data)
    trainings = [t for t in TRAININGS if any(key.startswith(t) for key in rows)]
    table = [
        f"| {TITLES[data]} | " + " | ".join(TRAININGS[t] for t in trainings) + " |",
        "|---" * (len(trainings) + 1) + "|",
    ]
    for condition in next(iter(rows.values())):
        means = [
            statistics.mean(v for key, row in rows.items() if key.startswith(t) for v in row[condition])
            for t in trainings
        ]
        table.append(f"| {condition} | " + " | ".join(f"{mean:.2%}" for mean in means) + " |")
    return table
