"""Models fitted to the measured loops of Knowm's SDC memristors.

Each loop alone, all frequencies of a device at once, and a frequency that took no part. Data:
MEMSIM_DATA/devices/knowm-sdc-hysteresis (Knowm Inc., Memristor Discovery). Every case is saved as it ends, and a
run that was interrupted goes on where it stopped.

    python benchmarks/fits.py [single] [joint] [held-out] [figure]
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, save_result

from memsim import plots
from memsim.devices import MODELS
from memsim.fit import (
    Fit,
    Layout,
    Record,
    Settings,
    error,
    fit_from_simpler,
    predict,
    read_record,
    transient_current,
)

MODELS_TRIED = ("metastable-switch", "spread-switch")
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


def fits_of(names: list[str]) -> dict[str, Fit]:
    """Both models on the records of these names; the search of the second begins at the first."""
    done: dict[str, Fit] = {}
    records = [load(name) for name in names]
    fit_from_simpler(records, MODELS[MODELS_TRIED[-1]], settings=SETTINGS, known=MODELS, done=done)
    return done


def fitted(names: list[str]) -> dict[str, Any]:
    """Fits of every model with one parameter set for all records, and how long they took together."""
    began, cpu = time.perf_counter(), time.process_time()
    done = fits_of(names)
    return {
        "models": {model: describe(done[model]) for model in MODELS_TRIED},
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
    }


def held_out(names: list[str]) -> dict[str, Any]:
    """Fits without one frequency, and their errors on it."""
    left = next(name for name in names if LEFT_OUT in name)
    done, record = fits_of([name for name in names if name != left]), load(left)
    return {
        model: {
            "fitted": done[model].error,
            "held_out": error(record, predict(done[model], record)),
            "record": left,
        }
        for model in MODELS_TRIED
    }


def summary(single: dict[str, Any]) -> dict[str, Any]:
    """Median and worst errors."""
    table: dict[str, Any] = {"loops": len(single)}
    for model in MODELS_TRIED:
        errors = [case["models"][model]["error"] for case in single.values()]
        table[model] = {"median": float(np.median(errors)), "worst": max(errors)}
    best = [min(case["models"][m]["error"] for m in MODELS_TRIED) for case in single.values()]
    table["best model"] = {"median": float(np.median(best)), "worst": max(best)}
    table["largest cpu_seconds"] = max(case["cpu_seconds"] for case in single.values())
    return table


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
                result["single"][name] = fitted([name])
                print(
                    name,
                    {m: f"{c['error']:.2%}" for m, c in result["single"][name]["models"].items()},
                    flush=True,
                )
                save()
    if "figure" in parts and result["single"]:
        plots.save(plots.fitted_loops(overlays(result["single"])), RESULTS / "fits.png")
    for label, names in SETS.items():
        for part, work in (("joint", fitted), ("held_out", held_out)):
            if part.replace("_", "-") in parts and label not in result[part]:
                result[part][label] = work([name for name in names if name != DUPLICATE])
                print(part, label, result[part][label].get("seconds"), flush=True)
                save()


def overlays(single: dict[str, Any]) -> dict[str, Any]:
    """Measured and fitted current of every loop with its better model."""
    drawn = {}
    for name in loops():
        case = single[name]
        model = min(MODELS_TRIED, key=lambda m: case["models"][m]["error"])
        found, record = case["models"][model], load(name)
        device = MODELS[model](initial=found["initial"][0], **found["parameters"])
        title = f"{name.replace('_', ' ')}: {found['error']:.1%}"
        y = transient_current(
            device, record, capacitance=found["capacitance"], polarity=found["polarity"], substeps=2
        )
        drawn[title] = plots.FittedLoop(record.device_voltage, record.current, record.voltage_at(y), y)
    return drawn


if __name__ == "__main__":
    main(set(sys.argv[1:]) or {"single", "joint", "held-out", "figure"})
