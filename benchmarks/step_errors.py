"""What training steps cost: MNIST and Fashion-MNIST in steps that keep potentials within 5 % of a spike.

    python benchmarks/step_errors.py --data-dir DIR

One seed of each study in benchmarks/studies, by the default stepper, as `memsim train --step auto` has it. The error is
estimated on 32 training images, as after every training; the accuracy at a tenth of the step is that of 1000 test
images. A training that was interrupted resumes.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from common import save_result

from memsim.cli.progress import training_progress
from memsim.learn import compare_steps, error_of_steps, first, load_run, load_study, train
from memsim.learn.checkpoint import CHECKPOINT, STUDY
from memsim.surrogate import DEFAULT_STEPPER

STUDIES = Path(__file__).parent / "studies"
RUNS = Path("runs/step-errors")
DATA = ("mnist", "fashion-mnist")
LARGEST = 0.05
IMAGES = 1000


def measure(data: str, data_dir: Path | None) -> dict[str, Any]:
    """Accuracy and error of one data set."""
    folder = RUNS / data
    resume = (folder / CHECKPOINT).exists()
    study = load_study(folder / STUDY if resume else STUDIES / f"{data}.toml")
    study = study.model_copy(update={"stepper": DEFAULT_STEPPER, "step_error": LARGEST})
    with training_progress() as progress:
        train(study, folder, data_dir=data_dir, resume=resume, progress=progress)
    run = load_run(folder, data_dir)
    return {
        "test_accuracy": run.history[-1].test_accuracy,
        "epochs": len(run.history),
        "training_seconds": sum(record.seconds for record in run.history),
        "error": asdict(error_of_steps(run.network, run.data.train)),
        "finer": asdict(compare_steps(run.network, first(run.data.test, IMAGES))),
    }


def main() -> None:
    """Train what is missing, print and save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, help="folder of the data sets; MEMSIM_DATA where left out")
    folder = parser.parse_args().data_dir
    rows = {data: measure(data, folder) for data in DATA}
    for data, row in rows.items():
        error = row["error"]
        print(f"{data}: {row['test_accuracy']:.2%}, {error['error']:.2%} of a spike at {error['step']:g} s")
    save_result("step_errors", "python benchmarks/step_errors.py --data-dir DIR", {"data": rows})


if __name__ == "__main__":
    main()
