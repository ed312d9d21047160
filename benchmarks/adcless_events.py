"""Events of a moving camera on columns that are read by one bit beside columns of five bits: N-MNIST, five splits.

    python benchmarks/adcless_events.py --data-dir data

The recipe of benchmarks/adcless_recipe.py for the 1 100 recordings of nmnist_small: 100 of them are judged on and 1 000
trained on, other 100 in each split, drawn class by class. Wires are left out, offsets, noise and variation of cells are
those of the recipe. Chips and averages are as there; the standard error is that of the splits. What was interrupted
resumes, and every network is saved when it is judged, into benchmarks/results/adcless_events.json.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from adcless_recipe import CHIPS, COLUMNS, judged, study_of, trained
from common import save_result, saved_results

from memsim.learn import Study, make_study
from memsim.learn.data import Dataset, Split, load_dataset

NAME = "adcless_events"
COMMAND = "python benchmarks/adcless_events.py --data-dir data"
RUNS = Path("runs/benchmark-adcless-events")
BINS, SPLITS, PASSES = 5, 5, 30
STEM = {"kernel": 5, "stride": 4, "padding": 1}
"""In place of that of the recipe, whose images are smaller."""


def split_of(data: Dataset, number: int) -> Dataset:
    """The same recordings, of which other ones are judged on: as many of each class, none in two splits."""
    parts = (data.train, data.test)
    stored, labels = (torch.cat([getattr(part, name) for part in parts]) for name in ("stored", "labels"))
    order, size = torch.Generator().manual_seed(0), len(data.test) // data.classes
    judged_on = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(data.classes):
        own = torch.where(labels == label)[0]
        judged_on[own[torch.randperm(len(own), generator=order)][number * size :][:size]] = True
    train, test = (Split(stored[of], labels[of], data.train.full_scale) for of in (~judged_on, judged_on))
    return replace(data, train=train, test=test)


def study_for_events(split: int, columns: str, passes: int) -> Study:
    """The study of the recipe for frames of events, which are the steps."""
    entries = study_of("nmnist", split, columns, wires=False, examples=None).model_dump(exclude_none=True)
    stages = [{**stage, "epochs": passes} for stage in entries["stages"]]
    training = {name: value for name, value in entries["training"].items() if name != "validation"}
    kept = {name: value for name, value in entries.items() if name != "coding"}
    layers = [{**kept["layers"][0], **STEM}, *kept["layers"][1:]]
    return make_study(**{**kept, "steps": BINS, "layers": layers, "stages": stages, "training": training})


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("MEMSIM_DATA", "data")))
    parser.add_argument("--splits", type=int, nargs="+", default=list(range(SPLITS)))
    parser.add_argument(
        "--passes", type=int, default=PASSES, help="of each stage; others than 30 are not saved"
    )
    given = parser.parse_args()
    data = load_dataset("nmnist", given.data_dir, bins=BINS)
    for split in given.splits:
        for columns in COLUMNS:
            if given.passes == PASSES and str(split) in saved_results(NAME).get(columns, {}):
                continue
            study = study_for_events(split, columns, given.passes)
            place = f"{split}-{given.passes}"
            name, *others = (f"{place}-{of.replace(' ', '-')}" for of in (columns, *COLUMNS))
            run = trained(study, name, others, given.data_dir, runs=RUNS, data=split_of(data, split))
            found = judged(run, CHIPS)
            print(columns, split, json.dumps(found, indent=2), flush=True)
            if given.passes == PASSES:
                _record(columns, split, found)


def _record(columns: str, split: int, found: dict[str, Any]) -> None:
    results = saved_results(NAME)
    results.setdefault(columns, {})[str(split)] = found
    save_result(NAME, COMMAND, {"results": results})


if __name__ == "__main__":
    main()
