"""What each step of time adds, and its picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from memsim.learn import Run, load_run
from memsim.methods.bntt import accuracies, weights_of_steps
from memsim.networks.normalisation import BatchNormThroughTime
from method_parts.drawing import SIZE, saved


def measures(run: Run, folder: Path) -> dict[str, Any]:
    """Of studies that have weights of steps: what is right after each in software, these weights, and their storage."""
    network = load_run(folder, stages=1, data=run.data).network
    norms = [layer.norm for layer in network.chain if isinstance(layer.norm, BatchNormThroughTime)]
    if not norms:
        return {}
    return {
        "right after each step": accuracies(network, run.data.test).tolist(),
        "weights of steps": weights_of_steps(network).tolist(),
        "words of the schedule": 2 * sum(norm.num_features for norm in norms),
    }


def figure(path: Path) -> Path:
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
