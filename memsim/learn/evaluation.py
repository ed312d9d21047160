"""What a network says of examples: with other steps, and on hardware that is not ideal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.files import write_text
from memsim.imc.mapping import evaluating
from memsim.learn.data import Split
from memsim.learn.metrics import Metric, check_outputs, main_metric
from memsim.networks import MemristiveNetwork, Network
from memsim.networks.nonidealities import realised
from memsim.networks.tables import NonidealityTable

STEPS = "steps.json"
VALUES_AT_ONCE = 2**23
"""Largest number of membrane samples of one layer that is held at once."""
AT_ONCE = 250
"""Most examples that are."""
EVALUATION_SEED = 0
"""Of the events of rate coding and the draws of non-idealities, so that an accuracy can be repeated."""
FINE = 10
"""Steps are compared with steps this many times shorter."""
ACTIVE_EXAMPLES = 64
"""Examples that spikes are counted on after each epoch."""
MAIN = "main"
SPLIT_SEED = 0
"""The held-out part of the training data is the same in all runs."""


@dataclass(frozen=True)
class StepComparison:
    """Accuracy of the same network on the same images, stepped as in training and `FINE` times finer.

    Of numbers to predict, accuracies are R^2, and there is no class.
    """

    images: int
    step: float
    accuracy: float
    fine_accuracy: float
    same_class: float | None

    @property
    def difference(self) -> float:
        """Accuracy at fine steps minus that at training steps."""
        return self.fine_accuracy - self.accuracy


def classify(network: Network, split: Split, *, step: float | None = None, seed: int = 0) -> Tensor:
    """Classes [n] that the network names; arguments as for `respond`."""
    return respond(network, split, step=step, seed=seed).argmax(dim=1)


def respond(network: Network, split: Split, *, step: float | None = None, seed: int = 0) -> Tensor:
    """What the network says of examples: logits [n, classes], or numbers, [n, k] or [n, slots, k].

    Args:
        network: the network.
        split: examples.
        step: time step [s]; the study's where left out.
        seed: of the events of rate coding.

    Raises:
        InputError: outputs that are NaN.
    """
    device = next(network.parameters()).device
    events = torch.Generator(device).manual_seed(seed)
    size = max(1, min(AT_ONCE, int(VALUES_AT_ONCE / _values_of_one(network, step))))
    with torch.no_grad(), evaluating(network):
        parts = [
            network(inputs.to(device), step=step, generator=events).cpu() for inputs, _ in split.batches(size)
        ]
    return check_outputs(torch.cat(parts))


def evaluate(
    network: Network,
    split: Split,
    nonidealities: NonidealityTable | None = None,
    *,
    step: float | None = None,
    seed: int = EVALUATION_SEED,
) -> float:
    """Share of examples whose class is right, on one draw of hardware for all of them; of numbers, R^2.

    Args:
        network: the network.
        split: examples.
        nonidealities: of the crossbars; ideal where left out.
        step: time step [s]; the study's where left out.
        seed: of everything random in hardware and drive.

    Raises:
        InputError: outputs that are NaN.
    """
    metrics = {MAIN: main_metric(split.labels)}
    return scores_of(network, split, metrics, nonidealities, step=step, seed=seed)[MAIN]


def scores_of(
    network: Network,
    split: Split,
    metrics: Mapping[str, Metric],
    nonidealities: NonidealityTable | None = None,
    *,
    step: float | None = None,
    seed: int = EVALUATION_SEED,
) -> dict[str, float]:
    """Metrics on one draw of hardware for all examples; arguments as for `evaluate`."""
    device = next(network.parameters()).device
    draws = torch.Generator(device).manual_seed(seed)
    with realised(network, nonidealities or NonidealityTable(), draws):
        outputs = respond(network, split, step=step, seed=seed)
    # copies, so that a metric that writes into what it gets changes nothing for others
    return {name: float(metric(outputs.clone(), split.labels.clone())) for name, metric in metrics.items()}


def activity(network: Network, split: Split, examples: int = ACTIVE_EXAMPLES) -> tuple[float, ...]:
    """Spikes of a neuron for one example, mean of each layer.

    Args:
        network: the network.
        split: of which the first examples are looked at.
        examples: how many; fewer of a network whose waveforms are long.
    """
    size = max(1, min(examples, int(VALUES_AT_ONCE / _values_of_one(network, None))))
    inputs = split.inputs(slice(size)).to(next(network.parameters()).device)
    events = torch.Generator(inputs.device).manual_seed(EVALUATION_SEED)
    with torch.no_grad(), evaluating(network):
        return tuple(network.spikes_per_neuron(network.waveforms(inputs, generator=events)))


def _values_of_one(network: Network, step: float | None) -> float:
    """Membrane samples of the largest layer for one example."""
    steps = network.samples(step)
    return max((layer.locations or steps) * layer.neurons for layer in network.chain)


def compare_steps(network: MemristiveNetwork, split: Split) -> StepComparison:
    """How much of the accuracy is owed to the steps: the same network at its own and at finer steps."""
    step, metric = network.clock.step, main_metric(split.labels)
    coarse, fine = (respond(network, split, step=s) for s in (step, step / FINE))
    scores = [metric(outputs, split.labels) for outputs in (coarse, fine)]
    same = None
    if not split.labels.is_floating_point():
        same = float((coarse.argmax(dim=1) == fine.argmax(dim=1)).double().mean())
    return StepComparison(len(split), step, scores[0], scores[1], same)


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
    signal = None if split.signal is None else split.signal[chosen]
    return Split(split.stored[chosen], split.labels[chosen], split.full_scale, signal)


def hold_out(
    split: Split, share: float, *, stratified: bool = False, in_order: bool = False
) -> tuple[Split, Split | None]:
    """What is left to train on, and the share that is held out, None of a share of 0.

    Args:
        split: examples.
        share: of them, or of each class where stratified.
        stratified: whether each class has its share.
        in_order: whether neighbours look alike, so that the last ones are held out.

    Raises:
        InputError: a share that holds nothing out, or leaves nothing to train on.
    """
    if not share:
        return split, None
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    if stratified and not split.labels.is_floating_point():
        groups = [torch.nonzero(split.labels == label)[:, 0] for label in split.labels.unique()]
    else:
        groups = [torch.arange(len(split))]
    _check_share(share, [len(own) for own in groups])
    orders = [
        own.flip(0) if in_order else own[torch.randperm(len(own), generator=generator)] for own in groups
    ]
    held = torch.cat([order[: round(share * len(order))] for order in orders])
    kept = torch.cat([order[round(share * len(order)) :] for order in orders])
    return part(split, kept.sort().values), part(split, held.sort().values)


def _check_share(share: float, sizes: list[int]) -> None:
    """Raise InputError unless some examples are held out, and of each group some are left."""
    held = [round(share * size) for size in sizes]
    emptied = [size for size, out in zip(sizes, held, strict=True) if size == out]
    if sum(held) and not emptied:
        return
    of_class = " of a class" if len(sizes) > 1 else ""
    what = (
        f"leaves none of {emptied[0]} examples{of_class} to train on"
        if emptied
        else (f"of {max(sizes)} examples{of_class} holds none out")
    )
    raise InputError(
        f"validation = {share:g} {what}; allowed: a share that gives each side at least one, or 0"
    )
