"""What halves do not tell: memory of the one cell that was followed, and conditions between the measured ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from variability_halves import LEVELS, TAILS, Array

from memsim.variability import (
    CycleStatistics,
    NoiseSpectrum,
    Pulse,
    Relaxation,
    SwitchingStatistics,
    quantile_errors,
    stanford,
)

TRACES = 64
LAGS = (1, 10, 100, 1000)


def over_time(folder: Path, rng: np.random.Generator) -> dict[str, Any]:
    """Memory of reads and cycles of the one cell that there is: measured, and the range of samples as long."""
    g = stanford.reads(folder)
    spectrum = NoiseSpectrum.estimate(g, stanford.READ_INTERVAL)
    waves = spectrum.sample(TRACES, len(g), stanford.READ_INTERVAL, rng)
    columns = dict(zip(("low", "high"), stanford.endurance(folder), strict=True))
    cycles = CycleStatistics.estimate(**columns).sample(TRACES, len(columns["low"]), rng)
    measured = g / g.mean() - 1
    first, second = np.split(measured, 2)
    part = NoiseSpectrum.estimate(g[: len(first)], stanford.READ_INTERVAL)
    again = part.sample(TRACES, len(second), stanford.READ_INTERVAL, rng)
    return {
        "spectrum": {name: getattr(spectrum, name) for name in ("white", "flicker", "exponent")},
        "reads": _memory(measured, waves),
        "second half of the reads, from the first": {
            str(level): {"error": float(error), "other_half": float(other)}
            for level, error, other in zip(
                LEVELS + TAILS,
                *(
                    quantile_errors(one - one.mean(-1, keepdims=True), second - second.mean(), LEVELS + TAILS)
                    for one in (again, first)
                ),
                strict=True,
            )
        },
        **{
            f"{name} resistance": _memory(np.log10(columns[name]), np.log10(cycles[name])) for name in columns
        },
    }


def _memory(measured: Array, sampled: Array) -> dict[str, Any]:
    """Autocorrelations, and standard deviations of means over blocks; samples as 2.5, 50 and 97.5 %."""

    def numbers(row: Array) -> dict[str, float]:
        row = row - row.mean()
        blocks = {n: row[: len(row) // n * n].reshape(-1, n).mean(axis=1) for n in LAGS}
        return {f"autocorrelation at {n}": float(np.mean(row[n:] * row[:-n]) / row.var()) for n in LAGS} | {
            f"deviation of means of {n}": float(blocks[n].std()) for n in LAGS
        }

    many = [numbers(row) for row in sampled]
    return {
        name: {
            "measured": value,
            "sampled": np.quantile([one[name] for one in many], [0.025, 0.5, 0.975]).tolist(),
        }
        for name, value in numbers(measured).items()
    }


def left_out(folder: Path, rng: np.random.Generator) -> dict[str, Any]:
    """Times and widths that the model was not given, between those that it was."""
    g, later = stanford.relaxation(folder)
    result: dict[str, Any] = {}
    for time in (0.1, 1.0):
        model = Relaxation.estimate(g, {t: after for t, after in later.items() if t != time})
        source = torch.Generator().manual_seed(0)
        drawn = model.at(time)(torch.tensor(g), source).numpy() - g
        found = quantile_errors(drawn, later[time] - g, LEVELS + TAILS)
        result[f"relaxation after {time:g} s"] = dict(
            zip(map(str, LEVELS + TAILS), found.tolist(), strict=True)
        )
    for kind, voltage in (("set", 1.0), ("reset", 3.0)):
        p = stanford.pulses(folder, kind)
        done = (p["after"] < stanford.SET_RESISTANCE) == (kind == "set")
        for width in np.unique(p["width"])[1:-1]:
            given = p["width"] != width
            columns = {name: p[name][given] for name in ("gate", "width", "voltage")}
            statistics = SwitchingStatistics.estimate(
                columns, p["before"][given], p["after"][given], done[given]
            )
            like = ~given & (p["voltage"] == voltage)
            pulse = Pulse(p["gate"][like], width, voltage)
            _, switched = statistics.sample(p["before"][like], pulse, rng)
            result[f"{kind.upper()}, {voltage:g} V, {width * 1e9:g} ns"] = {
                "sampled": float(switched.mean()),
                "measured": float(done[like].mean()),
                "standard_error": float(np.sqrt(done[like].mean() * (1 - done[like].mean()) / like.sum())),
            }
    return result
