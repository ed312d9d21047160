"""How accurate fully memristive networks become: longer trainings and other topologies, three seeds each.

    MEMSIM_DATA=folder python benchmarks/topologies.py [NAME ...] [--seeds 0 1 2]

Each NAME is a study of benchmarks/studies, whose comment says how its settings were chosen, and never on test images.
The accuracy is that on the test data after the last epoch, at the steps of the study and, of up to IMAGES of them, at
steps ten times finer. Wires are ideal, and nothing varies.

Writes benchmarks/results/topologies.json after every seed; what is there already is not run again, and a training that
was interrupted resumes from runs/topologies.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from common import RESULTS, save_result

from memsim.cli.progress import training_progress
from memsim.learn import Study, error_of_steps, load_study, train
from memsim.learn.checkpoint import CHECKPOINT
from memsim.learn.evaluation import compare_steps, first

STUDIES = Path(__file__).parent / "studies"
NAMES = ("digits-deep", "fsdd-recurrent", "mnist-long", "fashion-mnist-long", "fashion-mnist-convolutional")
RUNS = Path("runs/topologies")
SEEDS = (0, 1, 2)
IMAGES = 1_000


def measured(study: Study, folder: Path) -> dict[str, Any]:
    """Accuracy of a study, trained now or to its end."""
    with training_progress() as progress:
        run = train(study, folder, resume=(folder / CHECKPOINT).exists(), progress=progress)
    return {
        "test_accuracy": run.history[-1].test_accuracy,
        "steps": asdict(compare_steps(run.network, first(run.data.test, IMAGES))),
        "step_error": asdict(error_of_steps(run.network, run.data.train)),
        "history": [asdict(record) for record in run.history],
    }


def saved() -> dict[str, Any]:
    """What earlier runs saved."""
    path = RESULTS / "topologies.json"
    return json.loads(path.read_text(encoding="utf-8"))["studies"] if path.exists() else {}


def fill(name: str, seeds: tuple[int, ...]) -> None:
    """Run the seeds of a study that are missing, and save after each; results of other settings are dropped."""
    study = load_study(STUDIES / f"{name}.toml")
    settings = study.model_dump(mode="json", exclude_none=True, exclude={"seed"}, by_alias=True)
    for seed in seeds:
        studies = saved()
        if studies.get(name, {}).get("settings") != settings:
            studies[name] = {"settings": settings, "seeds": {}}
        rows = studies[name]["seeds"]
        if str(seed) not in rows:
            rows[str(seed)] = measured(study.model_copy(update={"seed": seed}), RUNS / f"{name}-{seed}")
            save_result("topologies", "python benchmarks/topologies.py", {"studies": studies})


def main() -> None:
    """Run what is missing and print what there is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of studies; {', '.join(NAMES)} where left out")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in arguments.names or NAMES:
        fill(name, tuple(arguments.seeds))
    for name, entry in saved().items():
        values = [100 * row["test_accuracy"] for row in entry["seeds"].values()]
        each = ", ".join(f"{value:.2f}" for value in values)
        print(f"{name:24} mean {statistics.mean(values):.2f} %, lowest {min(values):.2f} %   ({each})")


if __name__ == "__main__":
    main()
