"""Spike times in continuous time, in steps and in ngspice, and their picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor

from memsim.learn import Run
from memsim.learn.rules import ExactSpikes
from memsim.learn.rules.exact_spikes import exact
from memsim.methods.exact_spikes import lines_of, times_in_ngspice
from memsim.networks import DiscreteNeuron, SpikingNetwork
from memsim.networks.discrete import Compartment, Spike
from memsim.networks.spike_times import SILENT, Events, ExactNeurons
from method_parts.drawing import SIZE, saved

IMAGES = 20
"""Test examples that ngspice gets."""


def measures(run: Run, _: Path) -> dict[str, Any]:
    """In continuous time, and in ngspice."""
    return continuous(run) | in_ngspice(run)


def in_ngspice(run: Run) -> dict[str, Any]:
    """Spike times of the first test examples in ngspice, layer by layer, beside those of the closed form."""
    rule, network = ExactSpikes(), cast("SpikingNetwork", run.network)
    inputs, labels = run.data.test.batch(slice(IMAGES))
    with torch.no_grad():
        spikes = network.drive(inputs, None).over(()).values
        hidden, last = (one.double() for one in rule.times(network, inputs))
    differences, right, same = [], 0, 0
    for number in range(IMAGES):
        lines = [line.nonzero()[:, 0].double().numpy() for line in spikes[:, number].T]
        counts = []
        for layer, exact_times in zip(network.chain, (hidden[number], last[number]), strict=True):
            neurons = exact(layer, float(len(spikes)), rule.most)
            found = times_in_ngspice(neurons, lines, layer.synapse.module.weight.mT)
            lines = found
            counts = [len(times) for times in found]
            for mine, theirs in zip(lines_of(exact_times), found, strict=True):
                if len(mine) == len(theirs):
                    differences += list(np.abs(mine - theirs))
        right += int(np.argmax(counts)) == int(labels[number])
        same += int(np.argmax(counts)) == int((last[number] < SILENT).sum(-1).argmax())
    return {
        "ngspice, examples": IMAGES,
        "ngspice, same class": same / IMAGES,
        "ngspice, right class": right / IMAGES,
        "spike times compared": len(differences),
        "spike times, median difference [steps]": float(np.median(differences)),
        "spike times, 99 % within [steps]": float(np.quantile(differences, 0.99)),
        "spike times, worst difference [steps]": float(np.max(differences)),
    }


def continuous(run: Run) -> dict[str, Any]:
    """Accuracy in continuous time, of which the network in steps is the clocked form."""
    inputs, labels = run.data.test.batch(slice(None))
    with torch.no_grad():
        scores = ExactSpikes().scores(cast("SpikingNetwork", run.network), inputs)
    return {"in continuous time": float((scores.argmax(1) == labels).double().mean())}


def figure(path: Path) -> Path:
    """The membrane of one neuron with the spikes of the closed form, and how clocked steps come to them."""
    figure, (membrane, steps) = plt.subplots(1, 2, figsize=SIZE, layout="constrained")
    times, weights = (0.0, 3.0, 6.0, 8.0), (1.5, 1.0, 2.0, -0.5)
    neuron = ExactNeurons(tau=10.0, threshold=10.0, reset=10.0, window=40.0)
    events = Events(torch.tensor([times], dtype=torch.float64), torch.arange(4)[None])
    found = neuron(events, torch.tensor(weights, dtype=torch.float64)[:, None])[0, 0]
    exact = found[found < SILENT]
    at, wave, _ = _clocked(0.01, times, weights)
    membrane.plot(at, wave)
    membrane.axhline(10.0, color="grey", linestyle=":")
    for number, time in enumerate(exact.tolist()):
        membrane.axvline(time, color="tab:red", linestyle="--", label="" if number else "closed form")
    membrane.plot(times, [0.0] * 4, "^", color="black", label="inputs")
    membrane.set(xlabel="time [ms]", ylabel="membrane u [ms]", xlim=(0, 20))
    sizes = [1.0 / parts for parts in (5, 7, 10, 14, 20, 28, 40, 56, 80, 100)]
    errors = [float((_clocked(size, times, weights)[2] - exact).abs().sum()) for size in sizes]
    steps.loglog(sizes, errors, "o-", label="both spikes, in steps")
    steps.loglog(sizes, sizes, "k:", label="slope 1")
    steps.set(xlabel="step [ms]", ylabel="error of spike times [ms]")
    for axes in (membrane, steps):
        axes.legend(fontsize=8)
    return saved(figure, path)


def _clocked(
    step: float, times: tuple[float, ...], weights: tuple[float, ...]
) -> tuple[Tensor, Tensor, Tensor]:
    """Times and membranes at the ends of steps, and times of spikes [ms]."""
    leak, decay = math.exp(-step / 20), math.exp(-step / 10)
    current = Compartment(decay, driven_by="input", feeds="input", weight=(leak - decay) * 20)
    neuron = DiscreteNeuron(leak, 10.0, compartments=(current,), spike=Spike(relative=False))
    inputs = torch.zeros(round(20 / step), 1, 1, dtype=torch.float64)
    for time, weight in zip(times, weights, strict=True):
        inputs[round(time / step)] += weight
    state, fired, membranes = None, [], []
    for now in inputs:
        out, state = neuron.step(now, state)
        fired.append(out)
        membranes.append(state.membrane)
    at = step * torch.arange(1, len(inputs) + 1, dtype=torch.float64)
    return at, torch.cat(membranes)[:, 0], at[torch.cat(fired)[:, 0] > 0]
