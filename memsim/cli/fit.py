"""`memsim fit`: compact models fitted to measurements, as device cards with honest errors."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memsim.errors import InputError
from memsim.text import meant

if TYPE_CHECKING:
    from memsim.devices import Device
    from memsim.fit import Layout, Ranked, Record, Settings
    from memsim.fit.orientation import Orientation
    from memsim.fit.pulse_device import Pulses
    from memsim.fit.records import Array
    from memsim.plots import FittedLoop


MOST_STARTS = 100_000
POOR = 0.05  # of the peak: errors of set-up and reading leave more than most models do


class Across(StrEnum):
    """What the voltage column is across."""

    SOURCE = "source"
    DEVICE = "device"


class Current(StrEnum):
    """How a current was recorded."""

    AS_IS = "as-is"
    REVERSED = "reversed"
    ABSOLUTE = "absolute"


class Kind(StrEnum):
    """What the files hold."""

    LOOPS = "loops"
    PULSES = "pulses"
    TIMES = "switching-times"


def fit(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    data: Annotated[
        list[Path],
        typer.Argument(
            help="Tables of voltage, current and, where recorded, time: CSV and other text, `.xlsx`, `.mat`, `.gz`."
        ),
    ],
    model: Annotated[
        list[str] | None, typer.Option(help="Model to fit; several, or none for the usual ones, are ranked.")
    ] = None,
    kind: Annotated[Kind, typer.Option(help="What the files hold.")] = Kind.LOOPS,
    joint: Annotated[bool, typer.Option("--joint", help="One parameter set for all files.")] = False,
    holdout: Annotated[list[Path] | None, typer.Option(help="File to predict and not to fit.")] = None,
    cross_validate: Annotated[
        bool, typer.Option("--cross-validate", help="Leave out each file in turn and predict it.")
    ] = False,
    series_resistance: Annotated[
        str, typer.Option(help="Known resistor, e.g. `47k`; one, or one a file.")
    ] = "0",
    voltage: Annotated[Across, typer.Option(help="What the voltage column is across.")] = Across.SOURCE,
    frequency: Annotated[
        str | None,
        typer.Option(help="Of the drive, without a time column; one a file, or as in their names."),
    ] = None,
    sample_time: Annotated[str | None, typer.Option(help="Between rows, without a time column.")] = None,
    columns: Annotated[
        str | None, typer.Option(help="Columns in order, e.g. `time,voltage,current,-`.")
    ] = None,
    rows: Annotated[str | None, typer.Option(help="Part of the files, e.g. `0:2000`.")] = None,
    current_unit: Annotated[
        str | None, typer.Option(help="Where the header does not tell, e.g. `uA`.")
    ] = None,
    voltage_unit: Annotated[str | None, typer.Option(help="The same of voltage, e.g. `mV`.")] = None,
    time_unit: Annotated[str | None, typer.Option(help="The same of time, e.g. `ms`.")] = None,
    skip_lines: Annotated[int, typer.Option(help="Lines above the table that are not looked at.", min=0)] = 0,
    decimal: Annotated[
        str | None, typer.Option(help="What parts decimals, `.` or `,`; told by the numbers where left out.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Of a text file, e.g. `cp1252`, where it cannot be told from it.")
    ] = None,
    current: Annotated[
        Current | None, typer.Option(help="How the current was recorded; told by its sign where left out.")
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="The same as `--current reversed`.")] = False,
    absolute: Annotated[bool, typer.Option("--absolute", help="The same as `--current absolute`.")] = False,
    fixed: Annotated[list[str] | None, typer.Option("--fix", help="A known value, e.g. `r_on=2k`.")] = None,
    states: Annotated[str, typer.Option(help="State before and after, for switching times.")] = "0,0.9",
    pulses: Annotated[
        str | None,
        typer.Option(help="Voltage and width of pulses up and down; `1,1u,-1,1u` is taken where left out."),
    ] = None,
    read_voltage: Annotated[
        str | None, typer.Option(help="Of pulse data that is read currents, e.g. `0.1`.")
    ] = None,
    conductance_range: Annotated[
        str | None, typer.Option(help="What normalised pulse data spans, e.g. `5u,50u`.")
    ] = None,
    starts: Annotated[
        int, typer.Option(help="Starting points that are followed.", min=1, max=MOST_STARTS)
    ] = 48,
    seed: Annotated[int, typer.Option(help="Of the starting points.", min=0)] = 0,
    robust: Annotated[bool, typer.Option("--robust", help="A loss that spares outliers.")] = False,
    capacitance: Annotated[bool, typer.Option(help="Fit a capacitance of the set-up, too.")] = True,
    out: Annotated[Path, typer.Option(help="Folder of the cards, pictures and numbers.")] = Path("fit"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all numbers as JSON; text goes to standard error.")
    ] = False,
) -> None:
    """Fit device models to measured loops, pulse trains or switching times.

    Writes a device card, an overlay and all numbers with intervals and correlations into the folder.

    Examples: `memsim fit loop.csv --frequency 100 --series-resistance 47k --current-unit uA`,
    `memsim fit 1Hz.csv 10Hz.csv 1kHz.csv --joint --frequency 1,10,1k --model vteam --model yakopcic`,
    `memsim fit set.csv reset.csv --kind pulses --read-voltage 0.1`,
    `memsim fit times.csv --kind switching-times --model metastable-switch`
    """
    files = [*data, *(holdout or [])]
    _check_once(files)
    if kind is Kind.PULSES:
        from memsim.cli.kinetics import fit_pulse_files

        fit_pulse_files(
            data,
            read_voltage=_numbers(read_voltage, "V", 1)[0] if read_voltage is not None else None,
            conductances=_exactly(conductance_range, "S", 2) if conductance_range is not None else None,
            pulses=_pulses(pulses),
            out=out,
            as_json=as_json,
        )
        return
    from memsim.fit import Layout, Settings, read_record

    known = _fixed(fixed)
    if kind is Kind.TIMES:
        from memsim.cli.kinetics import fit_time_files

        models = _models(model or ["metastable-switch"])
        fit_time_files(data, models, known, _exactly(states, "", 2), out=out, as_json=as_json)
        return
    models = _models(model)
    _check_fixed(known, models)
    units = {"current": current_unit, "voltage": voltage_unit, "time": time_unit}
    layout = Layout(
        columns=columns.split(",") if columns is not None else None,
        units={name: unit for name, unit in units.items() if unit is not None},
        rows=_rows(rows),
        sample_time=_numbers(sample_time, "s", 1)[0] if sample_time is not None else None,
        voltage=voltage.value,
        skip_lines=skip_lines,
        decimal=decimal,
        encoding=encoding,
        current=_orientation(current, reverse, absolute),
    )
    layouts = _layouts(layout, _numbers(series_resistance, "Ω", len(files)), frequency, len(files))
    records = [read_record(path, one) for path, one in zip(files, layouts, strict=True)]
    for record in records:
        for note in record.notes:
            typer.echo(f"{record.name}: {note}", err=as_json)
    settings = Settings(starts=starts, seed=seed, robust=robust, capacitance=capacitance)
    fitted, left_out = records[: len(data)], records[len(data) :]
    if cross_validate:
        _cross_validate(fitted, models, settings, err=as_json)
    groups = {"+".join(r.name for r in fitted): fitted} if joint else {r.name: [r] for r in fitted}
    from memsim.devices import MODELS
    from memsim.fit import rank
    from memsim.processes import cores

    found = {}
    for label, group in groups.items():
        began = time.perf_counter()
        found[label] = ranked = rank(
            group, models, held_out=left_out, settings=settings, known=MODELS, fixed=known, processes=cores()
        )
        folder = out if len(groups) == 1 else out / label
        _write(ranked, label, left_out, folder, err=as_json)
        typer.echo(f"{len(ranked)} models in {time.perf_counter() - began:.1f} s", err=as_json)
    if as_json:
        from memsim.fit.results import describe

        typer.echo(json.dumps({label: [describe(one) for one in ranked] for label, ranked in found.items()}))


def _orientation(current: Current | None, reverse: bool, absolute: bool) -> Orientation | None:
    given = [*([current] if current else []), *([Current.REVERSED] if reverse else [])]
    given += [Current.ABSOLUTE] if absolute else []
    if len(set(given)) > 1:
        raise InputError(f"--current {given[0].value} and {given[1].value} exclude each other; keep one")
    return given[0].value if given else None


def _check_once(files: Sequence[Path]) -> None:
    """Refuse a file that is given twice, as to predict what was fitted says nothing; and two of one name."""
    seen: dict[str, Path] = {}
    for path in files:
        other = seen.setdefault(path.stem, path)
        if other is not path and other.resolve() == path.resolve():
            raise InputError(f"{path} is given twice; leave it out once, of DATA or of --holdout")
        if other is not path:
            raise InputError(f"{other} and {path} have one name, which tells them apart; rename one")


def _models(names: Sequence[str] | None) -> list[type[Device]]:
    from memsim.devices import MODELS
    from memsim.fit import USUAL_MODELS

    unknown = [name for name in names or [] if name not in MODELS]
    if unknown:
        raise InputError(
            f"unknown model {unknown[0]!r}; known models: {', '.join(MODELS)}{meant(unknown[0], MODELS)}"
        )
    return [MODELS[name] for name in names or USUAL_MODELS]


def _fixed(texts: Sequence[str] | None) -> dict[str, float]:
    from memsim.units import parse_si

    values = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--fix {text!r} names no value; write for example r_on=2k")
        values[name.strip()] = parse_si(value)
    return values


def _check_fixed(known: Mapping[str, float], models: Sequence[type[Device]]) -> None:
    """Refuse a name that no model has; one that some have is fixed in those."""
    names = sorted({name for model in models for name in model.parameters})
    for name in known:
        if name not in names:
            raise InputError(
                f"--fix {name}: no model fitted has such a parameter; there are: {', '.join(names)}"
            )


def _numbers(text: str, unit: str, count: int) -> list[float]:
    from memsim.units import parse_si

    values = [parse_si(part, unit) for part in text.split(",")]
    if len(values) not in {1, count}:
        raise InputError(f"{text!r} holds {len(values)} values; give one, or {count}, one for each file")
    return values if len(values) == count else values * count


def _exactly(text: str, unit: str, count: int) -> list[float]:
    values = _numbers(text, unit, count)
    if text.count(",") + 1 != count:
        raise InputError(f"{text!r} holds one value; give {count}, with a comma between")
    return values


def _pulses(text: str | None) -> Pulses:
    from memsim.fit.pulse_device import Pulses
    from memsim.units import parse_si

    if text is None:
        return Pulses()
    parts = text.split(",")
    if len(parts) != 4:
        raise InputError(
            f"--pulses {text!r} holds {len(parts)} values; give voltage and width up, then down, such as 1,1u,-1,1u"
        )
    return Pulses(*(parse_si(part, unit) for part, unit in zip(parts, ("V", "s", "V", "s"), strict=True)))


def _rows(text: str | None) -> slice:
    if text is None:
        return slice(None)
    first, _, last = text.partition(":")
    try:
        chosen = slice(int(first) if first else None, int(last) if last else None)
    except ValueError:
        raise InputError(f"--rows {text!r} is no range; write FIRST:LAST, such as 0:2000") from None
    if (chosen.start or 0) < 0 or (chosen.stop is not None and chosen.stop <= (chosen.start or 0)):
        raise InputError(
            f"--rows {text!r} holds no row; write FIRST:LAST with 0 <= FIRST < LAST, such as 0:2000"
        )
    return chosen


def _layouts(layout: Layout, resistances: Sequence[float], frequency: str | None, count: int) -> list[Layout]:
    from dataclasses import replace

    frequencies: Sequence[float | None] = (
        _numbers(frequency, "Hz", count) if frequency is not None else [None] * count
    )
    return [
        replace(layout, series_resistance=r, frequency=f)
        for r, f in zip(resistances, frequencies, strict=True)
    ]


def _cross_validate(
    records: Sequence[Record], models: Sequence[type[Device]], settings: Settings, *, err: bool
) -> None:
    from memsim.devices import MODELS
    from memsim.fit import cross_validate

    for model in models:
        errors = cross_validate(records, model, settings=settings, known=MODELS)
        for name, value in errors.items():
            typer.echo(
                f"{model.model}: {name} predicted from the others with {value:.2%} of its peak", err=err
            )


def _write(
    ranked: Sequence[Ranked], label: str, left_out: Sequence[Record], folder: Path, *, err: bool
) -> None:
    from memsim import plots
    from memsim.fit import predict
    from memsim.fit.results import parameters, table, write_card, write_numbers

    best = ranked[0].fit
    typer.echo("\n".join([label, *table(ranked), *parameters(best)]), err=err)
    if best.error > POOR:
        typer.echo(
            "  no model follows this closely: check --series-resistance, --voltage, the units and the frequency; else "
            "try --robust, other models (memsim devices), or a part of the file (--rows)",
            err=err,
        )
    panels = {
        f"{record.name}: {error:.2%} of peak": _panel(record, y)
        for record, error, y in zip(best.records, best.errors, best.predicted, strict=True)
    }
    for record in left_out:
        title = f"{record.name}, predicted: {ranked[0].held_out[record.name]:.2%}"
        panels[title] = _panel(record, predict(best, record))
    swapped = "; terminals swapped in the measurement" if best.polarity < 0 else ""
    for one in ranked:
        write_card(
            folder / f"{one.fit.device.model}.toml",
            one.fit.device,
            description=f"fitted to {label}: RMSE {one.fit.error:.2%} of peak{swapped}",
            source="memsim fit",
            drive=one.fit.records[0],
        )
    write_numbers(folder / "fit.json", ranked)
    plots.save(plots.fitted_loops(panels), folder / "overlay.png")
    typer.echo(f"{folder}: {best.device.model}.toml, overlay.png, fit.json", err=err)


def _panel(record: Record, current: Array) -> FittedLoop:
    from memsim.plots import FittedLoop

    return FittedLoop(
        record.device_voltage, record.current, record.voltage_at(current), current, ~record.used
    )
