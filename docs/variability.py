"""Measured cells beside cells drawn by memsim, into docs/howto/variability.png.

Half of the cells make the model, the other half is shown. MEMSIM_DATA/devices holds the measured arrays.

    MEMSIM_DATA=... python docs/variability.py
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from memsim import plots
from memsim.plots.style import COLOURS, styled
from memsim.variability import Pulse, Relaxation, SwitchingStatistics, halves, reread_noise, stanford

LEVELS = (0.05, 0.5, 0.95)
DAY = 1e5  # s, the last measured time
GROUPS = 14
WIDTH = 1e-7  # s


def relaxation(panel: Axes, folder: Path, rng: np.random.Generator) -> None:
    """Change of conductance after a day, over the programmed one."""
    g, later = stanford.relaxation(folder)
    known, unseen = halves(len(g), rng)
    model = Relaxation.estimate(g[known], {t: after[known] for t, after in later.items()})
    start, change = g[unseen], later[DAY][unseen] - g[unseen]
    again = np.tile(start, 4)
    drawn = model.sample(again, rng)[-1] - again
    panel.plot(start[::4] * 1e6, change[::4] * 1e6, ".", color="0.75", markersize=1.5, zorder=0)
    ends = np.quantile(start, np.linspace(0, 1, GROUPS + 1))
    for cells, values, look, name in ((start, change, "o", "measured"), (again, drawn, "-", "drawn")):
        group = np.clip(np.searchsorted(ends, cells, side="right") - 1, 0, GROUPS - 1)
        rows = np.array([np.quantile(values[group == k], LEVELS) for k in range(GROUPS)]) * 1e6
        middle = [np.median(cells[group == k]) * 1e6 for k in range(GROUPS)]
        panel.plot(middle, rows, look, color=COLOURS[name == "drawn"], markersize=4, linewidth=1.6)
        panel.plot([], [], look, color=COLOURS[name == "drawn"], label=f"{name}: 5, 50, 95 %")
    panel.set(
        title="Relaxation after a day", xlabel="programmed to (µS)", ylabel="change (µS)", ylim=(-13, 13)
    )
    panel.legend(loc="upper left")


def switching(panel: Axes, folder: Path, rng: np.random.Generator) -> None:
    """Share of cells that a SET pulse switches, over its voltage, by gate voltage."""
    p = stanford.pulses(folder, "set")
    done = p["after"] < stanford.SET_RESISTANCE
    known, unseen = halves(len(done), rng)
    columns = {name: p[name][known] for name in ("gate", "width", "voltage")}
    model = SwitchingStatistics.estimate(columns, p["before"][known], p["after"][known], done[known])
    voltages = np.linspace(0.5, 3.0, 101)
    for gate, colour in zip((0.8, 1.0, 2.5), COLOURS, strict=False):
        like = unseen[np.abs(p["gate"][unseen] - gate) < 0.06]
        shares = [done[like[p["voltage"][like] == v]].mean() for v in model.voltages]
        panel.plot(model.voltages, shares, "o", color=colour, markersize=4)
        line = np.mean([model.switching_probability(Pulse(gate, w, voltages)) for w in model.widths], axis=0)
        panel.plot(voltages, line, "-", color=colour, label=f"gate {gate:g} V")
    panel.plot([], [], "o", color="0.5", markersize=4, label="measured")
    panel.set(title="SET pulses", xlabel="pulse (V)", ylabel="share of cells that switch")
    panel.legend(loc="center right")


def reads(panel: Axes, folder: Path, rng: np.random.Generator) -> None:
    """Difference of two reads of a cell, over its conductance."""
    columns = [stanford.pulses(folder, kind) for kind in ("set", "reset")]
    first, second = (
        np.concatenate([1 / p[name][p["voltage"] == 0.5] for p in columns]) for name in ("before", "after")
    )
    known, unseen = halves(len(first), rng)
    noise = reread_noise(first[known], second[known])
    middle = (first + second)[unseen] / 2
    panel.plot(middle * 1e6, (second - first)[unseen] * 1e6, ".", color="0.75", markersize=1.5, zorder=0)
    ends = np.quantile(middle, np.linspace(0, 1, GROUPS + 1))
    groups = [(middle >= low) & (middle <= high) for low, high in pairwise(ends)]
    rows = [np.quantile((second - first)[unseen][group], [0.025, 0.975]) * 1e6 for group in groups]
    centres = [np.median(middle[group]) * 1e6 for group in groups]
    for side in (0, 1):
        label = "measured: 95 %" if side else None
        panel.plot(centres, [row[side] for row in rows], "o", color=COLOURS[0], markersize=4, label=label)
    g = np.linspace(middle.min(), middle.max(), 200)
    reach = 1.96 * np.sqrt(2) * noise.sigma(torch.from_numpy(g)).numpy()
    for side in (-1, 1):
        panel.plot(
            g * 1e6, side * reach * 1e6, "-", color=COLOURS[1], label="drawn: 95 %" if side > 0 else None
        )
    panel.set(title="Cells read twice", xlabel="conductance (µS)", ylabel="difference (µS)", ylim=(-13, 13))
    panel.legend(loc="upper right")


@styled
def picture(folder: Path) -> Figure:
    """Three panels side by side."""
    figure, rng = Figure(figsize=(11.4, 3.7)), np.random.default_rng(0)
    for panel, draw in zip(figure.subplots(1, 3), (relaxation, switching, reads), strict=True):
        draw(panel, folder, rng)
    return figure


if __name__ == "__main__":
    target = Path(__file__).parent / "howto" / "variability.png"
    print(plots.save(picture(Path(os.environ["MEMSIM_DATA"]) / "devices"), target))
