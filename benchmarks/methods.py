"""Methods of the literature: in software, put on columns of one bit cold, trained there, and with circuits in ngspice.

    python benchmarks/methods.py equilibrium --seeds 0 1 2 --data-dir data

Every study of the method is trained. One with stages is judged after its software stage, cold on the card of its last
stage, and after that; then on three chips that training never saw. One of circuits is simulated in ngspice. What was
interrupted resumes, and every part is saved when it is done, into benchmarks/results/methods/NAME.json.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import RESULTS, save_result
from method_parts import draw, measures_alone, own_measures

from memsim.learn import Run, evaluate, load_run, load_study, train
from memsim.learn.checkpoint import STUDY
from memsim.learn.chips import chips_of_run
from memsim.learn.data import data_name
from memsim.learn.judging import chip_of, on_chip
from memsim.methods import load_method, method_names
from memsim.verify import verify

RUNS = Path("runs/benchmark-methods")
CHIPS = 3
"""That training never saw, for the spread."""
IMAGES = 20
"""Test examples that ngspice gets."""


def trained(name: str, path: Path, seed: int, data_dir: Path) -> tuple[Run, Path]:
    """The run of a study, finished where it was interrupted."""
    study, folder = load_study(path).model_copy(update={"seed": seed}), RUNS / f"{name}-{seed}"
    return train(study, folder, data_dir=data_dir, resume=(folder / STUDY).exists(), tell=print), folder


def software(run: Run) -> dict[str, Any]:
    """Accuracy of a network of discrete neurons, and spikes of all its hidden neurons for an example."""
    last = (run.records[0].history if run.records else run.history)[-1]
    spikes = sum(mean * layer.neurons for mean, layer in zip(last.activity, run.network.chain, strict=False))
    return {
        "data": data_name(run.study.data),
        "software": last.test_accuracy,
        "spikes": spikes,
        "seconds of training": _seconds(run),
    }


def hardware(run: Run, folder: Path, data_dir: Path) -> dict[str, Any]:
    """What the last stage's card makes of the network before it was trained for that, and after."""
    stages = run.study.stages
    card = stages[-1].hardware_card()
    before = load_run(folder, stages=1, data=run.data)
    cold = on_chip(before, card, cold=True)
    found: dict[str, Any] = {}
    if len(stages) > 2:
        last = on_chip(load_run(folder, stages=len(stages) - 1, data=run.data), card, chip=chip_of(run))
        found["before the last stage"] = evaluate(last, run.data.test)
    (chip,) = chips_of_run(folder, [card], data_dir=data_dir, unseen=CHIPS)
    return found | {
        "cold": evaluate(cold, run.data.test),
        "trained": chip.accuracy,
        "unseen chips": [one.accuracy for one in chip.unseen],
        "unseen chips, averages of each": [one.fitted for one in chip.unseen if one.fitted is not None]
        or None,
        "energy [J]": chip.cost.total_energy,
        "latency [s]": chip.cost.inference_time,
        "card": card.name,
        "entries of the card": run.study.stages[-1].hardware,
        "stages": {record.stage.name: record.accuracy for record in run.records},
    }


def circuits(run: Run, folder: Path) -> dict[str, Any]:
    """Accuracy of the circuits, and how ngspice agrees with them."""
    found = verify(run, images=IMAGES, folder=folder).verification
    return {
        "data": data_name(run.study.data),
        "circuits": run.kept.test_accuracy,
        "seconds of training": _seconds(run),
        "ngspice, examples": found.images,
        "ngspice, same class": found.same_class,
        "ngspice, one deck for each example": found.whole,
        "worst error of a waveform": found.worst_error,
        "energy [J]": found.energy_ngspice,
    }


def _seconds(run: Run) -> float:
    return sum(epoch.seconds for one in (run.records or [run]) for epoch in one.history)


def parts(name: str, run: Run, folder: Path, data_dir: Path) -> list[Callable[[], dict[str, Any]]]:
    """What is measured of a run; figures that a method has of its own come last, and replace those of others."""
    found = [lambda: software(run) if run.study.discrete else circuits(run, folder)]
    if any(stage.card for stage in run.study.stages):
        found.append(lambda: hardware(run, folder, data_dir))
    return [*found, lambda: own_measures(name, run, folder)]


def measure(name: str, seed: int, data_dir: Path, only: list[str]) -> None:
    """Every part of one seed that is not there yet, saved as it is done."""
    studies = load_method(name).studies
    if not studies:
        for found in measures_alone(name, seed):
            save(name, seed, name, found)
    for study, path in studies.items():
        if only and study not in only:
            continue
        run, folder = trained(study, path, seed, data_dir)
        for part in parts(name, run, folder, data_dir):
            save(name, seed, study, part())


def save(name: str, seed: int, study: str, found: dict[str, Any]) -> None:
    """Add what was found to the result of a method."""
    path = RESULTS / "methods" / f"{name}.json"
    seeds = json.loads(path.read_text())["seeds"] if path.exists() else {}
    seeds.setdefault(str(seed), {}).setdefault(study, {}).update(found)
    print(study, seed, found, flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    command = f"python benchmarks/methods.py {name} --seeds {' '.join(seeds)} --data-dir data"
    save_result(f"methods/{name}", command, {"seeds": seeds})


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=method_names())
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("MEMSIM_DATA", "data")))
    parser.add_argument("--only", nargs="+", default=[], help="studies of the method; all where left out")
    parser.add_argument("--figure", action="store_true", help="draw its picture, and measure nothing")
    given = parser.parse_args()
    if given.figure:
        print(draw(given.name, RESULTS / "methods" / f"{given.name}.png"))
        return
    known = load_method(given.name).studies
    unknown = sorted(set(given.only) - set(known))
    if unknown:
        parser.error(f"--only: no study {unknown[0]!r} of {given.name}; there are {', '.join(known)}")
    for seed in given.seeds:
        measure(given.name, seed, given.data_dir, given.only)


if __name__ == "__main__":
    main()
