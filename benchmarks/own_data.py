"""Data of one's own at the defaults of a study, beside snnTorch's LIF neurons of the same size and logistic regression.

Eight signed channels over 128 samples hold a burst of an oscillation in noise. What tells the five classes apart is the
frequency and the phase between neighbours; the phase of the whole, its time, size and noise are drawn for each example,
so that channel means are the same in all classes. All three get the same inputs: two word lines a channel, averaged
over 32 slots. Settings of the memristive network are the defaults; none is chosen on test data. By default its hidden
neurons hear each other; those of the chain and the LIF neurons do not.

The LIF neurons have a bias, a trained decay, and the best of CANDIDATES on a quarter of the training data.

    python benchmarks/own_data.py
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import snntorch
import torch
from common import save_result
from leaky import run_leaky
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from memsim.learn import Dataset, load_dataset, make_study, train
from memsim.learn.evaluation import hold_out

SEEDS = (0, 1, 2)
CHANNELS, SAMPLES = 8, 128
TRAIN, TEST = 2000, 1000
NOISE, JITTER = 0.7, 0.08
RHYTHMS = ((3.0, 0.0), (3.0, 0.5), (6.0, 0.0), (6.0, 0.25), (4.5, 0.5))
"""Periods in the window, and the lag of the next channel in periods, of each class."""
DATA_SEED = 0
CANDIDATES = [(rate, decay) for rate in (5e-3, 1e-2, 2e-2) for decay in (0.5, 0.6, 0.7, 0.8, 0.9)]
"""Learning rates, and decays of membranes in a slot at the start."""


@dataclass(frozen=True)
class Leaky:
    """Settings of the LIF network; `chosen` picks learning rate and decay on held-out training data."""

    learning_rate: float = 1e-2
    decay: float = 0.8
    scale: float = 10.0
    slope: float = 25.0


def bursts(count: int, random: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Signals [n, samples, channels] and classes [n]."""
    labels = random.integers(0, len(RHYTHMS), count)
    periods, lag = np.array(RHYTHMS)[labels].T[:, :, None, None]
    time = np.arange(SAMPLES)[None, :, None] / SAMPLES

    def drawn(low: float, high: float) -> NDArray:
        return random.uniform(low, high, (count, 1, 1))

    rate = periods * drawn(1 - JITTER, 1 + JITTER)
    phase = rate * time + lag * np.arange(CHANNELS) + drawn(0, 1)
    envelope = np.exp(-(((time - drawn(0.35, 0.65)) / drawn(0.2, 0.3)) ** 2))
    signal = drawn(0.7, 1.4) * envelope * np.sin(2 * np.pi * phase)
    return signal + NOISE * random.standard_normal(signal.shape), labels


def write(path: Path) -> None:
    """The data as anyone would have them."""
    random = np.random.default_rng(DATA_SEED)
    x, y = bursts(TRAIN + TEST, random)
    np.savez(path, x_train=x[:TRAIN], y_train=y[:TRAIN], x_test=x[TRAIN:], y_test=y[TRAIN:])


class LeakyNetwork(nn.Module):
    """Two layers with biases; the mean membrane of the second is read."""

    def __init__(self, inputs: int, hidden: int, classes: int, settings: Leaky) -> None:
        super().__init__()
        slope = snntorch.surrogate.fast_sigmoid(slope=settings.slope)
        self.first, self.second = nn.Linear(inputs, hidden), nn.Linear(hidden, classes)
        self.hidden = snntorch.Leaky(settings.decay, learn_beta=True, spike_grad=slope)
        self.out = snntorch.Leaky(settings.decay, learn_beta=True, spike_grad=slope, reset_mechanism="none")
        self.scale = settings.scale

    def forward(self, inputs: Tensor) -> Tensor:
        spikes, _ = run_leaky(self.hidden, self.first(inputs.transpose(0, 1)))
        _, membrane = run_leaky(self.out, self.second(spikes))
        return self.scale * membrane.mean(dim=0)


def leaky(data: Dataset, seed: int, *, hidden: int, epochs: int, batch: int, settings: Leaky) -> float:
    """Test accuracy of the LIF network."""
    torch.manual_seed(seed)
    network = LeakyNetwork(data.features, hidden, data.classes, settings)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    updates = epochs * -(-len(data.train) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
    for _ in range(epochs):
        for chosen in torch.randperm(len(data.train)).split(batch):
            inputs, labels = data.train.batch(chosen)
            loss = cross_entropy(network(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        guesses = network(data.test.inputs()).argmax(dim=1)
    return float((guesses == data.test.labels).double().mean())


def chosen(data: Dataset, **size: int) -> Leaky:
    """The best settings of the LIF network on a quarter of the training data, trained on the rest."""
    rest, held = hold_out(data.train, 0.25, stratified=True)
    assert held is not None
    inner = replace(data, train=rest, test=held)
    settings = [Leaky(rate, decay) for rate, decay in CANDIDATES]
    return max(settings, key=lambda one: leaky(inner, 0, settings=one, **size))


def logistic(data: Dataset, seed: int, *, means: bool) -> float:
    """Test accuracy of logistic regression on all inputs, or on the mean of each channel over time."""

    def features(inputs: Tensor) -> NDArray:
        signed = inputs[:, :, :CHANNELS] - inputs[:, :, CHANNELS:]
        return (signed.mean(dim=1) if means else inputs.flatten(1)).numpy()

    scaler = StandardScaler().fit(features(data.train.inputs()))
    model = LogisticRegression(max_iter=2000, C=0.1, random_state=seed)
    model.fit(scaler.transform(features(data.train.inputs())), data.train.labels)
    return float(model.score(scaler.transform(features(data.test.inputs())), data.test.labels))


def memristive(data: Dataset, seed: int, folder: Path, **entries: Any) -> float:
    """Test accuracy of a study that says nothing but its seed and these entries."""
    return train(make_study(seed=seed, **entries), folder, data=data).history[-1].test_accuracy


def main() -> None:
    """Train all, print and save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.parse_args()
    torch.set_num_threads(1)
    study, found = make_study(), defaultdict(list)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "bursts.npz"
        write(path)
        data = load_dataset(str(path))
        size = {"hidden": study.hidden[0], "epochs": study.epochs, "batch": study.batch}
        settings = chosen(data, **size)
        print(settings, flush=True)
        for seed in SEEDS:
            runs = Path(place) / str(seed)
            found["memristive"].append(memristive(data, seed, runs / "plain"))
            found["memristive_chain"].append(memristive(data, seed, runs / "chain", recurrent=False))
            found["leaky"].append(leaky(data, seed, settings=settings, **size))
            found["logistic"].append(logistic(data, seed, means=False))
            found["logistic_of_means"].append(logistic(data, seed, means=True))
            print(seed, {name: f"{scores[-1]:.1%}" for name, scores in found.items()}, flush=True)
    result = {name: {"accuracies": scores, "mean": float(np.mean(scores))} for name, scores in found.items()}
    save_result(
        "own_data",
        "python benchmarks/own_data.py",
        {**size, "leaky_settings": asdict(settings), "data": data.notes, **result},
    )


if __name__ == "__main__":
    main()
