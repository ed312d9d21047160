"""One picture for each method that shows what it does; drawn by `python benchmarks/methods.py NAME --figure`."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import torch
from references_figures import SIZE, bntt, hoyer, saved, thresholds
from torch import Tensor, nn

from memsim.learn import BPTT, Batch, Rule, make_study
from memsim.learn.rules import Equilibrium
from memsim.networks import DiscreteNeuron, build_network
from memsim.networks.discrete import Compartment, Spike
from memsim.networks.spike_times import SILENT, Events, ExactNeurons

mpl.use("Agg")
import matplotlib.pyplot as plt


def equilibrium(path: Path) -> Path:
    """Rates settle whatever the steps, and what the backward pass keeps does not grow with them."""
    figure, (settling, memory) = plt.subplots(1, 2, figsize=SIZE, layout="constrained")
    steps = [10, 20, 50, 100, 200, 500, 1000]
    away = [float((_rates(many) - _settled()).norm()) for many in steps]
    settling.loglog(steps, away, "o-", label="six neurons that hear each other")
    settling.loglog(steps, [1 / many for many in steps], "k:", label="1 / T")
    settling.set(xlabel="steps T", ylabel="distance of rates from equilibrium")
    few = [5, 10, 20, 40, 80]
    for rule, words in ((BPTT(), "backpropagation through time"), (Equilibrium(), "equilibrium")):
        memory.plot(few, [_kept(many, rule) / 2**20 for many in few], "o-", label=words)
    memory.set(xlabel="steps T", ylabel="kept for the backward pass [MiB]", ylim=(0, None))
    memory.set_title("784-400-10, batch of 128", fontsize=9)
    for axes in (settling, memory):
        axes.legend(fontsize=8)
    return saved(figure, path)


def exact_spikes(path: Path) -> Path:
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


def _six(steps: int) -> nn.Module:
    """Six neurons with the weights of the test of this rule."""
    network = _recurrent(6, 6, 6, steps, leak=1.0).double()
    weights = torch.tensor([[(7 * i + 3 * j) % 5 - 2 for j in range(6)] for i in range(6)]).double()
    hidden, last = network.chain
    with torch.no_grad():
        hidden.recurrent.module.weight.copy_(0.8 * weights / torch.linalg.matrix_norm(weights, 2))
        for synapse in (hidden.synapse, last.synapse):
            synapse.module.weight.copy_(torch.eye(6))
    return network


INPUT = torch.tensor([[0.9, 0.2, 0.6, 0.4, 0.7, 0.3]], dtype=torch.float64)


@torch.no_grad()
def _rates(steps: int) -> Tensor:
    return _six(steps)(INPUT) / steps


@torch.no_grad()
def _settled() -> Tensor:
    weights, a = _six(1).chain[0].recurrent.module.weight, torch.zeros(1, 6).double()
    for _ in range(400):
        a = (a @ weights.T + INPUT).clamp(0, 1)
    return a


def _recurrent(inputs: int, neurons: int, outputs: int, steps: int, *, leak: float) -> nn.Module:
    study = make_study(
        steps=steps,
        coding="direct",
        scores="last",
        lif={"leak": leak, "threshold": 1.0, "spike": {"relative": False, "inclusive": True}},
        layers=({"neurons": neurons, "recurrent": True, "recurrent_norm": 0.8}, {}),
    )
    return build_network((inputs,), outputs, study)


def _kept(steps: int, rule: Rule) -> int:
    """Bytes that wait for the backward pass."""
    network, places = _recurrent(784, 400, 10, steps, leak=0.95), dict[int, int]()
    inputs = torch.rand(128, 784, generator=torch.Generator().manual_seed(0))

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        places[storage.data_ptr()] = storage.nbytes()
        return tensor

    def loss(scores: Tensor, _: Tensor) -> Tensor:
        return scores.square().sum()

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        rule.grads(
            Batch(network, inputs, inputs, lambda: network(inputs), loss, lambda found: found.backward())
        )
    return sum(places.values())


FIGURES: dict[str, Callable[[Path], Path]] = {
    "bntt": bntt,
    "equilibrium": equilibrium,
    "exact-spikes": exact_spikes,
    "hoyer": hoyer,
    "thresholds": thresholds,
}
"""By the names of methods."""
