"""Samples beside measured arrays: relaxation, SET and RESET pulses, read noise, stuck cells, endurance.

Half of the cells, drawn at random, make the model; its samples are compared with the other half, and so is the first
half itself, which says how far apart two measured halves are. Both many times: the mean of the signed difference is
what is wrong with the model (`systematic`), the mean of its size (`error`, with the value that 97.5 % of the halves
stay below) holds the chance of both halves, too. Differences of quantiles are relative to the distance of the measured
quantile from the median. All cells are compared, and parts of them: by programmed conductance, voltage, gate and
width. Levels with fewer than 5 cells beyond are left out. Data: MEMSIM_DATA/devices/stanford-rram-*.

    python benchmarks/variability.py
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from common import RESULTS, save_result
from variability_beyond import left_out, over_time
from variability_halves import ALL, Array, Comparison, Mask, errors, worst, worth_saving

from memsim import plots
from memsim.plots import QuantilePair
from memsim.variability import (
    CycleStatistics,
    Pulse,
    Relaxation,
    StuckDistribution,
    SwitchingStatistics,
    halves,
    reread_noise,
    stanford,
)

SPLITS = 200
REPEATS = 2
GROUPS = 8
NAMES = ("gate", "width", "voltage")


def relaxation(folder: Path, rng: np.random.Generator, found: Comparison) -> Iterator[None]:
    """Change of conductance at each time, by programmed conductance."""
    g, later = stanford.relaxation(folder)
    ends = np.quantile(g, np.linspace(0, 1, GROUPS + 1))
    parts = {ALL: np.ones(len(g), bool)} | {
        f"{low * 1e6:.0f} to {high * 1e6:.0f} µS": (g >= low) & (g <= high) for low, high in pairwise(ends)
    }
    while True:
        known, unseen = halves(len(g), rng)
        table = Relaxation.estimate(g[known], {t: after[known] for t, after in later.items()})
        again = np.tile(unseen, REPEATS)
        drawn = table.sample(g[again], rng) - g[again]
        for k, t in enumerate(table.times):
            change = later[t] - g
            for part, cells in parts.items():
                sampled, measured, other = (
                    drawn[k][cells[again]],
                    change[unseen][cells[unseen]],
                    change[known][cells[known]],
                )
                found.quantiles(f"relaxation after {t:g} s", part, sampled, measured, other)
            if t in {1.0, 1e5}:
                found.pairs[f"relaxation after {t:g} s"] = QuantilePair(
                    drawn[k] * 1e6, change[unseen] * 1e6, "change (µS)"
                )
        yield


def switching(folder: Path, kind: str, rng: np.random.Generator, found: Comparison) -> Iterator[None]:
    """Probability and resistance after the pulse, by voltage, gate and width."""
    p = stanford.pulses(folder, kind)
    low = p["after"] < stanford.SET_RESISTANCE
    done = low if kind == "set" else ~low
    after = np.log10(p["after"])
    parts = _pulse_parts(p)
    while True:
        known, unseen = halves(len(done), rng)
        table = SwitchingStatistics.estimate(
            {n: p[n][known] for n in NAMES}, p["before"][known], p["after"][known], done[known]
        )
        again = np.tile(unseen, REPEATS)
        drawn, switched = table.sample(p["before"][again], Pulse(*(p[n][again] for n in NAMES)), rng)
        drawn = np.log10(drawn)
        sides = {"switched": (switched, done), "kept": (~switched, ~done)}
        for part, cells in parts.items():
            mine, theirs, others = cells[again], cells[unseen], cells[known]
            found.probability(kind.upper(), part, switched[mine], done[unseen][theirs], done[known][others])
            for side, (sampled, measured) in sides.items():
                found.quantiles(
                    f"{kind.upper()}, cells that {side}",
                    part,
                    drawn[mine & sampled],
                    after[unseen][theirs & measured[unseen]],
                    after[known][others & measured[known]],
                )
        for side, (sampled, measured) in sides.items():
            found.pairs[f"{kind.upper()}, cells that {side}"] = QuantilePair(
                drawn[sampled], after[unseen][measured[unseen]], "log10 resistance (Ω)"
            )
        yield


def _pulse_parts(p: Mapping[str, Array]) -> dict[str, Mask]:
    """All pulses, those of one voltage or width, of a quarter of the gates, and of a voltage with either."""
    ends = np.quantile(p["gate"], np.linspace(0, 1, 5))
    ends[-1] += 1e-9
    voltage = {f"{v:g} V": p["voltage"] == v for v in np.unique(p["voltage"])}
    width = {f"{w * 1e9:g} ns": p["width"] == w for w in np.unique(p["width"])}
    gate = {
        f"gate {low:.1f} to {high:.1f} V": (p["gate"] >= low) & (p["gate"] < high)
        for low, high in pairwise(ends)
    }
    both = {
        f"{one}, {other}": voltage[one] & cells for one in voltage for other, cells in (width | gate).items()
    }
    return {ALL: np.ones(len(p["gate"]), bool), **voltage, **width, **gate, **both}


def rereads(folder: Path, rng: np.random.Generator, found: Comparison) -> Iterator[None]:
    """Differences of two reads of many cells, with a pulse of 0.5 V between them that switches none."""
    low, high = (stanford.pulses(folder, kind) for kind in ("set", "reset"))
    before, after = (
        np.concatenate([1 / p[name][p["voltage"] == 0.5] for p in (low, high)])
        for name in ("before", "after")
    )
    middle, change = (before + after) / 2, after - before
    parts = {ALL: middle > 0, "off": middle < 50e-6, "on": middle > 50e-6}
    source = torch.Generator().manual_seed(0)
    while True:
        known, unseen = halves(len(change), rng)
        noise = reread_noise(before[known], after[known])
        again = np.tile(unseen, REPEATS)
        first, second = noise.perturbed(torch.from_numpy(middle[again]), (2,), source).numpy()
        for part, cells in parts.items():
            found.quantiles(
                "cells read twice",
                part,
                (second - first)[cells[again]],
                change[unseen][cells[unseen]],
                change[known][cells[known]],
            )
        found.pairs["cells read twice"] = QuantilePair(
            (second - first) * 1e6, change[unseen] * 1e6, "difference (µS)"
        )
        yield


def stuck(folder: Path, rng: np.random.Generator, found: Comparison) -> Iterator[None]:
    """Conductances of cells that cannot be programmed, of each chip."""
    chips = {chip: stanford.stuck(folder, chip) for chip in (13, 14)}
    while True:
        for chip, resistance in chips.items():
            known, unseen = halves(len(resistance), rng)
            table = StuckDistribution.estimate(resistance[known], stanford.CELLS)
            drawn = table.conductance(rng.standard_normal(REPEATS * len(unseen)))
            sides = (1 / resistance[unseen], 1 / resistance[known])
            found.quantiles(f"stuck cells of chip {chip}", ALL, drawn, *sides)
        yield


def endurance(folder: Path, rng: np.random.Generator, found: Comparison) -> Iterator[None]:
    """Low and high resistance over a million cycles of one cell; halves of its cycles."""
    columns = dict(zip(("low", "high"), stanford.endurance(folder), strict=True))
    while True:
        known, unseen = (np.sort(part) for part in halves(len(columns["low"]), rng))
        table = CycleStatistics.estimate(columns["low"][known], columns["high"][known])
        drawn = table.sample(REPEATS * len(unseen) // 2, 2, rng)
        for name, column in columns.items():
            sampled, measured = np.log10(drawn[name]).ravel(), np.log10(column[unseen])
            found.quantiles(f"endurance, {name} resistance", ALL, sampled, measured, np.log10(column[known]))
            found.pairs[f"endurance, {name} resistance"] = QuantilePair(
                sampled, measured, "log10 resistance (Ω)"
            )
        yield


def main() -> None:
    """Everything, saved with two figures."""
    if "MEMSIM_DATA" not in os.environ:
        sys.exit("set MEMSIM_DATA to the folder that holds devices/stanford-rram-64k")
    folder, rng = Path(os.environ["MEMSIM_DATA"]) / "devices", np.random.default_rng(0)
    began, compared = time.process_time(), Comparison()
    sources = [
        relaxation(folder, rng, compared),
        switching(folder, "set", rng, compared),
        switching(folder, "reset", rng, compared),
        rereads(folder, rng, compared),
        stuck(folder, rng, compared),
        endurance(folder, rng, compared),
    ]
    for split in range(SPLITS):
        for source in sources:
            next(source)
        print(f"\rsplit {split + 1} of {SPLITS}", end="", flush=True)
    found = compared.found()
    result = {
        "splits": SPLITS,
        "worst": worst(found),
        "worst_of_a_split": compared.one_split(),
        "over_time": over_time(folder, rng),
        "left_out": left_out(folder, rng),
        "stuck": {
            str(chip): StuckDistribution.estimate(stanford.stuck(folder, chip), stanford.CELLS).rate
            for chip in (13, 14)
        },
        "found": worth_saving(found),
        "cpu_seconds": time.process_time() - began,
    }
    print("", result["worst"], result["worst_of_a_split"], sep="\n")
    save_result("variability", "python benchmarks/variability.py", result)
    plots.save(plots.quantile_quantile(compared.pairs), RESULTS / "variability.png")
    plots.save(errors(found), RESULTS / "variability_halves.png")


if __name__ == "__main__":
    main()
