"""Accuracy on the digits over three seeds, and every trained network verified in ngspice.

    python benchmarks/digits.py

Writes benchmarks/results/digits.json and a figure of the training curves. A seed that was interrupted resumes.
"""

from __future__ import annotations

import statistics
from dataclasses import asdict
from pathlib import Path

from common import RESULTS, save_result

from memsim import plots
from memsim.cli.progress import counting_progress, training_progress
from memsim.learn import Run, make_study, train
from memsim.learn.checkpoint import CHECKPOINT
from memsim.verify import verify

SEEDS = (0, 1, 2)
IMAGES = 100
RUNS = Path("runs/benchmark-digits")


def run_seed(seed: int) -> Run:
    """Train one seed, or finish it."""
    folder = RUNS / f"seed-{seed}"
    with training_progress() as progress:
        return train(make_study(seed=seed), folder, resume=(folder / CHECKPOINT).exists(), progress=progress)


def main() -> None:
    """Train, verify, save."""
    seeds = {}
    for seed in SEEDS:
        run = run_seed(seed)
        with counting_progress(f"ngspice, seed {seed}") as progress:
            evidence = verify(run, images=IMAGES, progress=progress)
        seeds[str(seed)] = {
            "test_accuracy": run.history[-1].test_accuracy,
            "training_seconds": sum(record.seconds for record in run.history),
            "verification": asdict(evidence.verification),
        }
        plots.save(plots.training_curves(run.history), RESULTS / f"digits-seed-{seed}.png")
    accuracies = [row["test_accuracy"] for row in seeds.values()]
    print(
        f"test accuracy: {', '.join(f'{a:.2%}' for a in accuracies)}; mean {statistics.mean(accuracies):.2%}"
    )
    study = make_study().model_dump(exclude_none=True)
    save_result("digits", "python benchmarks/digits.py", {"study": study, "seeds": seeds})


if __name__ == "__main__":
    main()
