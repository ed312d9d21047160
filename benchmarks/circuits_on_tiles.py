"""Circuits behind columns that are read by one bit: software, put there cold, with decisions calibrated, trained.

    python benchmarks/circuits_on_tiles.py --data-dir data digits --seeds 0 1 2
    python benchmarks/circuits_on_tiles.py --data-dir data mnist

The digits are a network of 64-64-10 circuits, MNIST is benchmarks/studies/mnist-one-bit.toml. What was interrupted
resumes, and every seed is saved when it is done, into benchmarks/results/circuits_on_tiles.json. Settings were chosen
on held-out training data.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from common import RESULTS, save_result

from memsim.imc import calibrate
from memsim.learn import Study, load_run, load_study, make_study, train
from memsim.learn.checkpoint import STUDY
from memsim.learn.evaluation import evaluate, first
from memsim.learn.run import CALIBRATION_SAMPLE, mapped

NAME = "circuits_on_tiles"
RUNS = Path("runs/benchmark-circuits-on-tiles")
STUDIES = Path(__file__).parent / "studies"
SERIAL = {"wires.word_line": 0.0, "wires.bit_line": 0.0, "inputs.coding": "bit-serial", "inputs.bits": 3}
DIGITS: dict[str, Any] = {
    "data": "digits",
    "neuron": "integrate-and-fire-set1",
    "hidden": (64,),
    "batch": 32,
    "training": {"validation": 0.2},
    "stages": (
        {"name": "software", "epochs": 12, "learning_rate": 0.02},
        {
            "name": "one bit",
            "card": "adcless-differential-64",
            "hardware": SERIAL,
            "epochs": 20,
            "learning_rate": 0.02,
            "gradient": "impulse",
            "width": (4.0, 1.0),
        },
    ),
}


def study_of(data: str, seed: int) -> Study:
    """Of a data set."""
    if data == "digits":
        return make_study(**DIGITS, seed=seed)
    return load_study(STUDIES / f"{data}-one-bit.toml").model_copy(update={"seed": seed})


def measured(data: str, seed: int, data_dir: Path) -> dict[str, float]:
    """Accuracies on the test images, of a run that is finished where it was interrupted."""
    study, folder = study_of(data, seed), RUNS / f"{data}-{seed}"
    run = train(study, folder, data_dir=data_dir, resume=(folder / STUDY).exists(), tell=print)
    found = {record.stage.name: record.accuracy for record in run.records}
    held_out = run.history[-1].validation_accuracy
    software = load_run(folder, data_dir, stages=1)
    cold = mapped(software.network, study.stages[-1], study, run.data)
    with cold.unlimited():
        found["cold"] = evaluate(cold, run.data.test)
        calibrate(cold, first(run.data.train, CALIBRATION_SAMPLE).inputs())
        found["cold, calibrated"] = evaluate(cold, run.data.test)
    return {**found, "one bit, held out": held_out or 0.0}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("MEMSIM_DATA", "data")))
    parser.add_argument("data", choices=["digits", "mnist"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    given = parser.parse_args()
    for seed in given.seeds:
        path = RESULTS / f"{NAME}.json"
        results = json.loads(path.read_text())["results"] if path.exists() else {}
        found = measured(given.data, seed, given.data_dir)
        print(given.data, seed, found, flush=True)
        results.setdefault(given.data, {})[str(seed)] = found
        command = "python benchmarks/circuits_on_tiles.py --data-dir data digits --seeds 0 1 2 (and: mnist)"
        save_result(NAME, command, {"digits": DIGITS, "results": results})


if __name__ == "__main__":
    main()
