"""Models fitted to the measured loops of Knowm's SDC memristors.

Each loop alone by the models that `memsim fit` ranks, all frequencies of a device at once, a frequency that took no
part, and loops made up after published fits of a third device, with noise, an offset and a capacitance.

Data: MEMSIM_DATA/devices/knowm-sdc-hysteresis (Knowm Inc., Memristor Discovery). Every case is saved as it ends, and a
run that was interrupted goes on where it stopped. Time is that of the processor: `memsim fit` shares it among cores,
and what a clock shows depends on what else runs.

    python benchmarks/fits.py [single] [joint] [held-out] [third-device] [figure]
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import product
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
# Fits of metastable switches to loops of device M3, which are not in the data; the slope voltage in V.
THIRD = {
    "5k": {"r_on": 2934.0, "r_off": 21e3, "v_on": 0.605, "v_off": -0.440, "tau": 43e-6, "slope": 0.075},
    "47k": {
        "r_on": 316.0,
        "r_off": 288e3,
        "v_on": 0.428,
        "v_off": -0.134,
        "tau": 0.53e-3,
        "slope": 0.034,
    },
}
THERMAL_VOLTAGE = 0.025693  # at 298.15 K
NOISE, OFFSET, CAPACITANCE = 0.01, 0.004, 2e-9  # of the peak, of the peak, in F


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


def made_up(name: str, frequency: float) -> Record:
    """The second period of the third device."""
    values, resistance = dict(THIRD[name]), 1e3 * float(name.removesuffix("k"))
    values["ideality"] = values.pop("slope") / THERMAL_VOLTAGE
    at, rng = np.arange(400) / (200 * frequency), np.random.default_rng(0)
    drive = 0.8 * np.sin(2 * np.pi * frequency * at + 0.5)
    two_periods = Record(name, at, drive, drive / resistance, resistance)
    device = MODELS["metastable-switch"](**values, initial={"x": 0.05})
    current = transient_current(device, two_periods, capacitance=CAPACITANCE, substeps=8)[200:]
    peak = float(np.abs(current).max())
    current = current + peak * (OFFSET + NOISE * rng.standard_normal(200))
    return Record(f"{name} {frequency:g}Hz", at[:200], drive[:200], current, resistance)


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


def ranked(records: list[Record]) -> dict[str, Fit]:
    """All models that `memsim fit` ranks, with one parameter set for all records."""
    found = rank(records, [MODELS[model] for model in USUAL_MODELS], settings=SETTINGS, known=MODELS)
    return {one.fit.device.model: one.fit for one in found}


def together(records: list[Record]) -> dict[str, Fit]:
    """Both models with one parameter set for all records; the search of the second begins at the first."""
    done: dict[str, Fit] = {}
    fit_from_simpler(records, MODELS[TOGETHER[-1]], settings=SETTINGS, known=MODELS, done=done)
    return done


def timed(work: Callable[[list[Record]], dict[str, Fit]], records: list[Record]) -> dict[str, Any]:
    """Fits of several models with one parameter set for all records, and how long they took together."""
    began, cpu = time.perf_counter(), time.process_time()
    done = work(records)
    return {
        "models": {model: describe(one) for model, one in done.items()},
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
    }


def held_out(names: list[str]) -> dict[str, Any]:
    """Fits without one frequency, and their errors on it."""
    left = next(name for name in names if LEFT_OUT in name)
    done, record = together([load(name) for name in names if name != left]), load(left)
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


def cases() -> Iterator[tuple[str, str, Callable[[], dict[str, Any]]]]:
    """Part, label and work of all cases."""
    for name in loops():
        yield "single", name, lambda name=name: timed(ranked, [load(name)])
    for name, frequency in product(THIRD, (1.0, 10.0, 100.0, 1000.0)):
        record = made_up(name, frequency)
        yield "third_device", record.name, lambda record=record: timed(ranked, [record])
    for label, names in SETS.items():
        different = [name for name in names if name != DUPLICATE]
        yield "joint", label, lambda names=different: timed(together, [load(name) for name in names])
        yield "held_out", label, lambda names=different: held_out(names)


def main(parts: set[str]) -> None:
    """Run the parts that have no result yet."""
    path = RESULTS / "fits.json"
    result = json.loads(path.read_text()) if path.exists() else {}
    result = {key: result.get(key, {}) for key in ("summary", "single", "third_device", "joint", "held_out")}
    result["settings"] = asdict(SETTINGS)
    for part, label, work in cases():
        if part.replace("_", "-") in parts and label not in result[part]:
            result[part][label] = work()
            print(part, label, flush=True)
            if result["single"]:
                result["summary"] = summary(result["single"])
            if result["third_device"]:
                result["summary"]["third device"] = summary(result["third_device"])
            save_result("fits", "python benchmarks/fits.py", result)
    if "figure" in parts and result["single"]:
        plots.save(plots.fitted_loops(overlays(result["single"])), RESULTS / "fits.png")


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
    main(set(sys.argv[1:]) or {"single", "joint", "held-out", "third-device", "figure"})
