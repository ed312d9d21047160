"""Divergence from events: beside a count of events, with upsets and stuck cells, and after a time at a temperature."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from memsim.circuits import AfterHyperpolarising
from memsim.circuits.catalogue import load_bench
from memsim.devices import load_device
from memsim.devices.retention import retention
from memsim.learn import Run, load_run, load_study
from memsim.learn.data import Dataset, Split, load_dataset
from memsim.learn.evaluation import respond
from memsim.learn.judging import on_chip
from memsim.learn.metrics import correlation, root_mean_square_error
from memsim.methods import load_method
from memsim.surrogate import CompiledCircuit
from method_parts.drawing import saved

RATES = (1e-4, 1e-3, 1e-2)
"""Of upsets, and as many of stuck cells."""
NONE = 1e-12
"""So few that no cell has one, while all that is drawn for a chip stays the same at every rate."""
CHIPS = (1, 2, 3)
"""That training never saw."""
RANGE = 2.0
"""Of what is learned, by which errors are normalised."""
CELL = "pd-wo3-w"
KELVIN, COLDEST, HOTTEST = 273.15, -40.0, 125.0
CELSIUS = (COLDEST, 25.0, 65.0, 85.0, 105.0, HOTTEST)
CIRCUIT = (COLDEST, 25.0, HOTTEST)
STEP = 50e-6
"""Of that circuit [s]."""
DAY = 86_400.0
TIMES = {"a day": DAY, "30 days": 30 * DAY, "a year": 365.25 * DAY}
OWN, FAULTS = "space-kit", "space-kit-faults"
FRAMES, SHOWN, MOST, FEW = 8, 0.7, 4, 300
"""Of the film strip: frames, D of its descents [1/s], events of the darkest colour; descents of the scatter."""
RETAINED = (1.0, 0.5, 0.2, 0.05, 0.0)


def measures(run: Run, folder: Path) -> dict[str, Any]:
    """Correlations and errors of a run in software, on chips, with faults, and with cells that have faded."""
    test = run.data.test
    before = load_run(folder, stages=1, data=run.data)
    curve = {f"{rate:g}": _on_chips(run, _faults(rate or NONE)) for rate in (0.0, *RATES)}
    found = {
        "software, r": judged(before.network, test)["r"],
        "software, nRMSE": judged(before.network, test)["nRMSE"],
        "counted events, r": counted(run)["r"],
        "counted events, nRMSE": counted(run)["nRMSE"],
        "columns of 1 bit, r": curve["0"]["r"],
        "columns of 1 bit, nRMSE": curve["0"]["nRMSE"],
        "faults": curve,
        "growth of the error at 1e-3": curve["0.001"]["nRMSE"] / curve["0"]["nRMSE"] - 1,
    }
    return found | (temperatures(run) if run.study.stages[-1].hardware_card().cell.upset_rate == 0 else {})


def judged(network: Any, test: Split) -> dict[str, float]:
    """Correlation, and root of the mean square error over the range of what is learned."""
    outputs = respond(network, test)
    return {
        "r": correlation(outputs, test.labels),
        "nRMSE": root_mean_square_error(outputs, test.labels) / RANGE,
    }


def counted(run: Run) -> dict[str, float]:
    """The same of a parabola through the number of events of a descent, the least squares of training."""

    def numbers(split: Split) -> Tensor:
        events = split.inputs().sum(dim=(1, 2)).double() / split.stored[0].numel()
        return torch.stack([torch.ones_like(events), events, events.square()], 1)

    train, test = run.data.train, run.data.test
    found = torch.linalg.lstsq(numbers(train), train.labels.double()).solution
    outputs, wanted = numbers(test) @ found, test.labels.double()
    return {"r": correlation(outputs, wanted), "nRMSE": root_mean_square_error(outputs, wanted) / RANGE}


def _faults(rate: float) -> dict[str, float]:
    return {"cell.upset_rate": rate, "cell.stuck_rate": rate}


def _on_chips(run: Run, changes: Mapping[str, float]) -> dict[str, Any]:
    """Means of chips that training never saw, of the card of the last stage with these entries."""
    card = run.study.stages[-1].hardware_card().changed(changes)
    found = [judged(on_chip(run, card, chip=chip), run.data.test) for chip in CHIPS]
    each = [one["nRMSE"] for one in found]
    mean = {name: sum(one[name] for one in found) / len(found) for name in ("r", "nRMSE")}
    return {**mean, "nRMSE of each chip": each}


def temperatures(run: Run) -> dict[str, Any]:
    """Of each temperature: how long cells keep what is written, and spikes of a circuit; errors of faded cells."""
    errors = [_on_chips(run, {**_faults(NONE), "cell.retained": share})["nRMSE"] for share in RETAINED]
    kept = {f"{celsius:g}": kept_for(celsius) for celsius in CELSIUS}
    return {
        # JSON has no infinity
        "retention [s]": {name: time if math.isfinite(time) else None for name, time in kept.items()},
        "nRMSE by share retained": dict(zip(map(str, RETAINED), errors, strict=True)),
        "peaks of six spikes of a circuit [V]": {f"{celsius:g}": peaks(celsius) for celsius in CIRCUIT},
    }


def kept_for(celsius: float) -> float:
    """Time constant with which cells of the card of a device relax at no voltage [s], infinite beyond ten years."""
    return retention(load_device(CELL).with_values(temperature=KELVIN + celsius))


def peaks(celsius: float) -> list[float]:
    """Of the spikes of an after-hyperpolarising circuit at that temperature, one pulse each 10 ms [V]."""
    bench, neuron = load_bench("after-hyperpolarising-set1"), AfterHyperpolarising.set_1()
    warm = tuple(device.with_values(temperature=KELVIN + celsius) for device in neuron.devices)
    drive = torch.from_numpy(bench.stimuli["iin"](np.arange(0, bench.stop, STEP)))
    waves, _ = CompiledCircuit(replace(neuron, devices=warm).circuit(), inputs=("iin",))(drive, dt=STEP)
    return waves["v(mem)"].flatten().unflatten(0, (6, -1)).amax(1).tolist()


def figure(path: Path) -> Path:
    """A film strip of events, how many there are, and errors over faults and temperatures."""
    found = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["seeds"]["0"]
    study = load_study(load_method(OWN).studies[OWN])
    data = load_dataset(study.data, bins=study.steps)
    whole = plt.figure(figsize=(10, 6.2), layout="constrained")
    strip, below = whole.subfigures(2, 1, height_ratios=(1.1, 1))
    _draw_strip(strip, data)
    spread, faults, heat = below.subplots(1, 3)
    _draw_spread(spread, data)
    _draw_faults(faults, found)
    _draw_heat(heat, found[OWN])
    return saved(whole, path)


def _draw_strip(figure: plt.SubFigure, data: Dataset) -> None:
    """Events of both signs of a descent of training and of one over a texture that is not in it."""
    rows = figure.subplots(2, FRAMES, squeeze=False)
    for row, (words, split) in zip(
        rows, (("trained on", data.train), ("never seen", data.test)), strict=True
    ):
        wanted = data.in_units(split.labels)[:, 0]
        one = int((wanted - SHOWN).abs().argmin())
        pixels = split.stored[one].float().unflatten(-1, data.shape)
        shown = (pixels[:, 0] - pixels[:, 1]).unflatten(0, (FRAMES, -1)).sum(1)
        for number, (axes, frame) in enumerate(zip(row, shown, strict=True), start=1):
            axes.imshow(frame, cmap="RdBu_r", vmin=-MOST, vmax=MOST)
            axes.set(xticks=[], yticks=[])
            if row is rows[0]:
                axes.set_title(f"{number * (data.duration or 0) / FRAMES:.2f} s", fontsize=8)
        row[0].set_ylabel(f"{words}\nD = {float(wanted[one]):.2f}/s at the end", fontsize=8)
    figure.suptitle("events of a descent (red: brighter, blue: darker)", fontsize=10)


def _draw_spread(axes: Axes, data: Dataset) -> None:
    for words, split in (("trained on", data.train), ("never seen", data.test)):
        events = split.inputs().sum(dim=(1, 2))
        wanted = data.in_units(split.labels)[:, 0]
        axes.plot(events[:FEW], wanted[:FEW], ".", markersize=3, label=words)
    axes.set(xlabel="events of a descent", ylabel="D at its end [1/s]")
    axes.legend(fontsize=8)


def _draw_faults(axes: Axes, found: Mapping[str, Any]) -> None:
    for name, words, style in ((OWN, "trained without", "o-"), (FAULTS, "trained with faults", "s--")):
        curve = {float(rate): one["nRMSE"] for rate, one in found.get(name, {}).get("faults", {}).items()}
        if not curve:
            continue
        (line,) = axes.semilogx(list(curve)[1:], list(curve.values())[1:], style, label=words)
        axes.axhline(curve[0.0], color=line.get_color(), linewidth=0.8, linestyle=":")
    axes.set(
        xlabel="upsets, and as many stuck cells",
        ylabel="error of D, over its range",
        title="dotted: no faults",
    )
    axes.title.set_fontsize(9)
    axes.legend(fontsize=8)


def _draw_heat(axes: Axes, found: Mapping[str, Any]) -> None:
    celsius = np.linspace(COLDEST, HOTTEST, 34)
    kept = np.array([kept_for(float(one)) for one in celsius])
    errors = found["nRMSE by share retained"]
    shares = sorted(map(float, errors))
    for words, time in TIMES.items():
        left = np.exp(-time / kept)
        axes.plot(
            celsius, np.interp(left, shares, [errors[str(one)] for one in shares]), label=f"after {words}"
        )
    axes.axhline(1 / math.sqrt(12), color="grey", linestyle=":", label="the mean, whatever is seen")
    axes.set(xlabel="temperature [°C]", ylabel="error of D, over its range")
    axes.legend(fontsize=8)
