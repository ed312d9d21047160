"""How well attention over time tells signal from noise, what few bits cost, and the picture of both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from memsim.learn import Run, load_run
from memsim.methods.dimensional_attention import ranking, shares_of_frames
from method_parts.attention import gates_of, of_bits
from method_parts.drawing import saved

EXAMPLE = 0
"""Test example of the picture."""
BINS = np.linspace(0, 1, 41)


def measures(run: Run, folder: Path) -> dict[str, Any]:
    """Of the network in software."""
    if not run.study.discrete or not gates_of(run):
        return {}
    trained = load_run(folder, stages=1, data=run.data)
    trained.network.eval()
    signal = run.data.test.signal
    assert signal is not None
    shares = shares_of_frames(trained.network, run.data.test.inputs())
    names = ("first gate", "second gate")
    return {
        **of_bits(trained),
        **{
            f"signal above noise, {name}": ranking(one, signal)
            for name, one in zip(names, shares, strict=True)
        },
        "an example": {
            "events": [frame.nonzero()[:, 0].tolist() for frame in run.data.test.stored[EXAMPLE]],
            "signal": signal[EXAMPLE].tolist(),
            "shares": [[round(float(share), 4) for share in one[:, EXAMPLE]] for one in shares],
        },
        "shares of frames": [
            {
                kind: np.histogram(one.T[chosen].numpy(), BINS)[0].tolist()
                for kind, chosen in (("signal", signal), ("noise", ~signal))
            }
            for one in shares
        ],
    }


def figure(path: Path) -> Path:
    """Frames of an example above their shares at the second gate, and the shares of all frames."""
    studies = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["seeds"]["0"]
    found = studies["dimensional-attention-two-pass"]
    example = found["an example"]
    steps = len(example["signal"])
    drawn = plt.figure(figsize=(9, 3.6), layout="constrained")
    left, right = drawn.subfigures(1, 2, width_ratios=(2.1, 1))
    grid = left.add_gridspec(2, steps, height_ratios=(1, 1.6))
    for step, events in enumerate(example["events"]):
        axes = left.add_subplot(grid[0, step])
        image = np.zeros(28 * 28)
        image[events] = 1
        axes.imshow(image.reshape(28, 28), cmap="Greys")
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(color=_colour(example["signal"][step]), linewidth=2)
    axes = left.add_subplot(grid[1, :])
    axes.bar(range(1, steps + 1), example["shares"][1], color=[_colour(one) for one in example["signal"]])
    axes.set(xlabel="step", ylabel="share of the currents, $M_t$", ylim=(0, 1), xlim=(0.5, steps + 0.5))
    axes.set_xticks(range(1, steps + 1))
    axes = right.subplots()
    for kind in ("signal", "noise"):
        counts = found["shares of frames"][1][kind]
        axes.stairs(
            np.array(counts) / sum(counts),
            BINS,
            fill=True,
            alpha=0.6,
            color=_colour(kind == "signal"),
            label=kind,
        )
    area = found["signal above noise, second gate"]
    axes.set(xlabel="$M_t$ of a frame", ylabel="share of frames", title=f"area under ROC: {area:.2f}")
    axes.legend(fontsize=8)
    return saved(drawn, path)


def _colour(signal: bool) -> str:
    return "C0" if signal else "C1"
