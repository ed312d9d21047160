"""Time-domain data: a memristive network beside an snnTorch network of leaky integrate-and-fire (LIF) neurons.

    MEMSIM_DATA=folder python benchmarks/time_domain.py [--task nmnist] [--only lif] [--seed 0]

Both networks have the same layers and see the same examples in the same encoding: event counts of N-MNIST, filter-bank
energies of spoken digits (fsdd), and latency-coded points of Yin-Yang. LIF neurons have one trained decay each, a
surrogate gradient (fast sigmoid), Adam on half a cosine, and a last layer that does not reset and is read by its mean
membrane, as the memristive one is. Settings of both were chosen on a fifth of the training data, in a few tries; on
N-MNIST a memristive network at 0.2 V was also seen on the test data (85 %, seed 0) before it was left for 0.1 V.

Writes benchmarks/results/time_domain.json and a figure after every seed; what is there already is not run again.
Needs the `bench` extra (snntorch).
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import snntorch
import torch
from common import RESULTS, save_result
from leaky import run_leaky
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from memsim import plots
from memsim.cli.progress import training_progress
from memsim.learn import Study, make_study, train
from memsim.learn.checkpoint import CHECKPOINT
from memsim.learn.data import Dataset, load_dataset
from memsim.learn.evaluation import compare_steps
from memsim.networks.drives import Drive
from memsim.plots.style import styled

SEEDS = (0, 1, 2)
RUNS = Path("runs/benchmark-time-domain")
SURROGATE_SLOPE = 25


@dataclass(frozen=True)
class Leaky:
    """Settings of an LIF network and its training.

    Attributes:
        decay: of membranes in a time bin, at the start of training.
        scale: of the mean membrane of the last layer, to give logits.
    """

    epochs: int
    learning_rate: float
    decay: float
    scale: float
    batch: int = 64


@dataclass(frozen=True)
class Task:
    """A data set with the layers and encoding that both networks share."""

    title: str
    data: str
    hidden: tuple[int, ...]
    encoding: str
    slots: int
    leaky: Leaky
    memristive: dict[str, Any]

    def study(self, seed: int) -> Study:
        """The study of the memristive network."""
        shared = {"encoding": self.encoding, "slots": self.slots}
        drive = {**self.memristive["drive"], **shared}
        values = {**self.memristive, "data": self.data, "hidden": self.hidden, "drive": drive, "seed": seed}
        return make_study(**values)


SLOTS = 32
WINDOW = 32e-3
"""An input is replayed in 32 ms, a millisecond for each time bin: the scale of the published neuron."""
PULSES = {"pulse": "alpha", "voltage": 0.2, "tau": 0.5e-3}
MEMRISTIVE = {
    "window": WINDOW,
    "step": 0.5e-3,
    "stepper": "strang",
    "learning_rate": 0.01,
    "drive": PULSES,
    "training": {"gradient_clip": 1.0},
}
TASKS = {
    task.data: task
    for task in (
        Task(
            "N-MNIST\n(1000 / 100)",
            "nmnist",
            (128,),
            "amplitude",
            SLOTS,
            Leaky(epochs=20, learning_rate=2e-3, decay=0.9, scale=1.0),
            {**MEMRISTIVE, "epochs": 15, "drive": {**PULSES, "voltage": 0.1}},
        ),
        Task(
            "spoken digits\n(600 / 300)",
            "fsdd",
            (128,),
            "amplitude",
            SLOTS,
            Leaky(epochs=60, learning_rate=2e-3, decay=0.95, scale=10.0),
            {**MEMRISTIVE, "epochs": 40},
        ),
        Task(
            "Yin-Yang\n(5000 / 1000)",
            "yin-yang",
            (64,),
            "latency",
            SLOTS,
            Leaky(epochs=40, learning_rate=1e-2, decay=0.9, scale=10.0, batch=200),
            {
                **MEMRISTIVE,
                "epochs": 20,
                "batch": 100,
                "window": WINDOW / 4,
                "step": 125e-6,
                "drive": {**PULSES, "tau": 1e-3},
                "synapses": {"mirror_ratio": (2.0, 0.3)},
            },
        ),
    )
}


class LeakyNetwork(nn.Module):
    """Linear layers between snntorch.Leaky neurons; the last layer keeps its membrane."""

    def __init__(self, sizes: tuple[int, ...], settings: Leaky) -> None:
        super().__init__()
        self.scale = settings.scale
        self.synapses = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))
        self.neurons = nn.ModuleList(
            snntorch.Leaky(
                beta=torch.full((size,), settings.decay),
                learn_beta=True,
                spike_grad=snntorch.surrogate.fast_sigmoid(SURROGATE_SLOPE),
                reset_mechanism="none" if number == len(sizes) - 2 else "subtract",
            )
            for number, size in enumerate(sizes[1:])
        )

    def forward(self, events: Tensor) -> Tensor:
        """Logits [batch, classes] for events [batch, slots, rows]."""
        signal = events.transpose(0, 1)
        for synapses, neuron in zip(self.synapses, self.neurons, strict=True):
            signal, membranes = run_leaky(neuron, synapses(signal))
        return membranes.mean(dim=0) * self.scale


def train_leaky(task: Task, data: Dataset, seed: int) -> dict[str, Any]:
    """Train and test an LIF network."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    settings, encode = task.leaky, Drive(encoding=task.encoding, slots=task.slots)
    network = LeakyNetwork((data.features, *task.hidden, data.classes), settings)
    optimizer = torch.optim.Adam(network.parameters(), settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs)
    for _ in range(settings.epochs):
        for chosen in torch.randperm(len(data.train), generator=random).split(settings.batch):
            inputs, labels = data.train.batch(chosen)
            optimizer.zero_grad()
            cross_entropy(network(encode(inputs).amplitude), labels).backward()
            optimizer.step()
        schedule.step()
    with torch.no_grad():
        right = [
            network(encode(inputs).amplitude).argmax(1) == labels for inputs, labels in data.test.batches(250)
        ]
    return {"test_accuracy": torch.cat(right).double().mean().item()}


def train_memristive(task: Task, data: Dataset, seed: int) -> dict[str, Any]:
    """Train and test a memristive network, or finish a run that was interrupted."""
    folder = RUNS / f"{data.name}-seed-{seed}"
    with training_progress() as progress:
        run = train(task.study(seed), folder, resume=(folder / CHECKPOINT).exists(), progress=progress)
    steps = compare_steps(run.network, data.test)
    return {"test_accuracy": steps.accuracy, "test_accuracy_at_a_tenth_of_the_step": steps.fine_accuracy}


FAMILIES = {"lif": train_leaky, "memristive": train_memristive}


def saved() -> dict[str, Any]:
    """What earlier runs saved."""
    path = RESULTS / "time_domain.json"
    return json.loads(path.read_text(encoding="utf-8"))["tasks"] if path.exists() else {}


def settings_of(task: Task, family: str) -> dict[str, Any]:
    """Everything but the seed that decides a result."""
    if family == "memristive":
        settings = task.study(0).model_dump(mode="json", exclude_none=True)
        del settings["seed"]
        return settings
    return {"hidden": list(task.hidden), "encoding": task.encoding, "slots": task.slots, **asdict(task.leaky)}


@styled
def draw(tasks: dict[str, Any]) -> Figure:
    """Accuracy of every seed, and the means, one column for each task."""
    figure, axes = plt.subplots(figsize=(5.4, 3.0))
    for offset, marker, family, label in (
        (-0.12, "o", "lif", "LIF (snnTorch)"),
        (0.12, "D", "memristive", "memristive"),
    ):
        for column, rows in enumerate(tasks.values()):
            seeds = rows.get(family, {}).get("seeds", {}).values()
            values = [100 * seed["test_accuracy"] for seed in seeds]
            colour = "C0" if family == "lif" else "C1"
            place = [column + offset] * len(values)
            axes.plot(
                place, values, marker, color=colour, alpha=0.5, label=None if column else label, linestyle=""
            )
            if values:
                axes.hlines(
                    statistics.mean(values), column + offset - 0.1, column + offset + 0.1, colors=colour
                )
    axes.set_xticks(range(len(tasks)), [TASKS[name].title for name in tasks])
    axes.set(ylabel="test accuracy (%)", xlim=(-0.5, len(tasks) - 0.5))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return figure


def finish(task: Task, family: str, data: Dataset, seeds: Sequence[int]) -> None:
    """Run the seeds that are missing, and save after each."""
    for seed in seeds:
        if str(seed) in entry_of(saved(), task, family)["seeds"]:
            continue
        result = FAMILIES[family](task, data, seed)
        tasks = saved()
        entry_of(tasks, task, family)["seeds"][str(seed)] = result
        save_result("time_domain", "python benchmarks/time_domain.py", {"tasks": tasks})
        plots.save(draw(tasks), RESULTS / "time_domain.png")


def entry_of(tasks: dict[str, Any], task: Task, family: str) -> dict[str, Any]:
    """The place of a family's results; those of other settings are dropped."""
    families, settings = tasks.setdefault(task.data, {}), settings_of(task, family)
    if families.get(family, {}).get("settings") != settings:
        families[family] = {"settings": settings, "seeds": {}}
    return families[family]


def print_means(tasks: dict[str, Any]) -> None:
    """One line for each task and family."""
    for name, families in tasks.items():
        for family, entry in families.items():
            values = [100 * seed["test_accuracy"] for seed in entry["seeds"].values()]
            each = ", ".join(f"{value:.1f}" for value in values)
            print(f"{name:10} {family:11} {statistics.mean(values):5.1f} %   ({each})")


def main() -> None:
    """Run what is missing and print what there is."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--task", choices=list(TASKS), action="append", help="these only")
    parser.add_argument("--only", choices=list(FAMILIES), help="this family of networks only")
    parser.add_argument("--seed", type=int, action="append", help="these only")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in arguments.task or TASKS:
        data = load_dataset(name, bins=TASKS[name].slots)
        for family in [arguments.only] if arguments.only else FAMILIES:
            finish(TASKS[name], family, data, arguments.seed or SEEDS)
    print_means(saved())


if __name__ == "__main__":
    main()
