"""Picture of thresholds that learn."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch.nn.functional import cross_entropy

from memsim.learn import build, make_study
from method_parts.drawing import SIZE, entries, saved

EPOCHS = 20


def figure(path: Path) -> Path:
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
