"""Samples, and the measured half that they come from, beside the half held out, over many random halves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from memsim.plots import QuantilePair
from memsim.plots.style import COLOURS, styled
from memsim.variability import quantile_scale

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
TAILS = (0.001, 0.01, 0.99, 0.999)
ALL = "all"
FEWEST = 100
"""Cells of both halves that are compared."""
BEYOND = 5
"""Cells beyond a tail that is compared."""
RARE = 200
"""Events of both halves that a probability is compared from."""


class Comparison:
    """Differences of samples, and of the half that they come from, to the half held out; one row a split."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], list[tuple[Array, Array]]] = defaultdict(list)
        self.cells: dict[tuple[str, str], int] = {}
        self.chances: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
        self.pairs: dict[str, QuantilePair] = {}

    def quantiles(self, what: str, part: str, sampled: Array, measured: Array, other: Array) -> None:
        """Compare three distributions."""
        both = np.concatenate([measured, other])  # the same in all splits
        if len(both) < FEWEST or not len(sampled):
            return
        levels = LEVELS + TAILS
        scale = quantile_scale(both, levels)
        at = [np.quantile(values, levels) for values in (sampled, measured, other)]
        self.rows[what, part].append(((at[0] - at[1]) / scale, (at[2] - at[1]) / scale))
        self.cells[what, part] = len(both) // 2

    def probability(self, what: str, part: str, sampled: Mask, measured: Mask, other: Mask) -> None:
        """Compare three shares."""
        both = np.concatenate([measured, other])  # the same in all splits
        if RARE <= both.sum() <= len(both) - RARE:
            self.chances[what, part].append((sampled.mean(), measured.mean(), other.mean()))

    def found(self) -> dict[str, Any]:
        """Everything, by what was compared and by part."""
        result: dict[str, Any] = defaultdict(dict)
        for (what, part), rows in self.rows.items():
            model, other = (np.array(side) for side in zip(*rows, strict=True))
            cells = self.cells[what, part]
            result[what][part] = {
                "cells": cells,
                **{
                    str(level): {
                        "systematic": _short(model[:, k].mean()),
                        "error": _mean_and_most(model[:, k]),
                        "other_half": _mean_and_most(other[:, k]),
                    }
                    for k, level in enumerate(LEVELS + TAILS)
                    if self._counts((what, part), level)
                },
            }
        for (what, part), chances in self.chances.items():
            sampled, measured, other = np.array(chances).T
            result[f"{what} probability"][part] = {
                "measured": _short(measured.mean()),
                "systematic": _short((sampled - measured).mean() / measured.mean()),
                "error": _mean_and_most((sampled - measured) / measured.mean()),
                "other_half": _mean_and_most((other - measured) / measured.mean()),
            }
        return result

    def _counts(self, what: tuple[str, str], level: float) -> bool:
        return level in LEVELS or min(level, 1 - level) * self.cells[what] >= BEYOND

    def one_split(self) -> dict[str, Any]:
        """Largest error over all whole arrays in one split: its mean, and the range of 95 % of the splits."""
        result: dict[str, Any] = {}
        for kind, levels in (("quantiles", LEVELS), ("tails", TAILS)):
            shown = [k for k, level in enumerate(LEVELS + TAILS) if level in levels]
            errors = np.array(
                [
                    np.abs(rows)[:, :, k]
                    for (what, part), rows in self.rows.items()
                    for k in shown
                    if part == ALL and self._counts((what, part), (LEVELS + TAILS)[k])
                ]
            ).max(axis=0)
            result[kind] = {
                name: {"mean": float(side.mean()), "range": np.quantile(side, [0.025, 0.975]).tolist()}
                for name, side in zip(("samples", "other_half"), errors.T, strict=True)
            }
        return result


def _mean_and_most(differences: Array) -> list[float]:
    return [_short(np.abs(differences).mean()), _short(np.quantile(np.abs(differences), 0.975))]


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def worst(found: Mapping[str, Any]) -> dict[str, Any]:
    """Largest systematic error, and largest excess of the error over that between measured halves, and where."""
    result: dict[str, Any] = {}
    for scope in ("whole arrays", "parts"):
        for kind, levels in (("quantiles", LEVELS), ("tails", TAILS), ("probabilities", ())):
            rows = [
                (f"{what}, {part}, {level}" if level else f"{what}, {part}", row)
                for what, parts in found.items()
                for part, entry in parts.items()
                if (part == ALL) == (scope == "whole arrays")
                for level, row in (
                    [(str(n), entry[str(n)]) for n in levels if str(n) in entry]
                    if "cells" in entry
                    else [("", entry)] * (kind == "probabilities")
                )
            ]
            result.setdefault(scope, {})[kind] = {
                "systematic": _largest({name: abs(row["systematic"]) for name, row in rows}),
                "error": _largest({name: row["error"][0] for name, row in rows}),
                "other_half": _largest({name: row["other_half"][0] for name, row in rows}),
                "excess": _largest({name: row["error"][0] - row["other_half"][0] for name, row in rows}),
                "systematic_below_10_percent": sum(abs(row["systematic"]) < 0.1 for _, row in rows),
                "compared": len(rows),
            }
    return result


def worth_saving(found: Mapping[str, Any]) -> dict[str, Any]:
    """All of whole arrays; of the parts, which are many, what is systematically wrong by more than 5 %."""

    def wrong(row: Any) -> bool:
        return isinstance(row, dict) and abs(row["systematic"]) > 0.05

    saved: dict[str, Any] = {}
    for what, parts in found.items():
        for part, entry in parts.items():
            rows = {level: row for level, row in entry.items() if wrong(row)}
            if part == ALL or "cells" not in entry:
                saved.setdefault(what, {})[part] = entry
            elif rows:
                saved.setdefault(what, {})[part] = {"cells": entry["cells"], **rows}
    return saved


def _largest(values: Mapping[str, float]) -> dict[str, Any]:
    place = max(values, key=lambda name: values[name])
    return {"value": values[place], "at": place}


@styled
def errors(found: Mapping[str, Any]) -> Figure:
    """Mean error of samples over that of the other measured half, for everything compared; systematic errors beside."""
    figure = Figure(figsize=(9.6, 4.4))
    left, right = figure.subplots(1, 2)
    rows = [
        (what, part == ALL, entry[str(level)], level in TAILS)
        for what, parts in found.items()
        for part, entry in parts.items()
        if "cells" in entry
        for level in LEVELS + TAILS
        if str(level) in entry
    ]
    kinds = {"relaxation": "relax", "SET": "SET", "RESET": "RESET", "others": ""}
    for label, colour in zip(kinds, COLOURS, strict=False):
        for tail, marker in ((False, "o"), (True, "x")):
            own = [
                (row["other_half"][0], row["error"][0], whole)
                for what, whole, row, is_tail in rows
                if is_tail == tail and label == next(n for n, s in kinds.items() if what.startswith(s))
            ]
            x, y, whole = (100 * np.array(column, dtype=float) for column in zip(*own, strict=True))
            name = f"{label}, tails" if tail else f"{label}, 5 to 95 %"
            left.scatter(x, y, s=4 + 0.16 * whole, marker=marker, color=colour, linewidths=0.8, label=name)
    left.loglog()
    ends = [0.1, 300.0]
    left.plot(ends, ends, "-", color="0.6", linewidth=1.0)
    left.set(
        xlim=ends, ylim=ends, xlabel="error of the other measured half (%)", ylabel="error of samples (%)"
    )
    left.legend(fontsize=7)
    for index, (name, scope, tails) in enumerate(
        (("whole arrays", True, False), ("their tails", True, True), ("parts", False, False))
    ):
        shown = [
            100 * abs(row["systematic"]) for _, whole, row, tail in rows if (whole, tail) == (scope, tails)
        ]
        right.plot(np.sort(shown), np.linspace(0, 100, len(shown)), "-", color=COLOURS[index], label=name)
    right.axvline(10, color="0.6", linewidth=1.0)
    right.set(xlabel="systematic error (%)", ylabel="compared values below (%)", xlim=(0, 30))
    right.legend()
    return figure
