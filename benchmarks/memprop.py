"""Fully memristive spiking networks on MNIST and Fashion-MNIST, trained through their circuit, beside references.

    python benchmarks/memprop.py --data-dir DIR                     everything below, for both data sets
    python benchmarks/memprop.py --data-dir DIR train mnist         three seeds of the network of studies/mnist.toml
    python benchmarks/memprop.py --data-dir DIR references mnist    ReLU and leaky integrate-and-fire, same size
    python benchmarks/memprop.py --data-dir DIR aware mnist         trained on with device variation
    python benchmarks/memprop.py --data-dir DIR robust mnist        accuracy on hardware that is not ideal
    python benchmarks/memprop.py --data-dir DIR verify mnist        100 test images through ngspice
    python benchmarks/memprop.py figures                            figures and page from the saved results

Every seed of every stage is saved once it is done, in benchmarks/results/memprop-*.json, and skipped the next time; a
training that was interrupted resumes from runs/memprop. Needs the `bench` extra (snntorch).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from common import save_result
from memprop_figures import draw_figures, draw_spikes
from memprop_page import write_page
from memprop_references import REFERENCES, train_reference
from memprop_results import STAGES, TITLES, load_rows

from memsim.cli.progress import counting_progress, training_progress
from memsim.learn import Run, Study, load_study, train
from memsim.learn.checkpoint import CHECKPOINT
from memsim.learn.evaluation import compare_steps, evaluate
from memsim.networks.tables import NonidealityTable
from memsim.report.run import confusion_matrix
from memsim.verify import verify

SEEDS = (0, 1, 2)
STUDIES = Path(__file__).parent / "studies"
RUNS = Path("runs/memprop")
IMAGES = 100
DRAWS = 3
"""Pieces of hardware that each robustness figure is taken over, for each seed."""
VARIATION, AWARE_EPOCHS, AWARE_RATE = 0.2, 8, 0.5
"""Training with variation goes on from the trained network: spread, epochs, and learning rate over the first one."""
IDEAL = NonidealityTable()
CONDITIONS = {
    "ideal": IDEAL,
    **{f"variation {share:.0%}": NonidealityTable(variation=share) for share in (0.05, 0.10, 0.20)},
    **{f"stuck {share:.1%}": NonidealityTable(stuck_rate=share) for share in (0.005, 0.012, 0.10)},
    **{f"read noise {share:.0%}": NonidealityTable(read_noise=share) for share in (0.05, 0.10, 0.20)},
}


def study_of(data: str, seed: int, *, aware: bool) -> Study:
    """The study of a data set with this seed; trained on with device variation if `aware`."""
    study = load_study(STUDIES / f"{data}.toml")
    changes: dict[str, Any] = {"seed": seed}
    if aware:
        noisy = study.nonidealities.model_copy(update={"train": NonidealityTable(variation=VARIATION)})
        start = study.training.model_copy(update={"start": str(RUNS / f"{data}-{seed}")})
        changes |= {"nonidealities": noisy, "training": start, "epochs": AWARE_EPOCHS}
        changes["learning_rate"] = AWARE_RATE * study.learning_rate
    return study.model_copy(update=changes)


def trained(data: str, seed: int, folder: Path | None, *, aware: bool = False) -> Run:
    """The network of this seed, trained now, trained to its end, or as it was saved."""
    if aware:
        trained(data, seed, folder)
    kept = RUNS / f"{data}{'-aware' if aware else ''}-{seed}"
    with training_progress() as progress:
        return train(
            study_of(data, seed, aware=aware),
            kept,
            data_dir=folder,
            resume=(kept / CHECKPOINT).exists(),
            progress=progress,
        )


def memristive(data: str, seed: int, folder: Path | None, *, aware: bool = False) -> dict[str, Any]:
    """Accuracy, curves, confusion matrix and step comparison of one seed."""
    run = trained(data, seed, folder, aware=aware)
    steps = compare_steps(run.network, run.data.test)
    return {
        "test_accuracy": run.history[-1].test_accuracy,
        "steps": asdict(steps) | {"difference": steps.difference},
        "history": [asdict(record) for record in run.history],
        "confusion": confusion_matrix(run).tolist(),
    }


def robustness(data: str, seed: int, folder: Path | None, *, aware: bool) -> dict[str, list[float]]:
    """Accuracy on each draw of hardware, by condition."""
    run = trained(data, seed, folder, aware=aware)
    return {
        name: [
            evaluate(run.network, run.data.test, table, seed=draw)
            for draw in range(1 if table == IDEAL else DRAWS)
        ]
        for name, table in CONDITIONS.items()
    }


def verified(data: str, seed: int, folder: Path | None) -> dict[str, Any]:
    """The network of one seed through ngspice, with pictures of the first image for the first seed."""
    run, kept = trained(data, seed, folder), RUNS / f"{data}-{seed}"
    with counting_progress(f"ngspice, {data}, seed {seed}") as progress:
        evidence = verify(run, images=IMAGES, folder=kept, progress=progress)
    if seed == SEEDS[0]:
        draw_spikes(data, evidence)
    return asdict(evidence.verification)


def stage(name: str, data: str, rows: dict[str, Callable[[], Any]]) -> None:
    """Fill the rows of a result that are missing, saving after each."""
    done = load_rows(name, data)
    for row, measure in rows.items():
        if row in done:
            continue
        began = time.perf_counter()
        done[row] = measure()
        seconds = time.perf_counter() - began
        print(f"{name}, {data}, {row}: {seconds:.0f} s", _headline(done[row]))
        command = f"python benchmarks/memprop.py {name} {data}"
        study = load_study(STUDIES / f"{data}.toml").model_dump(exclude_none=True)
        save_result(f"memprop-{name}-{data}", command, {"study": study, "rows": done})


def _headline(row: dict[str, Any]) -> str:
    return f"test accuracy {row['test_accuracy']:.2%}" if "test_accuracy" in row else ""


def run_stage(name: str, data: str, folder: Path | None, seeds: tuple[int, ...]) -> None:
    """One stage for one data set."""
    rows: dict[str, Callable[[], Any]] = {}
    for seed in seeds:
        if name == "train":
            rows[f"seed {seed}"] = lambda s=seed: memristive(data, s, folder)
        elif name == "aware":
            rows[f"seed {seed}"] = lambda s=seed: memristive(data, s, folder, aware=True)
        elif name == "robust":
            rows[f"plain, seed {seed}"] = lambda s=seed: robustness(data, s, folder, aware=False)
            rows[f"aware, seed {seed}"] = lambda s=seed: robustness(data, s, folder, aware=True)
        elif name == "verify":
            rows[f"seed {seed}"] = lambda s=seed: verified(data, s, folder)
        elif name == "references":
            for kind in REFERENCES:
                study = study_of(data, seed, aware=False)
                rows[f"{kind}, seed {seed}"] = lambda k=kind, s=study: train_reference(k, s, folder)
    stage(name, data, rows)


def main() -> None:
    """Run the stages asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", nargs="?", choices=[*STAGES, "figures"])
    parser.add_argument("data", nargs="?", choices=TITLES)
    parser.add_argument("--data-dir", type=Path, help="folder of the data sets; MEMSIM_DATA where left out")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in [arguments.stage] if arguments.stage else STAGES:
        for data in [arguments.data] if arguments.data else TITLES:
            if name != "figures":
                run_stage(name, data, arguments.data_dir, tuple(arguments.seeds))
    draw_figures()
    write_page()


if __name__ == "__main__":
    main()
