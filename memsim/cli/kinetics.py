"""`memsim fit --kind pulses` and `--kind switching-times`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from memsim.errors import InputError
from memsim.files import write_text

if TYPE_CHECKING:
    from memsim.devices import Device
    from memsim.fit.pulse_device import PulsedDevice, Pulses
    from memsim.fit.pulses import PulseFit
    from memsim.fit.ramps import Ramps


def fit_pulse_files(
    files: Sequence[Path],
    *,
    read_voltage: float | None,
    conductances: Sequence[float] | None,
    pulses: Pulses,
    out: Path,
    as_json: bool,
) -> None:
    """Fit potentiation and depression of one device, whose ramps are the columns of all files."""
    from memsim.fit.pulses import fit_pulses
    from memsim.fit.ramps import sort_ramps
    from memsim.fit.tables import read_columns

    ramps = sort_ramps([read_columns(path) for path in files])
    if read_voltage is not None:
        ramps = ramps.read_at(read_voltage)
    if conductances is not None:
        ramps = ramps.spanning(conductances[0], conductances[1])
    fits = {name: fit_pulses(values) for name, values in ramps.directions.items()}
    lines = [*ramps.notes]
    for name, found in fits.items():
        lines += _pulse_lines(name, ramps.directions[name], found, ramps.unit)
    numbers = {
        name: _pulse_numbers(found, ramps.directions[name], ramps.unit) for name, found in fits.items()
    }
    device, told = _pulsed_device(fits, ramps, pulses, out, label="+".join(path.stem for path in files))
    if device is not None:
        numbers["device"] = {
            "model": device.device.model,
            "parameters": dict(device.device.values),
            "errors": dict(zip(fits, device.errors, strict=True)),
        }
    typer.echo("\n".join([*lines, *told]), err=as_json)
    _draw_ramps(ramps, fits, device, out / "overlay.png")
    _finish(numbers, out, as_json=as_json)


def _pulsed_device(
    fits: Mapping[str, PulseFit], ramps: Ramps, pulses: Pulses, out: Path, *, label: str
) -> tuple[PulsedDevice | None, list[str]]:
    """A device that follows both ramps, written as a card; None, and why not, where the data does not give one."""
    from memsim.fit.pulse_device import pulsed_device
    from memsim.fit.results import write_card
    from memsim.units import format_si

    if len(fits) < 2:
        (missing,) = {"potentiation", "depression"} - fits.keys()
        return None, [f"no card: there is no {missing}; give the files of both directions"]
    if not ramps.unit:
        why = (
            "no card: the values are not known to be conductances; give --read-voltage where they are read currents "
            "(1 where they are in siemens), or --conductance-range, such as 5u,50u"
        )
        return None, [why]
    found = pulsed_device(fits["potentiation"], fits["depression"], pulses)
    up, up_width, down, down_width = (
        format_si(value, unit)
        for value, unit in (
            (pulses.up, "V"), (pulses.up_width, "s"), (pulses.down, "V"), (pulses.down_width, "s")
        )
    )  # fmt: skip
    given = f"{up}, {up_width} up and {down}, {down_width} down"
    about = f"moves along the ramps of {label} under pulses of {given}; other voltages were not measured"
    card = out / f"{found.device.model}.toml"
    write_card(card, found.device, description=about, source="memsim fit")
    rising, falling = found.errors
    return found, [
        f"{card}: a device {rising:.1%} and {falling:.1%} of span from both laws, for pulses of {given} (--pulses)"
    ]


def _pulse_lines(name: str, ramps: Any, found: PulseFit, unit: str) -> list[str]:
    from memsim.units import format_value

    low, high = found.uncertainty.intervals["nonlinearity"]

    def text(value: float) -> str:
        return format_value(value, unit)

    count = ramps.shape[1]
    law = (
        f"{name}: {len(ramps)} pulses, {count} {'ramp' if count == 1 else 'ramps'}, "
        f"{text(found.start)} to {text(found.end)}, "
        f"nonlinearity {found.nonlinearity:.3g} (95 %: {low:.3g} to {high:.3g}), "
        f"RMSE {text(found.mean_error * found.span)}, {found.mean_error:.2%} of span"
    )
    whole = f"whole ramps {text(found.ramp_noise)}, " if count > 1 else ""
    noise = (
        f"  noise: single steps {text(found.step_noise)}, {whole}"
        f"correlation from pulse to pulse {found.correlation:.2f}"
    )
    return [law, noise]


def _pulse_numbers(found: PulseFit, ramps: Any, unit: str) -> dict[str, Any]:
    return {
        "pulses": len(ramps),
        "ramps": ramps.shape[1],
        "unit": unit,
        "parameters": {name: getattr(found, name) for name in ("start", "end", "nonlinearity")},
        "error": found.mean_error,
        "rmse": found.mean_error * found.span,
        "step_noise": found.step_noise,
        "ramp_noise": found.ramp_noise,
        "noise_correlation": found.correlation,
        **found.uncertainty.as_dict(),
    }


def _draw_ramps(ramps: Ramps, fits: Mapping[str, PulseFit], device: PulsedDevice | None, path: Path) -> None:
    from memsim import plots

    followed = {} if device is None else {"potentiation": device.up, "depression": device.down}
    panels = {
        f"{name}, nonlinearity {found.nonlinearity:.2f}": plots.FittedRamp(
            ramps.directions[name], found.predicted, followed.get(name)
        )
        for name, found in fits.items()
    }
    plots.save(plots.fitted_ramps(panels, ramps.unit), path)


def fit_time_files(
    files: Sequence[Path],
    models: Sequence[type[Device]],
    fixed: Mapping[str, float],
    states: Sequence[float],
    *,
    out: Path,
    as_json: bool,
) -> None:
    """Fit each model to the switching times of each file: columns voltage, time."""
    from memsim import plots
    from memsim.fit.results import write_card
    from memsim.fit.switching_times import SwitchingTimes, fit_switching_times
    from memsim.fit.tables import read_columns

    numbers: dict[str, dict[str, Any]] = {}
    panels = {}
    for path in files:
        columns = read_columns(path)
        if columns.shape[1] != 2:
            raise InputError(
                f"{path.name} has {columns.shape[1]} columns; switching times need two: voltage, time"
            )
        measured = SwitchingTimes(columns[:, 0], columns[:, 1], states[0], states[1])
        for model in models:
            found = fit_switching_times(measured, model, fixed=fixed)
            lines = [f"{path.stem}: {model.model}, RMSE {found.decades:.3f} decades of time"]
            for name, (low, high) in found.uncertainty.intervals.items():
                mark = "  (not determined by this data)" if name in found.uncertainty.undetermined else ""
                lines.append(
                    f"  {name:16} {found.device.values[name]:.4g}   95 %: {low:.4g} to {high:.4g}{mark}"
                )
            card = out / f"{path.stem}-{model.model}.toml"
            about = f"rates fitted to the switching times of {path.stem}"
            write_card(card, found.device, description=about, source="memsim fit")
            typer.echo("\n".join([*lines, str(card)]), err=as_json)
            title = f"{path.stem}, {model.model}: {found.decades:.2f} decades"
            panels[title] = plots.FittedTimes(measured.voltage, measured.time, found.predicted)
            numbers.setdefault(path.stem, {})[model.model] = {
                "error_decades": found.decades,
                "parameters": dict(found.device.values),
                **found.uncertainty.as_dict(),
            }
    plots.save(plots.fitted_times(panels), out / "overlay.png")
    _finish(numbers, out, as_json=as_json)


def _finish(numbers: Mapping[str, Any], out: Path, *, as_json: bool) -> None:
    write_text(out / "fit.json", json.dumps(numbers, indent=2) + "\n")
    typer.echo(f"{out}: overlay.png, fit.json", err=as_json)
    if as_json:
        typer.echo(json.dumps(numbers))
