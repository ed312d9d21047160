from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from memsim.devices.base import Device
from memsim.errors import InputError
from memsim.files import write_text
from memsim.fit.fitting import Fit
from memsim.fit.ranking import Ranked
from memsim.fit.reading import periods
from memsim.fit.records import Record
from memsim.units import format_value


def write_card(
    path: str | Path, device: Device, *, description: str, source: str, drive: Record | None = None
) -> None:
    """Write a device as a card that `memsim.devices.load_card` reads.

    Args:
        path: ends in `.toml`.
        device: the device.
        description: what it is.
        source: where the numbers come from.
        drive: a record of whole periods whose drive shows the device.

    Raises:
        InputError: another suffix, or a folder that cannot be written to.
    """
    path = Path(path)
    if path.suffix != ".toml":
        raise InputError(f"a device card is a TOML file; {path.name!r} should end in .toml")
    card: dict[str, Any] = {
        "model": device.model,
        "description": description,
        "source": source,
        "parameters": {name: _rounded(value) for name, value in device.values.items()},
        "initial": {name: _rounded(value) for name, value in device.initial.items()},
    }
    if drive is not None and drive.closed:
        card["drive"] = {
            "amplitude": _rounded(float(np.abs(drive.drive).max())),
            "frequency": _rounded(periods(drive.drive) / drive.duration),
            "series_resistance": drive.series_resistance or 1.0,
        }
    write_text(path, tomli_w.dumps(card))


def describe(ranked: Ranked) -> dict[str, Any]:
    """A fit as plain numbers, in SI units."""
    fit = ranked.fit
    return {
        "model": fit.device.model,
        "error": fit.error,
        "errors": {
            f"{k + 1} {r.name}": e for k, (r, e) in enumerate(zip(fit.records, fit.errors, strict=True))
        },
        "held_out": dict(ranked.held_out),
        "aic": fit.aic,
        "samples": fit.samples,
        "parameters": dict(fit.device.values),
        "initial": [dict(states) for states in fit.initial],
        "capacitance": fit.capacitance,
        "terminals_swapped": fit.polarity < 0,
        **fit.uncertainty.as_dict(),
        "same_minimum": fit.same_minimum,
        "numerical_error": fit.numerical_error,
        "seconds": fit.seconds,
        "notes": {record.name: list(record.notes) for record in fit.records},
    }


def write_numbers(path: str | Path, ranked: Sequence[Ranked]) -> None:
    """All fits as JSON, best first."""
    write_text(path, json.dumps([describe(one) for one in ranked], indent=2) + "\n")


def table(ranked: Sequence[Ranked]) -> list[str]:
    """Models with their errors as lines for people, best first."""
    held_out = any(one.held_out for one in ranked)
    lines = [f"{'model':28} {'RMSE/peak':>9} {'AIC':>9}" + (f" {'held out':>9}" if held_out else "")]
    for one in ranked:
        line = f"{one.fit.device.model:28} {one.fit.error:9.2%} {one.fit.aic:9.1f}"
        lines.append(line + (f" {one.held_out_error:9.2%}" if held_out else ""))
    return lines


def parameters(fit: Fit) -> list[str]:
    """Fitted values with their intervals, and what to make of them."""
    values: dict[str, float] = {**fit.device.values, "capacitance": fit.capacitance}
    units = {name: spec.unit for name, spec in fit.device.parameters.items()} | {"capacitance": "F"}
    lines = []
    for name, (low, high) in fit.uncertainty.intervals.items():
        if name not in values:
            continue
        unit = units[name]
        ends = f"{format_value(low, unit, 3)} to {format_value(high, unit, 3)}"
        mark = "  (not determined by this data)" if name in fit.uncertainty.undetermined else ""
        lines.append(f"  {name:16} {format_value(values[name], unit):>14}   95 %: {ends}{mark}")
    close = _closest(fit)
    if close:
        lines.append(f"  most correlated: {close}")
    if fit.polarity < 0:
        lines.append("  the device sits with its terminals swapped: connect n where the source's plus is")
    if fit.numerical_error > 0.005:
        lines.append(
            f"  steps are coarse: a quarter of the step changes the current by {fit.numerical_error:.1%} of its peak; "
            "record more samples"
        )
    return lines


def _closest(fit: Fit) -> str:
    matrix = np.abs(fit.uncertainty.correlation - np.eye(len(fit.uncertainty.names)))
    if len(matrix) < 2:
        return ""
    row, column = np.unravel_index(int(matrix.argmax()), matrix.shape)
    names = fit.uncertainty.names
    return f"{names[row]} and {names[column]} ({fit.uncertainty.correlation[row, column]:+.3f})"


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
