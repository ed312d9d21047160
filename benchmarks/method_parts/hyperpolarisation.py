"""Recall over training, what deviations of the slow device cost, and a picture of a memory of one device."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor

from memsim.circuits import AlphaTrain
from memsim.learn import Run, evaluate
from memsim.networks import CircuitNeuron, load_cell
from memsim.networks.tables import ParameterTable
from memsim.surrogate import CompiledCircuit
from memsim.surrogate.bounded import Bounded
from method_parts.drawing import saved

CELL, PLAIN = "after-hyperpolarising-set1", "integrate-and-fire-set1"
SLOW = ("xm3.tau", "xm3.r_on")
DEVIATION, DRAWS = 0.2, 5
FAST = 0.05
"""Of its time constant the slow device has then that of the others, rests where it did, and forgets."""
STYLES = {
    "hyperpolarisation": "o-C0",
    "hyperpolarisation-plain": "o-C1",
    "hyperpolarisation-circuits": "s--C0",
    "hyperpolarisation-circuits-plain": "s--C1",
}


def measures(run: Run, _: Path) -> dict[str, Any]:
    """Recall after each epoch, and with other slow devices."""
    history = run.records[0].history if run.records else run.history
    found: dict[str, Any] = {"after each epoch": [epoch.test_accuracy for epoch in history]}
    return found | deviations(run) if run.study.neuron == CELL else found


def deviations(run: Run) -> dict[str, Any]:
    """Recall of the trained network with slow devices that deviate: each by itself, and all of them alike."""
    count, generator = run.network.chain[0].neurons, torch.Generator().manual_seed(0)
    draws = [
        {name: (DEVIATION * torch.randn(count, generator=generator)).exp() for name in SLOW}
        for _ in range(DRAWS)
    ]
    corners = [
        {name: torch.full((count,), factor) for name, factor in zip(SLOW, factors, strict=True)}
        for factors in product((1 - DEVIATION, 1 + DEVIATION), repeat=len(SLOW))
    ]
    return {
        "slow devices that deviate by 20 %": [_recall(run, factors) for factors in draws],
        "all slow devices 20 % off": [_recall(run, factors) for factors in corners],
        "slow devices as fast as the others": _recall(run, {"xm3.tau": torch.full((count,), FAST)}),
    }


def _recall(run: Run, factors: Mapping[str, Tensor]) -> float:
    """With these factors on parameters of the hidden neurons, which rest where they were trained to."""
    hidden = run.network.chain[0]
    trained, cell = hidden.neuron, hidden.neuron.cell
    varied = CircuitNeuron(
        cell, hidden.neurons, parameters=dict.fromkeys(factors, ParameterTable(trainable=False))
    )
    for name, factor in factors.items():
        value = cell.circuit.values[name]
        varied.bounded[name.replace(".", "__")] = Bounded(
            factor * value, (value / 100, 100 * value), trainable=False
        )
    try:
        hidden.neuron = varied
        return evaluate(run.network, run.data.test)
    finally:
        hidden.neuron = trained


SLOT, STEP, WINDOW, DELAY = 5e-3, 50e-6, 40e-3, (10e-3, 30e-3)
"""Of the studies of circuits, but for the step, which is for the eye [s]."""
CUE, GO = 8e-6, 2e-6
"""Pulses into one neuron [A]."""


def figure(path: Path) -> Path:
    """A cue in one slow device, what it leaves in two circuits, and recall over training."""
    figure = plt.figure(figsize=(9, 4.2), layout="constrained")
    grid = figure.add_gridspec(2, 2)
    membrane, left = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
    _draw_neuron(membrane, left)
    _draw_recall(figure.add_subplot(grid[:, 1]), path.with_suffix(".json"))
    return saved(figure, path)


def _draw_neuron(membrane: Axes, left: Axes) -> None:
    times = np.arange(0, WINDOW, STEP)
    for name, words, colour in ((CELL, "with the slow device", "C0"), (PLAIN, "plain circuit", "C1")):
        waves = _with_and_without(name, times)
        gap = (waves["v(mem)"][:, 0] - waves["v(mem)"][:, 1]).abs()
        left.semilogy(1e3 * times, 1e3 * gap.clamp(min=1e-7), color=colour, label=words)
        if name == CELL:
            membrane.plot(1e3 * times, 1e3 * waves["v(mem)"][:, 0], color=colour)
            resistance = membrane.twinx()
            resistance.plot(1e3 * times, _resistance(waves["v(xm3.x)"][:, 0]) / 1e3, color="C3")
            resistance.set_ylabel("slow device [kΩ]", color="C3")
    for axes in (membrane, left):
        axes.axvspan(1e3 * DELAY[0], 1e3 * DELAY[1], color="0.9")
        axes.set_xlim(0, 1e3 * WINDOW)
    membrane.set_ylabel("membrane [mV]", color="C0")
    for word, at in (("cue", 5), ("delay", 20), ("go signal", 35)):
        membrane.text(at, 1.03, word, ha="center", fontsize=9, transform=membrane.get_xaxis_transform())
    left.set(xlabel="time [ms]", ylabel="left of the cue [mV]", ylim=(1e-3, 1e2))
    left.legend(fontsize=8, loc="lower left")


def _with_and_without(name: str, times: NDArray[np.float64]) -> dict[str, Tensor]:
    """Waveforms of a neuron that had the cue and of one that had not, [time, 2]; both get the go signal."""
    cue, go = (
        AlphaTrain(height, 1e-3, (start, start + SLOT))(times)
        for height, start in ((CUE, 0.0), (GO, DELAY[1]))
    )
    circuit = load_cell(name).circuit
    twin = CompiledCircuit(circuit.circuit(), inputs=(circuit.source,))
    waves, _ = twin(torch.from_numpy(np.stack([cue + go, go], 1)), dt=STEP)
    return waves


def _resistance(x: Tensor) -> Tensor:
    """Of a slow device that is so far on [ohm]."""
    values = load_cell(CELL).circuit.values
    return 1 / (x / values["xm3.r_on"] + (1 - x) / values["xm3.r_off"])


def _draw_recall(axes: Axes, path: Path) -> None:
    axes.axhline(25, color="k", linestyle=":", label="chance")
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))["seeds"]["0"]
        for name, style in STYLES.items():
            accuracies = found.get(name, {}).get("after each epoch", [])
            axes.plot(range(1, len(accuracies) + 1), [100 * one for one in accuracies], style, label=name)
    axes.set(xlabel="passes over the trials", ylabel="recall of test trials [%]", ylim=(0, 102))
    axes.legend(fontsize=8)
