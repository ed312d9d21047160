"""Time of the backward pass by lists over that of all steps, and the share of neurons in the lists.

    python benchmarks/sparse_backward.py

A network of 784-200-200-10 and 100 steps, inputs as latencies; supports of the slope make the lists longer. Both rules
run in turn in one session on one core; medians of seconds of the processor, in benchmarks/results/sparse_backward.json.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from common import save_result
from torch import Tensor

from memsim.learn import make_study
from memsim.learn.rules import SparseBPTT
from memsim.learn.rules.lists import Listed, fired
from memsim.networks import SpikingNetwork, build_network
from memsim.networks.spikes import coding_of

SUPPORTS = (0.003, 0.01, 0.03, 0.1, 0.2, 0.5)
BATCH, STEPS, REPEATS = 64, 100, 5


def network(support: float) -> SpikingNetwork:
    """With this support."""
    hidden = {"neurons": 200, "bias": False, "delay": 1}
    spike = {"slope": "fast-sigmoid", "height": 1.0, "width": 0.01, "support": support, "relative": False}
    study = make_study(
        steps=STEPS,
        coding="latency",
        rule="sparse",
        lif={"leak": 0.9, "threshold": 1.0, "reset": {"when": "next"}, "spike": spike},
        layers=(hidden, hidden, {"delay": 1}),
    )
    found = build_network((784,), 10, study)
    assert isinstance(found, SpikingNetwork)
    return found


def backward(scores: Tensor) -> float:
    """Seconds of the processor."""
    began = time.process_time()
    scores.square().sum().backward()
    return time.process_time() - began


def row(support: float) -> dict[str, Any]:
    """Share of neurons in lists, and medians of both rules."""
    found, rule = network(support), SparseBPTT()
    images = torch.rand(BATCH, 784, generator=torch.Generator().manual_seed(0))
    images *= images > 0.5
    spikes = coding_of("latency")(images, STEPS)
    first = fired(Listed(spikes), found.chain[0].synapse.module.weight, found.chain[0].neuron)
    times: dict[str, list[float]] = {"sparse": [], "all steps": []}
    for _ in range(REPEATS):
        times["sparse"].append(backward(rule.scores(found, images)))
        times["all steps"].append(backward(found(images)))
    middle = {name: statistics.median(found) for name, found in times.items()}
    return {
        "support": support,
        "listed": len(first.values) / first.spikes.numel(),
        **middle,
        "ratio": middle["all steps"] / middle["sparse"],
    }


def main() -> None:
    """Measure every support."""
    torch.set_num_threads(1)
    rows = [row(support) for support in SUPPORTS]
    for one in rows:
        print(one)
    save_result("sparse_backward", "python benchmarks/sparse_backward.py", {"rows": rows})


if __name__ == "__main__":
    main()
