"""What few bits of shares cost, and a picture of the shares of channels at steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn

from memsim.learn import Run, load_run
from method_parts.attention import gates_of, of_bits
from method_parts.drawing import SIZE, saved

EXAMPLE = 0
"""Test example of the picture."""
KINDS = {
    "two-pass": "both, $\\sigma(P Q)$",
    "time": "along time alone, $\\sigma(Q)$",
    "channels": "along channels alone, $\\sigma(P)$",
}


def measures(run: Run, folder: Path) -> dict[str, Any]:
    """Of the network in software."""
    if not gates_of(run):
        return {}
    trained = load_run(folder, stages=1, data=run.data)
    trained.network.eval()
    signal = run.data.test.signal
    assert signal is not None
    shares = _shares(trained)
    return {
        **of_bits(trained),
        "shares of an example": [[round(float(one), 4) for one in step] for step in shares[:, EXAMPLE]],
        "its signal": signal[EXAMPLE].tolist(),
    }


@torch.no_grad()
def _shares(run: Run) -> Tensor:
    """F of the second gate for the first test examples, [time, batch, channels]."""
    gate, found = gates_of(run)[1], list[Tensor]()

    def note(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        found.append(gate.shares(given[0].unflatten(-1, (gate.channels, -1)).mean(-1)))

    hook = gate.register_forward_pre_hook(note)
    run.network(run.data.test.inputs(slice(EXAMPLE + 1)))
    hook.remove()
    return found[0]


def figure(path: Path) -> Path:
    """Shares of the channels of the second layer at each step of one example, for both convolutions and each alone."""
    studies = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["seeds"]["0"]
    drawn, panels = plt.subplots(1, len(KINDS), figsize=SIZE, layout="constrained", sharey=True)
    for axes, (kind, words) in zip(panels, KINDS.items(), strict=True):
        found = studies[f"joint-attention-{kind}"]
        shares = torch.tensor(found["shares of an example"])
        image = axes.imshow(shares.T, vmin=0, vmax=1, cmap="viridis", aspect="auto")
        steps = range(len(shares))
        axes.set_xticks(steps, [str(step + 1) for step in steps])
        for label, signal in zip(axes.get_xticklabels(), found["its signal"], strict=True):
            label.set(color="C0" if signal else "C1", fontweight="bold")
        axes.set(title=words, xlabel="step")
    panels[0].set_ylabel("channel")
    channels = range(shares.shape[1])
    panels[0].set_yticks(channels, [str(channel + 1) for channel in channels])
    drawn.colorbar(image, ax=panels, label="share of what passes")
    return saved(drawn, path)
