"""`memsim run`: one simulation of a shipped circuit or of a deck."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memsim.errors import InputError
from memsim.units import parse_si

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xarray as xr

    from memsim.circuits.catalogue import Bench


class Engine(StrEnum):
    """What solves the circuit."""

    NGSPICE = "ngspice"
    TORCH = "torch"
    SCIPY = "scipy"


TIMEOUT = 60.0
"""Seconds that ngspice may take where nothing is said."""


@dataclass(frozen=True)
class Allowed:
    """What ngspice may take: time [s], memory and disk [byte]."""

    timeout: float
    memory: float | None
    disk: float | None


@dataclass(frozen=True)
class Steps:
    """How the twin chooses its steps."""

    tolerance: float | None
    equal_steps: bool


LATE = 2.0
"""Seconds after which a run shows how far it is."""


def run(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    circuit: Annotated[
        str, typer.Argument(help="A shipped circuit by name, or the path of a deck (`.cir`).")
    ],
    engine: Annotated[Engine, typer.Option(help="What solves it; decks need ngspice.")] = Engine.NGSPICE,
    out: Annotated[Path | None, typer.Option(help="Waveforms as netCDF (`.nc`) or CSV (`.csv`).")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Picture of the waveforms (`.png`, `.svg`, `.pdf`).")
    ] = None,
    stop: Annotated[str | None, typer.Option(help="End time of a shipped circuit, e.g. `50m`.")] = None,
    step: Annotated[
        str | None,
        typer.Option(help="Time between samples, e.g. `5u`; ngspice takes no longer steps."),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(help="Share of its value by which a step of torch may err; 1e-5 where left out."),
    ] = None,
    equal_steps: Annotated[
        bool, typer.Option("--equal-steps", help="Torch steps from sample to sample, as in training.")
    ] = False,
    timeout: Annotated[
        float | None, typer.Option(help="Time limit of ngspice in seconds; 60 where left out.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="Memory that ngspice may take in bytes, e.g. `4g`; 1 GB and more.")
    ] = None,
    disk: Annotated[
        str | None, typer.Option(help="What ngspice may write in bytes, e.g. `8g`; 1 GB where left out.")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Let a deck run commands and reach other folders.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Simulate a shipped circuit or your own deck.

    Examples: `memsim run integrate-and-fire-set1 --engine torch --plot spike.png`,
    `memsim run my.cir --out waves.nc`
    """
    if (tolerance is not None or equal_steps) and engine is not Engine.TORCH:
        option = "--equal-steps" if equal_steps else "--tolerance"
        raise InputError(f"{option} is for --engine torch; {engine.value} adapts its steps as it is")
    given = {"--timeout": timeout, "--memory": memory, "--disk": disk, "--trust": trust or None}
    idle = [option for option, value in given.items() if value is not None]
    if idle and engine is not Engine.NGSPICE:
        raise InputError(f"{idle[0]} is for --engine ngspice; {engine.value} starts no other program")
    write = _writer(out) if out else None
    sizes = (None if text is None else parse_si(text) for text in (memory, disk))
    limits = Allowed(TIMEOUT if timeout is None else timeout, *sizes)
    if circuit.endswith((".cir", ".sp", ".net")):
        data, show = _run_deck(Path(circuit), engine, limits, trust), None
    else:
        bench = _bench(circuit, stop, step)
        data, show = _run_bench(bench, engine, limits, Steps(tolerance, equal_steps)), bench.show
    shown = show or [str(name) for name in data.data_vars][:8]
    files = []
    if out and write:
        write(out, data)
        files.append(out)
    if plot:
        from memsim import plots

        files.append(plots.save(plots.waveforms(data, shown), plot))
    _print_json(data, files) if as_json else _print(data, shown, files)


def _print(data: xr.Dataset, shown: Sequence[str], files: Sequence[Path]) -> None:
    typer.echo(f"{data.attrs['engine']}: {data.sizes.get('time', 1)} points, {len(data.data_vars)} waveforms")
    for name in shown:
        unit = data[name].attrs["units"]
        low, high = (_with_unit(value, unit, 5) for value in _range(data[name]))
        error = data[name].attrs.get("error")
        stated = "" if error is None else f"   error {_with_unit(error, unit, 2)}"
        typer.echo(f"  {name:16} {low:>12} to {high:>12}{stated}")
    for file in files:
        typer.echo(file)


def _with_unit(value: float, unit: str, digits: int) -> str:
    from memsim.units import format_si

    return f"{value:.{digits}g}" if unit == "1" else format_si(value, unit, digits=digits)


def _print_json(data: xr.Dataset, files: Sequence[Path]) -> None:
    waveforms = {
        str(name): {"units": values.attrs["units"], "minimum": low, "maximum": high}
        | ({"error": values.attrs["error"]} if "error" in values.attrs else {})
        for name in data.data_vars
        for values in [data.variables[name]]
        for low, high in [_range(values)]
    }
    summary = {
        "engine": data.attrs["engine"],
        "points": data.sizes.get("time", 1),
        "files": list(map(str, files)),
        **{
            key: data.attrs[key] for key in ("integrator", "tolerance", "steps", "error") if key in data.attrs
        },
    }
    typer.echo(json.dumps({**summary, "waveforms": waveforms}))


def _range(values: xr.Variable | xr.DataArray) -> tuple[float, float]:
    return float(values.real.min()), float(values.real.max())


def _writer(path: Path) -> Callable[[Path, xr.Dataset], None]:
    from memsim.files import write_csv, write_waves

    writers: dict[str, Callable[[Path, xr.Dataset], None]] = {".nc": write_waves, ".csv": write_csv}
    if path.suffix not in writers:
        raise InputError(f"cannot write waveforms as {path.name!r}; use {' or '.join(writers)}")
    return writers[path.suffix]


def _bench(name: str, stop: str | None, step: str | None) -> Bench:
    from dataclasses import replace

    from memsim.circuits.catalogue import load_bench

    bench = load_bench(name)
    return replace(
        bench,
        stop=bench.stop if stop is None else parse_si(stop, "s"),
        step=bench.step if step is None else parse_si(step, "s"),
    )


def _run_deck(path: Path, engine: Engine, limits: Allowed, trust: bool) -> xr.Dataset:
    from memsim import spice

    if engine is not Engine.NGSPICE:
        raise InputError(f"a deck runs in ngspice, not in {engine.value}; leave out --engine")
    return spice.simulate(path, trust=trust, **asdict(limits))


def _run_bench(bench: Bench, engine: Engine, limits: Allowed, steps: Steps) -> xr.Dataset:
    if engine is Engine.NGSPICE:
        from memsim import spice

        waves = spice.simulate(
            bench.circuit, stimuli=bench.stimuli, stop=bench.stop, step=bench.step, **asdict(limits)
        )
    elif engine is Engine.TORCH:
        from memsim import surrogate
        from memsim.cli.progress import counting_progress

        with counting_progress("torch", after=LATE) as progress:
            waves = surrogate.simulate(
                bench.circuit,
                stimuli=bench.stimuli,
                stop=bench.stop,
                step=bench.step,
                **asdict(steps),
                progress=progress,
            )
    else:
        from memsim.surrogate import reference

        waves = reference.simulate(
            bench.circuit, stimuli=bench.stimuli, stop=bench.stop, step=bench.step, stated=True
        )
    from memsim.circuits import with_device_currents

    return with_device_currents(bench.circuit, waves).assign_attrs(show=list(bench.show))
