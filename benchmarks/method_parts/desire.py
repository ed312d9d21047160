"""Pulses that writing in place takes, and conductances on the way to their places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from memsim.learn import Run, load_study, make_study
from memsim.learn.data import load_dataset
from memsim.learn.rules import Batch, Desire
from memsim.learn.writing import Arrays, writer_of
from memsim.methods import load_method
from memsim.networks import Network, build_network
from method_parts.drawing import SIZE, saved
from method_parts.in_place import pulses

UPDATES, BATCH, RATE = 600, 20, 0.006
CELLS = 9
"""That are drawn."""


def measures(run: Run, _: Path) -> dict[str, Any]:
    """Accuracy with ties counted as wrong, and what writing took of studies that write in place."""
    scores = (run.records[0].history if run.records else run.history)[-1].scores
    return {"ties wrong": scores["strict-accuracy"], **pulses(run)}


def figure(path: Path) -> Path:
    """Conductances of cells over the updates of a training on 8x8 digits, and of all cells at the start and the end."""
    states, arrays = _learned()
    g = arrays.pairs.cells.conductance(states, 0.1) * 1e6
    moved = (g[-1] - g[0]).abs().flatten()
    chosen = moved.argsort(descending=True)[:: max(1, len(moved) // (4 * CELLS))][:CELLS]
    drawn, (way, ends) = plt.subplots(
        1, 2, figsize=SIZE, layout="constrained", sharey=True, width_ratios=(2, 1)
    )
    way.plot(g.flatten(1)[:, chosen], linewidth=1.0)
    low, high = (1e6 * end for end in arrays.pairs.range)
    for end in (low, high):
        way.axhline(end, color="k", linestyle=":", linewidth=0.8)
    way.set(xlabel="update", ylabel="conductance [µS]", xlim=(0, len(g) - 1))
    way.set_title("nine cells on their way, pulse by pulse", fontsize=9)
    for at, label, colour in ((0, "start", "0.6"), (-1, "end", "C0")):
        ends.hist(
            g[at].flatten(),
            bins=60,
            range=(low, high),
            orientation="horizontal",
            alpha=0.7,
            label=label,
            color=colour,
        )
    ends.set(xlabel="cells")
    ends.set_title("all cells of the first layer", fontsize=9)
    ends.legend(fontsize=8)
    return saved(drawn, path)


def _learned() -> tuple[Tensor, Arrays]:
    """States of the first array after each update, [updates + 1, 2, rows, columns], and the arrays."""
    shipped = load_study(load_method("desire").studies["desire-in-place"]).model_dump(exclude_none=True)
    kept = ("steps", "scores", "initial_variance", "synapse", "synapses", "lif")
    layers = ({"neurons": 40, "bias": False}, {"bias": False, "fires": True})
    study = make_study(**{name: shipped[name] for name in kept}, data="digits", rule="desire", layers=layers)
    data = load_dataset("digits")
    network: Network = build_network(data.shape, data.classes, study)
    arrays = Arrays(network, writer_of(shipped["training"]["writing"]), study.synapses.device)
    rule, source = Desire(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(network.parameters(), RATE)
    states = [next(iter(arrays.states().values()))]
    for _ in range(UPDATES):
        chosen = torch.randint(len(data.train), (BATCH,), generator=source)
        inputs, labels = data.train.batch(chosen)
        optimizer.zero_grad()
        rule.grads(
            Batch(
                network,
                inputs,
                labels,
                lambda inputs=inputs: network(inputs),
                torch.nn.functional.cross_entropy,
                Tensor.backward,
            )
        )
        optimizer.step()
        network.keep_in_range()
        arrays.write(source)
        states.append(next(iter(arrays.states().values())))
    return torch.stack(states), arrays
