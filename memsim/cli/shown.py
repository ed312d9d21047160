"""What a run gave, for people and for scripts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import xarray as xr

MOST = 8
"""Waveforms that are shown where a run does not say which matter."""
_AXES = ("time", "frequency", "sweep", "point")


def show(name: str, data: xr.Dataset) -> None:
    """Print how many points an analysis has, the range of its waveforms, and its numbers."""
    curves, numbers = _names(data)
    points = _points(data)
    many = "1 point" if points == 1 else f"{points} points"
    typer.echo(
        f"{data.attrs['engine']}{f', {name}' if name else ''}: {many}, {len(data.data_vars)} waveforms"
    )
    for one in data.attrs.get("show") or curves[:MOST]:
        typer.echo(f"  {one:16} {_line(data[one])}")
    for one in numbers[: None if not curves else MOST]:
        typer.echo(f"  {one:16} {_with_unit(_real(data[one]), data[one].attrs['units'], 5):>12}")


def summary(data: xr.Dataset) -> dict[str, Any]:
    """The same for JSON: complex waveforms by their magnitudes."""
    curves, numbers = _names(data)
    found: dict[str, Any] = {"points": _points(data), "waveforms": dict(_ranges(data, curves))}
    if numbers:
        found["numbers"] = {
            name: {"units": data[name].attrs["units"], "value": _finite(_real(data[name]))}
            for name in numbers
        }
    return found


def _names(data: xr.Dataset) -> tuple[list[str], list[str]]:
    curves = [str(name) for name, values in data.variables.items() if values.dims and name in data.data_vars]
    return curves, [str(name) for name in data.data_vars if not data.variables[name].dims]


def _points(data: xr.Dataset) -> int:
    return next((data.sizes[axis] for axis in _AXES if axis in data.sizes), 1)


def _line(values: xr.DataArray) -> str:
    """A range; of a complex waveform those of its magnitude, in decibel, too, and of its phase."""
    unit = values.attrs["units"]
    low, high = _range(values)
    text = f"{_with_unit(low, unit, 5):>12} to {_with_unit(high, unit, 5):>12}"
    if values.dtype.kind == "c":
        from memsim.spectra import decibels, degrees

        decibel, phase = decibels(values.values), degrees(values.values)
        text += (
            f"   {decibel.min():8.2f} to {decibel.max():7.2f} dB   {phase.min():7.1f} to {phase.max():6.1f}°"
        )
    error = values.attrs.get("error")
    return text if error is None else f"{text}   error {_with_unit(error, unit, 2)}"


def _ranges(data: xr.Dataset, names: Iterable[str]) -> Iterable[tuple[str, dict[str, Any]]]:
    for name in names:
        values = data.variables[name]
        low, high = _range(values)
        yield (
            name,
            {"units": values.attrs["units"], "minimum": low, "maximum": high}
            | ({"of": "magnitude"} if values.dtype.kind == "c" else {})
            | ({"error": values.attrs["error"]} if "error" in values.attrs else {}),
        )


def _range(values: xr.Variable | xr.DataArray) -> tuple[float, float]:
    found = abs(values.values) if values.dtype.kind == "c" else values.values
    return float(found.min()), float(found.max())


def _real(number: xr.DataArray) -> float:
    return float(abs(number)) if number.dtype.kind == "c" else float(number)


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if value == value else None  # noqa: PLR0124


def _with_unit(value: float, unit: str, digits: int) -> str:
    from memsim.units import format_si

    return f"{value:.{digits}g}" if unit == "1" else format_si(value, unit, digits=digits)
