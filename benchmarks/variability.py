"""Samples beside measured arrays: relaxation, read noise, SET and RESET pulses, endurance.

`reproduced` estimates from the whole array and compares samples with that array. `held_out` estimates from half of the
cells and compares with the other half; beside those errors stand those of the two measured halves against each other,
which no sampling can beat. Errors of quantiles are relative to the measured distance from the median. Data:
MEMSIM_DATA/devices/stanford-rram-*.

    python benchmarks/variability.py
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, save_result

from memsim import plots
from memsim.plots import QuantilePair
from memsim.variability import (
    CycleStatistics,
    NoiseSpectrum,
    Pulse,
    Relaxation,
    StuckDistribution,
    SwitchingStatistics,
    halves,
    quantile_errors,
    stanford,
)

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
TAILS = (0.001, 0.01, 0.99, 0.999)
REPEATS = 8
TRACES = 64
Pairs = dict[str, QuantilePair]
Split = Callable[[int], tuple[Any, Any]]
NAMES = ("gate", "width", "voltage")


def compare(sampled: Any, measured: Any, other: Any) -> dict[str, Any]:
    """Errors of quantiles of the samples, and those of the cells that they were estimated from."""
    rows = {}
    for name, levels in (("quantile_errors", LEVELS), ("tail_errors", TAILS)):
        rows[name] = dict(
            zip(map(str, levels), quantile_errors(sampled, measured, levels).tolist(), strict=True)
        )
        floor = quantile_errors(other, measured, levels).tolist()
        rows[f"other_half_{name}"] = dict(zip(map(str, levels), floor, strict=True))
    return {**rows, "samples": len(measured)}


def relaxation(folder: Path, split: Split, rng: np.random.Generator, pairs: Pairs) -> dict[str, Any]:
    """Change of conductance at each time, over all cells."""
    g, later = stanford.relaxation(folder)
    known, unseen = split(len(g))
    table = Relaxation.estimate(g[known], {t: after[known] for t, after in later.items()})
    drawn = table.sample(np.tile(g[unseen], REPEATS), rng) - np.tile(g[unseen], REPEATS)
    result = {}
    for k, t in enumerate(table.times):
        measured, other = later[t][unseen] - g[unseen], later[t][known] - g[known]
        result[f"{t:g} s"] = compare(drawn[k], measured, other)
        if t in {1.0, 1e5}:
            pairs[f"relaxation after {t:g} s"] = QuantilePair(drawn[k] * 1e6, measured * 1e6, "change (µS)")
    return result


def read_noise(folder: Path, rng: np.random.Generator, pairs: Pairs) -> dict[str, Any]:
    """Deviations, and steps from read to read, of a trace of one cell: it has no cells to hold out."""
    g = stanford.reads(folder)
    spectrum = NoiseSpectrum.estimate(g, stanford.READ_INTERVAL)
    waves = spectrum.sample(TRACES, len(g), stanford.READ_INTERVAL, rng)
    waves -= waves.mean(axis=1, keepdims=True)
    measured = g / g.mean() - 1
    pairs["read noise"] = QuantilePair(waves.ravel() * 100, measured * 100, "deviation (%)")
    first, second = measured[: len(g) // 2], measured[len(g) // 2 :]
    return {
        "white": spectrum.white,
        "flicker": spectrum.flicker,
        "exponent": spectrum.exponent,
        "deviations": compare(waves.ravel(), measured, first - first.mean()),
        "steps": compare(np.diff(waves).ravel(), np.diff(measured), np.diff(second)),
    }


def switching(
    folder: Path, kind: str, split: Split, rng: np.random.Generator, pairs: Pairs
) -> dict[str, Any]:
    """Probability by voltage and width, and resistance after the pulse."""
    p = stanford.pulses(folder, kind)
    low = p["after"] < stanford.SET_RESISTANCE
    done = low if kind == "set" else ~low
    known, unseen = split(len(done))
    before, after = np.log10(p["before"]), np.log10(p["after"])
    table = SwitchingStatistics.estimate(
        {n: p[n][known] for n in NAMES}, p["before"][known], p["after"][known], done[known]
    )
    again = np.tile(unseen, REPEATS)
    drawn, switched = table.sample(p["before"][again], Pulse(*(p[n][again] for n in NAMES)), rng)
    drawn = np.log10(drawn)
    result: dict[str, Any] = {
        "probability": {
            "sampled": float(switched.mean()),
            "measured": float(done[unseen].mean()),
            "other_half": float(done[known].mean()),
        },
        "by_voltage": by_condition(p, (known, unseen, again), done, switched, "voltage"),
        "by_width": by_condition(p, (known, unseen, again), done, switched, "width"),
    }
    for name, mine, theirs, others in (
        ("switched", switched, done[unseen], done[known]),
        ("kept", ~switched, ~done[unseen], ~done[known]),
    ):
        result[name] = compare(drawn[mine], after[unseen][theirs], after[known][others])
        result[name]["correlation with before"] = {
            "sampled": float(np.corrcoef(before[again][mine], drawn[mine])[0, 1]),
            "measured": float(np.corrcoef(before[unseen][theirs], after[unseen][theirs])[0, 1]),
        }
        pairs[f"{kind.upper()}, cells that {name}"] = QuantilePair(
            drawn[mine], after[unseen][theirs], "log10 resistance (Ω)"
        )
    return result


def by_condition(
    p: dict[str, Any], cells: tuple[Any, Any, Any], done: Any, switched: Any, name: str
) -> dict[str, Any]:
    """Probabilities by one of the pulse's properties, of cells known, unseen, and sampled again and again."""
    known, unseen, again = cells
    return {
        f"{value:g}": {
            "sampled": float(switched[p[name][again] == value].mean()),
            "measured": float(done[unseen][p[name][unseen] == value].mean()),
            "other_half": float(done[known][p[name][known] == value].mean()),
            "pulses": int((p[name][unseen] == value).sum()),
        }
        for value in np.unique(p[name])
    }


def endurance(folder: Path, split: Split, rng: np.random.Generator, pairs: Pairs) -> dict[str, Any]:
    """Low and high resistance over a million cycles of one cell."""
    columns = dict(zip(("low", "high"), stanford.endurance(folder), strict=True))
    known, unseen = (np.sort(part) for part in split(len(columns["low"])))
    table = CycleStatistics.estimate(columns["low"][known], columns["high"][known])
    drawn = table.sample(REPEATS, 5_000, rng)
    result: dict[str, Any] = {"memory": table.memory.tolist()}
    for name, column in columns.items():
        sampled, measured = np.log10(drawn[name]).ravel(), np.log10(column[unseen])
        result[name] = compare(sampled, measured, np.log10(column[known]))
        pairs[f"endurance, {name} resistance"] = QuantilePair(sampled, measured, "log10 resistance (Ω)")
    return result


def worst(parts: dict[str, Any]) -> dict[str, float]:
    """Largest error of a quantile, of a tail, and of a probability, over everything compared."""
    found = {"quantile": 0.0, "tail": 0.0, "probability": 0.0}

    def look(part: Any) -> None:
        if not isinstance(part, dict):
            return
        if "quantile_errors" in part:
            found["quantile"] = max(found["quantile"], *part["quantile_errors"].values())
            found["tail"] = max(found["tail"], *part["tail_errors"].values())
        if "probability" in part:
            sampled, measured = (part["probability"][key] for key in ("sampled", "measured"))
            found["probability"] = max(found["probability"], abs(sampled / measured - 1))
        for inner in part.values():
            look(inner)

    look(parts)
    return found


def main() -> None:
    """Everything, saved with a figure."""
    if "MEMSIM_DATA" not in os.environ:
        sys.exit("set MEMSIM_DATA to the folder that holds devices/stanford-rram-64k")
    folder, rng = Path(os.environ["MEMSIM_DATA"]) / "devices", np.random.default_rng(0)
    began, result = time.process_time(), {}
    splits: dict[str, Split] = {
        "held_out": lambda count: halves(count, rng),
        "reproduced": lambda count: (np.arange(count), np.arange(count)),
    }
    for name, split in splits.items():
        pairs: Pairs = {}
        result[name] = {
            "relaxation": relaxation(folder, split, rng, pairs),
            "set": switching(folder, "set", split, rng, pairs),
            "reset": switching(folder, "reset", split, rng, pairs),
            "endurance": endurance(folder, split, rng, pairs),
        }
    result["reproduced"]["read_noise"] = read_noise(folder, rng, pairs)
    result["stuck"] = {
        str(chip): StuckDistribution.estimate(stanford.stuck(folder, chip), stanford.CELLS).rate
        for chip in (13, 14)
    }
    result["worst"] = {name: worst(result[name]) for name in splits}
    result["cpu_seconds"] = time.process_time() - began
    print(result["worst"])
    save_result("variability", "python benchmarks/variability.py", result)
    plots.save(plots.quantile_quantile(pairs), RESULTS / "variability.png")


if __name__ == "__main__":
    main()
