"""What a network says of examples: with other steps, and on hardware that is not ideal."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from memsim.files import write_text
from memsim.learn.data import Split
from memsim.networks.memristive import MemristiveNetwork
from memsim.networks.nonidealities import realised
from memsim.networks.tables import NonidealityTable

STEPS = "steps.json"
VALUES_AT_ONCE = 2**23
"""Largest number of membrane samples of one layer that is held at once."""
EVALUATION_SEED = 0
"""Of the events of rate coding and the draws of non-idealities, so that an accuracy can be repeated."""
FINE = 10
"""Steps are compared with steps this many times shorter."""
SPLIT_SEED = 0
"""The held-out part of the training data is the same in all runs."""


@dataclass(frozen=True)
class StepComparison:
    """Accuracy of the same network on the same images, stepped as in training and `FINE` times finer."""

    images: int
    step: float
    accuracy: float
    fine_accuracy: float
    same_class: float

    @property
    def difference(self) -> float:
        """Accuracy at fine steps minus that at training steps."""
        return self.fine_accuracy - self.accuracy


def classify(network: MemristiveNetwork, split: Split, *, step: float | None = None, seed: int = 0) -> Tensor:
    """Classes [n] that the network names.

    Args:
        network: the network.
        split: examples.
        step: time step [s]; the study's where left out.
        seed: of the events of rate coding.
    """
    device = next(network.parameters()).device
    events = torch.Generator(device).manual_seed(seed)
    samples = len(network.clock.times(step))
    widest = max(layer.neurons for layer in network.chain)
    size = max(1, min(512, int(VALUES_AT_ONCE / (samples * widest))))
    with torch.no_grad():
        parts = [
            network(inputs.to(device), step=step, generator=events).argmax(dim=1).cpu()
            for inputs, _ in split.batches(size)
        ]
    return torch.cat(parts)


def evaluate(
    network: MemristiveNetwork,
    split: Split,
    nonidealities: NonidealityTable | None = None,
    *,
    step: float | None = None,
    seed: int = EVALUATION_SEED,
) -> float:
    """Share of examples whose class is right, on one draw of hardware for all of them.

    Args:
        network: the network.
        split: examples.
        nonidealities: of the crossbars; ideal where left out.
        step: time step [s]; the study's where left out.
        seed: of everything random in hardware and drive.
    """
    device = next(network.parameters()).device
    draws = torch.Generator(device).manual_seed(seed)
    with realised(network, nonidealities or NonidealityTable(), draws):
        guesses = classify(network, split, step=step, seed=seed)
    return float((guesses == split.labels).double().mean())


def compare_steps(network: MemristiveNetwork, split: Split) -> StepComparison:
    """How much of the accuracy is owed to the steps: the same network at its own and at finer steps."""
    step = network.clock.step
    coarse, fine = (classify(network, split, step=s) for s in (step, step / FINE))
    right, fine_right = ((guesses == split.labels).double().mean() for guesses in (coarse, fine))
    same = (coarse == fine).double().mean()
    return StepComparison(len(split), step, float(right), float(fine_right), float(same))


def save_comparison(comparison: StepComparison, folder: Path) -> Path:
    """Write the result as JSON and return its path."""
    path = folder / STEPS
    content = {**asdict(comparison), "difference": comparison.difference}
    write_text(path, json.dumps(content, indent=2) + "\n")
    return path


def first(split: Split, count: int) -> Split:
    """The first examples of a split, all of them where there are fewer."""
    return part(split, slice(count))


def part(split: Split, chosen: Tensor | slice) -> Split:
    """Chosen examples as a split."""
    return Split(split.stored[chosen], split.labels[chosen], split.full_scale)


def hold_out(split: Split, share: float) -> tuple[Split, Split | None]:
    """What is left to train on, and the share that is held out; None where that is nothing."""
    count = round(share * len(split))
    if not count:
        return split, None
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(SPLIT_SEED))
    return part(split, order[count:].sort().values), part(split, order[:count].sort().values)
