"""Columns that are read by one bit beside columns of five bits, trained as long, and judged on chips never seen.

    python benchmarks/adcless_recipe.py --data-dir data mnist --seeds 0 1 2
    python benchmarks/adcless_recipe.py --data-dir data fashion-mnist --seeds 0 1 2

The network and its training are benchmarks/studies/mnist-adcless.toml; columns of five bits differ in their card alone,
and share the stage in software. Cells, offsets and noise are the same. Each network is judged on chips that training
never saw, with the averages of normalisation that training left, and with those of each chip, from training images
without labels. Nothing is chosen on test images. `--wires` adds one pass in which the wires of the card are solved for
each batch, too, and judges on chips with wires.

What was interrupted resumes, and every network is saved when it is judged, into benchmarks/results/adcless_recipe.json.
`--examples` tries everything out with so many images for an epoch, and saves nothing.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import save_result, saved_results
from staged import share_stages, told

from memsim.learn import Run, Study, load_study, make_study, train
from memsim.learn.checkpoint import STUDY
from memsim.learn.data import Dataset
from memsim.learn.judging import judge, judge_seen
from memsim.learn.shares import shares_of

NAME = "adcless_recipe"
RUNS = Path("runs/benchmark-adcless-recipe")
STUDY_FILE = Path(__file__).parent / "studies" / "mnist-adcless.toml"
COLUMNS: dict[str, dict[str, Any]] = {
    "one bit": {},
    "five bits": {"card": "hp-adc-differential-64", "gradient": "exact", "width": (1.0, 1.0)},
}
"""What is different in the stage on hardware."""
WIRED = {"name": "wires", "epochs": 1, "learning_rate": 1e-3}
"""What is different in the pass with wires."""
CHIPS = 3
COMMAND = (
    "python benchmarks/adcless_recipe.py --data-dir data mnist --seeds 0 1 2 (and: fashion-mnist, --wires)"
)


def study_of(data: str, seed: int, columns: str, *, wires: bool, examples: int | None) -> Study:
    """The study of the recipe, for other data, columns and wires."""
    entries = load_study(STUDY_FILE).model_dump(exclude_none=True)
    software, hardware = entries["stages"]
    hardware |= {"name": columns, **COLUMNS[columns]}
    stages = [software, hardware]
    if wires:
        kept = {name: value for name, value in hardware["hardware"].items() if not name.startswith("wires.")}
        narrowest = hardware["width"][-1]
        stages.append({**hardware, **WIRED, "hardware": kept, "width": (narrowest, narrowest)})
    if examples is not None:
        stages = [{**stage, "examples": examples} for stage in stages]
    return make_study(**{**entries, "data": data, "seed": seed, "stages": stages})


def trained(
    study: Study,
    name: str,
    others: Sequence[str],
    data_dir: Path,
    *,
    runs: Path = RUNS,
    data: Dataset | None = None,
) -> Run:
    """A run, finished where it was interrupted, which shares the first stages of others that have them."""
    folder = runs / name
    for other in others:
        share_stages(study, folder, runs / other)
    print(folder, flush=True)
    resume = (folder / STUDY).exists()
    return train(study, folder, data_dir=data_dir, resume=resume, progress=told, tell=print, data=data)


def judged(run: Run, chips: int) -> dict[str, Any]:
    """What a network gets right, in software, on the chip that training looked at, and on others."""
    card = run.study.stages[-1].hardware_card()
    held = shares_of(run.study, run.data)[1]
    return {
        "software": run.records[0].accuracy,
        "software, held out": run.records[0].history[-1].validation_accuracy,
        "held out": run.history[-1].validation_accuracy,
        "held out, averages per chip": None if held is None else judge_seen(run, held).fitted,
        "chips": [one.as_dict() for one in judge(run, card, run.data.test, chips=chips)],
        "seconds": [sum(epoch.seconds for epoch in record.history) for record in run.records],
    }


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("MEMSIM_DATA", "data")))
    parser.add_argument("data", choices=["mnist", "fashion-mnist"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--columns", choices=COLUMNS, nargs="+", default=list(COLUMNS))
    parser.add_argument("--chips", type=int, default=CHIPS)
    parser.add_argument("--wires", action="store_true")
    parser.add_argument("--examples", type=int)
    given = parser.parse_args()
    wires = ", wires" if given.wires else ""
    for seed in given.seeds:
        for columns in given.columns:
            key = f"{columns}{wires}"
            known = saved_results(NAME).get(given.data, {}).get(key, {}).get(str(seed), {})
            if len(known.get("chips", [])) >= given.chips and given.examples is None:
                continue
            study = study_of(given.data, seed, columns, wires=given.wires, examples=given.examples)
            place = f"{given.data}-{seed}" + (f"-{given.examples}" if given.examples else "")
            name, *others = (
                f"{place}-{of.replace(' ', '-').replace(',', '')}" for of in (key, columns, *COLUMNS)
            )
            found = judged(trained(study, name, others, given.data_dir), given.chips)
            print(given.data, key, seed, json.dumps(found, indent=2), flush=True)
            if given.examples is None:
                _record(given.data, key, seed, found)


def _record(data: str, key: str, seed: int, found: dict[str, Any]) -> None:
    results = saved_results(NAME)  # what another process has saved since is kept
    results.setdefault(data, {}).setdefault(key, {})[str(seed)] = found
    save_result(NAME, COMMAND, {"study": STUDY_FILE.read_text(), "results": results})


if __name__ == "__main__":
    main()
