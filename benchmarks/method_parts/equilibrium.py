"""Picture of rates that settle."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn

from memsim.learn import BPTT, Batch, Rule, make_study
from memsim.learn.rules import Equilibrium
from memsim.networks import build_network
from method_parts.drawing import SIZE, saved


def figure(path: Path) -> Path:
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
