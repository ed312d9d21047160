"""Models fitted to the measured loops of Knowm's SDC memristors.

Each loop alone by the models that `memsim fit` ranks, all frequencies of a device at once, and a frequency that took
no part. Data: MEMSIM_DATA/devices/knowm-sdc-hysteresis (Knowm Inc., Memristor Discovery). Every case is saved as it
ends, and a run that was interrupted goes on where it stopped. Time is that of the processor: `memsim fit` shares it
among cores, and what a clock shows depends on what else runs.

    python benchmarks/fits.py [single] [joint] [held-out] [figure]
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, save_result

from memsim import plots
from memsim.devices import MODELS
from memsim.fit import (
    USUAL_MODELS,
    Fit,
    Layout,
    Record,
    Settings,
    error,
    fit_from_simpler,
    predict,
    rank,
    read_record,
    transient_current,
)

TOGETHER = ("metastable-switch", "spread-switch")  # tried on several loops at once
SETTINGS = Settings()
SETS = {
    f"{r} 0.8V {m}": [f"{r}_0.8V_{f}Hz_{m}" for f in (1, 10, 100, 1000)]
    for r in ("5k", "47k")
    for m in ("M1", "M2")
}
DUPLICATE = "47k_0.8V_10Hz_M2"  # byte for byte the file of M1
LEFT_OUT = "100Hz"


def folder() -> Path:
    """Where the loops are."""
    if "MEMSIM_DATA" not in os.environ:
        sys.exit("set MEMSIM_DATA to the folder that holds devices/knowm-sdc-hysteresis")
    return Path(os.environ["MEMSIM_DATA"]) / "devices" / "knowm-sdc-hysteresis"


def load(name: str) -> Record:
    """A loop with its drive over resistor and device."""
    resistance, frequency = re.match(r"(\d+)k_.*_(\d+)Hz_", name).groups()
    layout = Layout(
        units={"current": "uA"}, frequency=float(frequency), series_resistance=1e3 * float(resistance)
    )
    return read_record(folder() / f"{name}_resistor_memristor.csv", layout)


def loops() -> list[str]:
    """Names of all different loops."""
    names = [path.name.removesuffix("_memristor.csv") for path in sorted(folder().glob("*_memristor.csv"))]
    return [name for name in names if not name.endswith("_resistor") and name != DUPLICATE]


def describe(result: Fit) -> dict[str, Any]:
    """A fit as plain numbers."""
    return {
        "error": result.error,
        "errors": dict(
            zip(
                [r.name.removesuffix("_resistor_memristor") for r in result.records],
                result.errors,
                strict=True,
            )
        ),
        "aic": result.aic,
        "parameters": dict(result.device.values),
        "intervals": {name: list(ends) for name, ends in result.uncertainty.intervals.items()},
        "undetermined": list(result.uncertainty.undetermined),
        "initial": [dict(states) for states in result.initial],
        "polarity": result.polarity,
        "capacitance": result.capacitance,
        "same_minimum": result.same_minimum,
        "numerical_error": result.numerical_error,
        "seconds": result.seconds,
    }


def ranked(names: list[str]) -> dict[str, Fit]:
    """All models that `memsim fit` ranks, on the records of these names."""
    records = [load(name) for name in names]
    found = rank(records, [MODELS[model] for model in USUAL_MODELS], settings=SETTINGS, known=MODELS)
    return {one.fit.device.model: one.fit for one in found}


def together(names: list[str]) -> dict[str, Fit]:
    """Both models on the records of these names; the search of the second begins at the first."""
    done: dict[str, Fit] = {}
    records = [load(name) for name in names]
    fit_from_simpler(records, MODELS[TOGETHER[-1]], settings=SETTINGS, known=MODELS, done=done)
    return done


def timed(work: Callable[[list[str]], dict[str, Fit]], names: list[str]) -> dict[str, Any]:
    """Fits of several models with one parameter set for all records, and how long they took together."""
    began, cpu = time.perf_counter(), time.process_time()
    done = work(names)
    return {
        "models": {model: describe(one) for model, one in done.items()},
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
    }


def held_out(names: list[str]) -> dict[str, Any]:
    """Fits without one frequency, and their errors on it."""
    left = next(name for name in names if LEFT_OUT in name)
    done, record = together([name for name in names if name != left]), load(left)
    return {
        model: {
            "fitted": done[model].error,
            "held_out": error(record, predict(done[model], record)),
            "record": left,
        }
        for model in TOGETHER
    }


def summary(cases: dict[str, Any]) -> dict[str, Any]:
    """Median and worst errors."""
    table: dict[str, Any] = {"loops": len(cases)}
    for model in USUAL_MODELS:
        table[model] = median_and_worst([case["models"][model]["error"] for case in cases.values()])
    table["best model"] = median_and_worst([case["models"][best(case)]["error"] for case in cases.values()])
    table["first by AIC"] = median_and_worst(
        [next(iter(case["models"].values()))["error"] for case in cases.values()]
    )
    table["cpu_seconds"] = median_and_worst([case["cpu_seconds"] for case in cases.values()])
    table["largest cpu_seconds"] = table["cpu_seconds"]["worst"]
    return table


def median_and_worst(values: list[float]) -> dict[str, float]:
    """Of errors or times."""
    return {"median": float(np.median(values)), "worst": max(values)}


def best(case: dict[str, Any]) -> str:
    """The model with the smallest error."""
    return min(case["models"], key=lambda model: case["models"][model]["error"])


def main(parts: set[str]) -> None:
    """Run the parts that have no result yet."""
    path = RESULTS / "fits.json"
    result = json.loads(path.read_text()) if path.exists() else {}
    result = {key: result.get(key, {}) for key in ("summary", "single", "joint", "held_out")}
    result["settings"] = asdict(SETTINGS)

    def save() -> None:
        if result["single"]:
            result["summary"] = summary(result["single"])
        save_result("fits", "python benchmarks/fits.py", result)

    if "single" in parts:
        for name in loops():
            if name not in result["single"]:
                result["single"][name] = timed(ranked, [name])
                print(
                    name,
                    {m: f"{c['error']:.2%}" for m, c in result["single"][name]["models"].items()},
                    flush=True,
                )
                save()
    if "figure" in parts and result["single"]:
        plots.save(plots.fitted_loops(overlays(result["single"])), RESULTS / "fits.png")
    for label, names in SETS.items():
        for part, work in (("joint", partial(timed, together)), ("held_out", held_out)):
            if part.replace("_", "-") in parts and label not in result[part]:
                result[part][label] = work([name for name in names if name != DUPLICATE])
                print(part, label, result[part][label].get("seconds"), flush=True)
                save()


def overlays(single: dict[str, Any]) -> dict[str, Any]:
    """Measured and fitted current of every loop with its better model."""
    drawn = {}
    for name in loops():
        case = single[name]
        model = best(case)
        found, record = case["models"][model], load(name)
        device = MODELS[model](initial=found["initial"][0], **found["parameters"])
        title = f"{name.replace('_', ' ')}: {found['error']:.1%}\n{model}"
        y = transient_current(
            device, record, capacitance=found["capacitance"], polarity=found["polarity"], substeps=2
        )
        drawn[title] = plots.FittedLoop(record.device_voltage, record.current, record.voltage_at(y), y)
    return drawn


if __name__ == "__main__":
    main(set(sys.argv[1:]) or {"single", "joint", "held-out", "figure"})
