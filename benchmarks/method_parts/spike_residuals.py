"""How large sums of spikes become with depth, and their picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from memsim.learn import Run, build, load_run, load_study, make_study
from memsim.learn.evaluation import first
from memsim.methods import load_method
from memsim.networks import Network
from method_parts.drawing import SIZE, saved

NAME = "spike-residuals"
BLOCKS = (5, 20, 50, 100)
NEURONS, STEPS, EXAMPLES = 64, 8, 200


def measures(run: Run, folder: Path) -> dict[str, Any]:
    """Numbers that layers of the network in software give, and of one study those of many blocks before training."""
    network = load_run(folder, stages=1, data=run.data).network
    outputs = _outputs(network.eval(), first(run.data.test, EXAMPLES).inputs())
    found = {
        "largest number on a word line": max(float(out.max()) for out in outputs),
        "smallest number on a word line": min(float(out.min()) for out in outputs),
        "pulses on a word line in a read": float(outputs[-1].mean()),
    }
    return found | (over_depth(run.study.seed) if folder.name.rpartition("-")[0] == NAME else {})


def over_depth(seed: int) -> dict[str, Any]:
    """Sums behind each of a hundred dense blocks, untrained, normalised by moments of the batch."""
    residual = {"neurons": NEURONS, "norm": "batch-through-time"}
    block = (residual, {**residual, "from": "before", "join": "spike"})
    study = make_study(
        data="digits",
        steps=STEPS,
        lif=load_study(load_method(NAME).studies[NAME]).lif.given,
        layers=(residual, {"repeat": max(BLOCKS), "block": block}, {"lif": {"leak": 0.0}}),
        seed=seed,
    )
    network, data = build(study)
    outputs = _outputs(network.train(), first(data.train, EXAMPLES).inputs())[::2]
    largest, mean = [float(out.max()) for out in outputs], [float(out.mean()) for out in outputs]
    return {
        "largest sum behind each block": largest,
        "mean sum behind each block": mean,
        **{f"largest sum behind {many} blocks": largest[many] for many in BLOCKS},
        **{f"mean sum behind {many} blocks": mean[many] for many in BLOCKS},
    }


@torch.no_grad()
def _outputs(network: Network, inputs: Tensor) -> list[Tensor]:
    """Of the hidden layers, which are what word lines behind them get."""
    return network.waveforms(inputs)[:-1]


def figure(path: Path) -> Path:
    """The largest and the mean sum behind each block, as they were measured, and the most that there can be."""
    found = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["seeds"]["0"][NAME]
    largest, mean = found["largest sum behind each block"], found["mean sum behind each block"]
    figure, (values, pulses) = plt.subplots(1, 2, figsize=SIZE, layout="constrained", sharex=True)
    values.plot(range(1, len(largest) + 1), "k:", label="most that there can be, L + 1")
    values.plot(largest, label="largest sum of spikes")
    values.axhline(1.0, color="C2", linestyle="--", label="membrane residuals: a spike")
    values.set(xlabel="blocks L", ylabel="largest number on a word line", ylim=(0, None))
    pulses.plot(mean, label="sums of spikes")
    pulses.axhline(1.0, color="C2", linestyle="--", label="most of binary lines")
    pulses.set(xlabel="blocks L", ylabel="pulses on a word line in a read, mean", ylim=(0, None))
    for axes in (values, pulses):
        axes.legend(fontsize=8)
    return saved(figure, path)
