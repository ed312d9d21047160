"""What is kept of events for layers over locations, and what neurons over time and over locations see of them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from memsim.learn import Run, make_study, train
from memsim.networks import Layer
from memsim.networks.scans import turned
from method_parts.drawing import SIZE, entries, saved

EARLY_A, LATE_A = 0, 2
"""Classes of the picture."""


def measures(run: Run, _: Path) -> dict[str, Any]:
    """Bits that are kept of an example until layers over locations begin."""
    return {"event buffer [bits]": run.data.train.stored[0].numel()} if run.network.turned else {}


def figure(path: Path) -> Path:
    """Membranes of a neuron over time and of one over locations, on the same two examples."""
    study = make_study(**entries("location", "location"), epochs=15, learning_rate=0.01)
    with TemporaryDirectory() as folder:
        run = train(study, Path(folder) / "run")
    inputs, labels = run.data.test.batch(slice(None))
    examples = {"early, A": inputs[labels == EARLY_A], "late, A": inputs[labels == LATE_A]}
    figure, (events, time, location) = plt.subplots(1, 3, figsize=SIZE, layout="constrained")
    by_time, _, by_location, _ = run.network.chain
    one = _same(by_time, *(x.transpose(0, 1) for x in examples.values()))
    other = _different(by_location, *(turned(x.transpose(0, 1)) for x in examples.values()))
    for number, (name, x) in enumerate(examples.items()):
        marks = {"color": f"C{number}", "label": name}
        step, line = x[0].nonzero(as_tuple=True)
        events.plot(step, line, "s", markersize=4, **marks)
        now = x[:1].transpose(0, 1)
        _trace(time, by_time, now, one, marks)
        _trace(location, by_location, turned(now), other, marks)
    events.set(xlabel="step of time", ylabel="location", title="events")
    time.set(xlabel="step of time", ylabel="membrane, over threshold", title="a neuron over time")
    location.set(xlabel="location", title="a neuron over locations")
    for axes in (time, location):
        axes.axhline(1.0, color="grey", linestyle=":")
        axes.margins(y=0.25)
        axes.legend(fontsize=8, loc="upper right")
    return saved(figure, path)


@torch.no_grad()
def _counts(layer: Layer, x: Tensor) -> Tensor:
    """Mean spikes of each neuron for an example."""
    return layer.neuron(layer.synapse(x))[0].sum(0).mean(0)


def _same(layer: Layer, *both: Tensor) -> int:
    """The neuron that fires most of those that fire as often for both."""
    one, other = (_counts(layer, x) for x in both)
    alike = (one - other).abs() < 0.1 * (one + other)
    return int(torch.where(alike, one + other, 0.0).argmax())


def _different(layer: Layer, *both: Tensor) -> int:
    """The neuron whose counts differ most."""
    one, other = (_counts(layer, x) for x in both)
    return int((one - other).abs().argmax())


@torch.no_grad()
def _trace(axes: plt.Axes, layer: Layer, x: Tensor, neuron: int, marks: dict[str, Any]) -> None:
    """Membrane of one neuron before each reset, with its spikes."""
    state, membranes, fired = None, [], []
    for current in layer.synapse(x):
        before = 0.0 if state is None else layer.neuron.leak.value() * state.membrane
        out, state = layer.neuron.step(current, state)
        membranes.append(float((before + current)[0, neuron] / layer.neuron.threshold.value()))
        fired.append(bool(out[0, neuron]))
    axes.plot(membranes, color=marks["color"], label=f"{marks['label']}: {sum(fired)} spikes", linewidth=1)
    spikes = [number for number, there in enumerate(fired) if there]
    axes.plot(spikes, [membranes[number] for number in spikes], "o", color=marks["color"], markersize=4)
