"""Digits with neurons from a file of one's own, and with every integrate-and-fire neuron of memsim, at defaults.

    python benchmarks/own_neuron.py

Trains 32 hidden neurons with nothing stated but the neuron, runs the first test images of the user's neuron in ngspice,
and writes its network as one deck. Writes benchmarks/results/own_neuron.json. A run that was interrupted resumes, and
images that are done are not done again.
"""

from __future__ import annotations

import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

from common import RESULTS, save_result

from memsim.cli.progress import counting_progress, training_progress
from memsim.files import write_text
from memsim.learn import Run, make_study, train
from memsim.learn.checkpoint import CHECKPOINT
from memsim.networks import load_cell
from memsim.verify import network_deck, verify

CELL = Path(__file__).parent / "studies" / "tiring_cell.py"
SEEDS = (0, 1, 2)
IMAGES = 50
RUNS = Path("runs/benchmark-own-neuron")
SHIPPED = tuple(f"integrate-and-fire-set{number}" for number in (1, 2, 3))


def run_seed(neuron: str, seed: int) -> Run:
    """Train one seed, or finish it."""
    folder = RUNS / f"{neuron.rpartition(':')[2].partition('@')[0]}-{seed}"
    study = make_study(neuron=neuron, seed=seed)
    with training_progress() as progress:
        return train(study, folder, resume=(folder / CHECKPOINT).exists(), progress=progress)


def accuracies(neuron: str) -> dict[str, Any]:
    """Test accuracy of each seed after the last epoch, which nothing was chosen by."""
    found = {str(seed): run_seed(neuron, seed).history[-1].test_accuracy for seed in SEEDS}
    print(f"{neuron}: {', '.join(f'{one:.2%}' for one in found.values())}")
    return {"seeds": found, "mean": statistics.mean(found.values())}


def in_ngspice(neuron: str) -> dict[str, Any]:
    """The first seed: its first test images in ngspice, and its deck."""
    run = run_seed(neuron, SEEDS[0])
    folder = RUNS / "TiringCell-0"
    with counting_progress("ngspice") as progress:
        evidence = verify(run, images=IMAGES, whole=True, folder=folder, progress=progress)
    inputs, _ = run.data.test.batch(slice(1))
    text = network_deck(run.network, inputs[0])
    write_text(RUNS / "network.cir", text)
    return {**asdict(evidence.verification), "deck_lines": text.count("\n")}


def main() -> None:
    """Train, verify, save."""
    own = load_cell(f"{CELL}:TiringCell", trust=True)
    shipped = {neuron: accuracies(neuron) for neuron in SHIPPED}
    result = {
        "epochs": make_study().epochs,
        "shipped": shipped,
        "own": {
            "lines": len(CELL.read_text().splitlines()),
            "regime": asdict(own.regime),
            **accuracies(own.name),
            "verification": in_ngspice(own.name),
        },
    }
    save_result("own_neuron", "python benchmarks/own_neuron.py", result)
    print(RESULTS / "own_neuron.json")


if __name__ == "__main__":
    main()
