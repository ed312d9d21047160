"""Samples beside measured arrays: relaxation, read noise, SET and RESET pulses, endurance.

Half of the cells make the tables, the other half is what their samples are compared with. Errors of quantiles are
relative to the measured distance from the median; beside them stand those of the two measured halves against each
other, which no sampling can beat. Data: MEMSIM_DATA/devices/stanford-rram-*.

    python benchmarks/variability.py
"""

from __future__ import annotations

import os
import sys
import time
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
    quantile_errors,
    stanford,
)

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
TAILS = (0.001, 0.01, 0.99, 0.999)
REPEATS = 8
NAMES = ("gate", "width", "voltage")


def halves(count: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Indices of two halves."""
    order = rng.permutation(count)
    return order[::2], order[1::2]


def compare(sampled: Any, measured: Any, other: Any) -> dict[str, Any]:
    """Errors of quantiles of the samples, and those of the other measured half."""
    return {
        "quantile_errors": dict(
            zip(map(str, LEVELS), quantile_errors(sampled, measured, LEVELS).tolist(), strict=True)
        ),
        "tail_errors": dict(
            zip(map(str, TAILS), quantile_errors(sampled, measured, TAILS).tolist(), strict=True)
        ),
        "other_half": dict(
            zip(map(str, LEVELS), quantile_errors(other, measured, LEVELS).tolist(), strict=True)
        ),
        "other_half_tails": dict(
            zip(map(str, TAILS), quantile_errors(other, measured, TAILS).tolist(), strict=True)
        ),
        "samples": len(measured),
    }


def relaxation(folder: Path, rng: np.random.Generator, pairs: dict[str, QuantilePair]) -> dict[str, Any]:
    """Change of conductance at each time, over all cells."""
    g, later = stanford.relaxation(folder)
    known, unseen = halves(len(g), rng)
    table = Relaxation.estimate(g[known], {t: after[known] for t, after in later.items()})
    drawn = table.sample(np.tile(g[unseen], REPEATS), rng) - np.tile(g[unseen], REPEATS)
    result = {}
    for k, t in enumerate(table.times):
        measured, other = later[t][unseen] - g[unseen], later[t][known] - g[known]
        result[f"{t:g} s"] = compare(drawn[k], measured, other)
        if t in {1.0, 1e5}:
            pairs[f"relaxation after {t:g} s"] = QuantilePair(drawn[k] * 1e6, measured * 1e6, "change (µS)")
    return result


def read_noise(folder: Path, rng: np.random.Generator, pairs: dict[str, QuantilePair]) -> dict[str, Any]:
    """Deviations, and steps from read to read, of a trace of one cell."""
    g = stanford.reads(folder)
    spectrum = NoiseSpectrum.estimate(g, stanford.READ_INTERVAL)
    waves = spectrum.sample(REPEATS, len(g), stanford.READ_INTERVAL, rng)
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
    folder: Path, kind: str, rng: np.random.Generator, pairs: dict[str, QuantilePair]
) -> dict[str, Any]:
    """Probability at the conditions with the most pulses, and resistance after the pulse."""
    p = stanford.pulses(folder, kind)
    low = p["after"] < stanford.SET_RESISTANCE
    done = low if kind == "set" else ~low
    known, unseen = halves(len(done), rng)
    before, after = np.log10(p["before"]), np.log10(p["after"])
    table = SwitchingStatistics.estimate(
        {n: p[n][known] for n in NAMES}, p["before"][known], p["after"][known], done[known]
    )
    drawn, switched = np.empty(len(unseen)), np.empty(len(unseen), bool)
    conditions, member = np.unique(np.stack([p[n][unseen] for n in NAMES], 1), axis=0, return_inverse=True)
    for k, condition in enumerate(conditions):
        own = member == k
        drawn[own], switched[own] = table.sample(p["before"][unseen][own], Pulse(*condition), rng)
    drawn = np.log10(drawn)
    result: dict[str, Any] = {
        "probability": {
            "sampled": float(switched.mean()),
            "measured": float(done[unseen].mean()),
            "other_half": float(done[known].mean()),
        },
        "by_voltage": by_condition(p, unseen, known, done, switched, "voltage"),
        "by_width": by_condition(p, unseen, known, done, switched, "width"),
    }
    for name, mine, theirs, others in (
        ("switched", switched, done[unseen], done[known]),
        ("kept", ~switched, ~done[unseen], ~done[known]),
    ):
        result[name] = compare(drawn[mine], after[unseen][theirs], after[known][others])
        result[name]["correlation with before"] = {
            "sampled": float(np.corrcoef(before[unseen][mine], drawn[mine])[0, 1]),
            "measured": float(np.corrcoef(before[unseen][theirs], after[unseen][theirs])[0, 1]),
        }
        pairs[f"{kind.upper()}, cells that {name}"] = QuantilePair(
            drawn[mine], after[unseen][theirs], "log10 resistance (Ω)"
        )
    return result


def by_condition(  # noqa: PLR0917 - columns of one table
    p: dict[str, Any], unseen: Any, known: Any, done: Any, switched: Any, name: str
) -> dict[str, Any]:
    """Probabilities by one of the pulse's properties."""
    rows = {}
    for value in np.unique(p[name]):
        mine, others = p[name][unseen] == value, p[name][known] == value
        rows[f"{value:g}"] = {
            "sampled": float(switched[mine].mean()),
            "measured": float(done[unseen][mine].mean()),
            "other_half": float(done[known][others].mean()),
            "pulses": int(mine.sum()),
        }
    return rows


def endurance(folder: Path, rng: np.random.Generator, pairs: dict[str, QuantilePair]) -> dict[str, Any]:
    """Low and high resistance over a million cycles of one cell: odd records make the table."""
    columns = dict(zip(("low", "high"), stanford.endurance(folder), strict=True))
    table = CycleStatistics.estimate(columns["low"][::2], columns["high"][::2])
    drawn = table.sample(REPEATS, 5_000, rng)
    result: dict[str, Any] = {"memory": table.memory.tolist()}
    for name, column in columns.items():
        sampled, measured = np.log10(drawn[name]).ravel(), np.log10(column[1::2])
        result[name] = compare(sampled, measured, np.log10(column[::2]))
        pairs[f"endurance, {name} resistance"] = QuantilePair(sampled, measured, "log10 resistance (Ω)")
    return result


def main() -> None:
    """Everything, saved with a figure."""
    if "MEMSIM_DATA" not in os.environ:
        sys.exit("set MEMSIM_DATA to the folder that holds devices/stanford-rram-64k")
    folder, rng, pairs = Path(os.environ["MEMSIM_DATA"]) / "devices", np.random.default_rng(0), {}
    began = time.process_time()
    result: dict[str, Any] = {
        "relaxation": relaxation(folder, rng, pairs),
        "read_noise": read_noise(folder, rng, pairs),
        "set": switching(folder, "set", rng, pairs),
        "reset": switching(folder, "reset", rng, pairs),
        "endurance": endurance(folder, rng, pairs),
        "stuck": {
            str(chip): StuckDistribution.estimate(stanford.stuck(folder, chip), stanford.CELLS).rate
            for chip in (13, 14)
        },
    }
    result["cpu_seconds"] = time.process_time() - began
    save_result("variability", "python benchmarks/variability.py", result)
    plots.save(plots.quantile_quantile(pairs), RESULTS / "variability.png")


if __name__ == "__main__":
    main()
