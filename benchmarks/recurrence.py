"""Recurrent layers: what they cost beside a chain, and whether ngspice fires as they do.

    python benchmarks/recurrence.py speed
    python benchmarks/recurrence.py ngspice --data-dir data

`speed`: processor time of forward and backward pass of 784-256-10 over 50 steps, in one thread, without and with a
256 x 256 crossbar from the hidden layer to itself, in turn. `ngspice`: such a network, trained on MNIST for a short
time, layer by layer in ngspice, the recurrent layer of each image as one circuit of 256 neurons and 131 072 resistors.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import median

import torch
from common import RESULTS, save_result

from memsim.circuits import IntegrateAndFire
from memsim.learn import load_run, make_study, train
from memsim.learn.checkpoint import CHECKPOINT
from memsim.surrogate import CompiledCircuit, Coupling
from memsim.verify import verify

NAME = "recurrence"
RUN = Path("runs/benchmark-recurrence")
SIZES, STEPS, DT, ROUNDS = (784, 256, 10), 50, 200e-6, 15
BATCHES = (64, 128)
IMAGES = 20
TAU = 1e-3


def speed() -> dict[str, dict[str, float]]:
    """CPU seconds, and the ratio of both."""
    torch.set_num_threads(1)
    cell = CompiledCircuit(IntegrateAndFire.published(1).circuit(), inputs=("iin",), record=("v(mem)",))
    inputs, hidden, classes = SIZES
    first = ((torch.rand(inputs, hidden) - 0.5) * 2e-8).requires_grad_()
    again = ((torch.rand(hidden, hidden) - 0.5) * 2e-6).requires_grad_()
    last = ((torch.rand(hidden, classes) - 0.5) * 2e-5).requires_grad_()

    def run(x: torch.Tensor, coupling: Coupling | None) -> float:
        began = time.process_time()
        waves = cell(x @ first, dt=DT, coupling=coupling)[0]["v(mem)"]
        cell(waves @ last, dt=DT)[0]["v(mem)"].mean(0).square().sum().backward()
        return time.process_time() - began

    found = {}
    for batch in BATCHES:
        x = torch.rand(STEPS + 1, batch, inputs)
        ways = {"chain": None, "recurrent": Coupling(again, "v(mem)", TAU)}
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS + 1):  # the first compiles
            for name, coupling in ways.items():
                times[name].append(run(x, coupling))
        seconds = {name: median(taken[1:]) for name, taken in times.items()}
        found[f"batch {batch}"] = {**seconds, "ratio": seconds["recurrent"] / seconds["chain"]}
        print(batch, found[f"batch {batch}"], flush=True)
    return found


def in_ngspice(data_dir: Path | None) -> dict[str, float]:
    """Trained for a short time, then verified."""
    study = make_study(
        data="mnist",
        neuron="integrate-and-fire-set1",
        layers=({"neurons": SIZES[1], "recurrent": True},),
        window=5e-3,
        drive={"slots": 1},
        batch=128,
        stages=({"name": "short", "epochs": 2, "examples": 10_000, "learning_rate": 4e-3},),
    )
    if not any(RUN.glob(f"*/{CHECKPOINT}")):
        train(study, RUN, data_dir=data_dir)
    run = load_run(RUN, data_dir)
    found = verify(run, images=IMAGES, whole=False, folder=RUN).verification
    return {
        "images": found.images,
        "test_accuracy": run.kept.test_accuracy,
        "same_class": found.same_class,
        "worst_error": found.worst_error,
        "mean_error": found.mean_error,
        "worst_error_at_training_step": found.worst_error_at_training_step,
        "seconds_ngspice": found.seconds_ngspice,
    }


def main() -> None:
    """Measure one part, and keep the other as it was."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["speed", "ngspice"])
    parser.add_argument("--data-dir", type=Path)
    given = parser.parse_args()
    path = RESULTS / f"{NAME}.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    kept = {name: before[name] for name in ("speed", "ngspice") if name in before}
    measured = speed() if given.part == "speed" else in_ngspice(given.data_dir)
    print(measured)
    save_result(NAME, f"python benchmarks/recurrence.py {given.part}", {**kept, given.part: measured})


if __name__ == "__main__":
    main()
