"""Which neurons are in lists, which cells of an array they let be written, and the time of the backward pass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib.pyplot as plt
import torch
from common import RESULTS
from torch import Tensor, nn

from memsim.learn import Run, load_run, make_study, train
from memsim.learn.rules.lists import Listed, fired
from method_parts.drawing import SIZE, entries, saved

EXAMPLES = 100
"""Test examples whose lists are counted."""
EPOCHS = 10


def measures(run: Run, folder: Path) -> dict[str, Any]:
    """Shares of neurons in lists, and of cells that the gradient of one example reaches, of studies with a support."""
    network = load_run(folder, stages=1, data=run.data).network if run.study.stages else run.network
    if network.chain[0].neuron.spike.support is None:
        return {}
    found = list(_lists(network, run.data.test.inputs(slice(EXAMPLES))))
    written, heard, cells = (
        sum(values) for values in zip(*(_cells(one, before) for before, one in found), strict=True)
    )
    steps = sum(one.spikes.numel() for _, one in found)
    return {
        "share of neurons in lists": sum(len(one.values) for _, one in found) / steps,
        "cells written for an example": written / cells,
        "cells written for an example, slopes everywhere": heard / cells,
    }


@torch.no_grad()
def _lists(network: nn.Module, inputs: Tensor) -> Iterator[tuple[Listed, Listed]]:
    """What comes into each hidden layer, and what goes out."""
    heard = Listed(network.drive(network.on_lines(inputs), None).over(()).values)
    for layer in network.chain[:-1]:
        heard = heard.later(round(layer.delay.longest))
        made = fired(heard, layer.synapse.module.weight, layer.neuron)
        yield heard, made
        heard = made


def _cells(made: Listed, heard: Listed) -> tuple[int, int, int]:
    """Cells whose gradient is not zero by the list, and with a slope at every step; and all, of all examples."""
    steps, examples, neurons = made.spikes.shape
    last = torch.full((examples, neurons), -1)
    time, example, neuron = made.where
    last.index_put_((example, neuron), time)  # entries are in the order of time
    first = torch.where(heard.spikes.any(0), (heard.spikes != 0).to(torch.uint8).argmax(0), steps)
    written = sum(int((ends[:, None] >= begins).sum()) for ends, begins in zip(last, first, strict=True))
    everywhere = neurons * int((first < steps).sum())
    return written, everywhere, examples * neurons * first.shape[1]


def figure(path: Path) -> Path:
    """Spikes of a layer and the list of those that have a slope; time of the backward pass over what is listed."""
    drawn, (raster, times) = plt.subplots(1, 2, figsize=SIZE, layout="constrained", width_ratios=(3, 2))
    made = _of_digits()
    time, _, neuron = made.where
    at = made.spikes[:, 0].nonzero()
    raster.plot(at[:, 0], at[:, 1], "|", color="0.6", markersize=4, label="spikes")
    raster.plot(time, neuron, "o", color="C3", markersize=3, label="in the list")
    steps, _, neurons = made.spikes.shape
    raster.set(xlabel="step", ylabel="neuron", xlim=(-1, steps), ylim=(-2, neurons + 2))
    raster.set_title("all of the gradient is in the list", fontsize=9)
    rows = json.loads((RESULTS / "sparse_backward.json").read_text(encoding="utf-8"))["rows"]
    times.semilogx([100 * row["listed"] for row in rows], [row["ratio"] for row in rows], "o-")
    times.axhline(1.0, color="k", linestyle=":")
    times.set(xlabel="neurons in the lists [%]", ylabel="all steps over lists", ylim=(0, None))
    times.set_title("time of the backward pass", fontsize=9)
    raster.legend(fontsize=8, loc="upper right")
    return saved(drawn, path)


def _of_digits() -> Listed:
    """The first hidden layer for one test image of the small digits, after a short training."""
    study = make_study(**{**entries("sparse-descent", "sparse-descent"), "data": "digits", "epochs": EPOCHS})
    with TemporaryDirectory() as folder:
        run = train(study, Path(folder))
    (_, made), *_ = _lists(run.network, run.data.test.inputs(slice(1)))
    return made
