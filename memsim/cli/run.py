"""`memsim run`: one simulation of a shipped circuit or of a deck."""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memsim.cli.shown import show, summary
from memsim.cli.writers import file_of, waves_writer
from memsim.errors import DeckWarning, InputError, NetlistError, SimulationError, UntrustedDeckError
from memsim.units import parse_si

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
DECKS = (".cir", ".sp", ".spice", ".ckt", ".net")
SCHEMATICS = {
    ".asc": "in LTspice `View > SPICE Netlist`, or `LTspice -netlist FILE`, writes one; then add --compat lt",
    ".kicad_sch": "KiCad exports one with `File > Export > Netlist > SPICE`, or `kicad-cli sch export netlist`",
    ".sch": "export it from your schematic editor as SPICE",
}
STANDARD = "-"
"""Standard input or output."""


class Compat(StrEnum):
    """Dialects of decks."""

    LTSPICE = "lt"
    PSPICE = "ps"
    HSPICE = "hs"


def run(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    circuit: Annotated[
        str,
        typer.Argument(
            help="A shipped circuit by name (`memsim circuits`), the path of a deck "
            "(`.cir`, `.sp`, `.spice`, `.ckt`, `.net`), or `-` for a deck from standard input."
        ),
    ],
    engine: Annotated[Engine, typer.Option(help="What solves it; decks need ngspice.")] = Engine.NGSPICE,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            help="Waveforms as netCDF (`.nc`, `.h5`), CSV (`.csv`) or raw file of ngspice (`.raw`); `-` for CSV to "
            "standard output.",
        ),
    ] = None,
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
    compat: Annotated[
        Compat | None, typer.Option(help="Dialect of a deck: LTspice's, PSpice's or HSPICE's.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a deck that gives a warning.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Simulate a shipped circuit or your own deck.

    Every analysis of a deck is returned, with the values of its `.meas`. Several go into files of their own:
    `waves-tran.csv`, `waves-ac.csv`; a raw file holds them all.

    Examples: `memsim run integrate-and-fire-set1 --engine torch --plot spike.png`,
    `memsim run my.cir --out waves.nc`, `memsim run filter.net --compat lt --plot bode.pdf`
    """
    _check_engine(engine, tolerance, equal_steps, timeout, memory, disk, trust)
    sizes = (None if text is None else parse_si(text) for text in (memory, disk))
    limits = Allowed(TIMEOUT if timeout is None else timeout, *sizes)
    write = None if out is None else waves_writer(out)
    if circuit == STANDARD or circuit.lower().endswith((*DECKS, *SCHEMATICS)):
        deck_only = {"--stop": stop, "--step": step}
        given = [option for option, value in deck_only.items() if value is not None]
        if given:
            raise InputError(f"{given[0]} is for shipped circuits; a deck says it in its `.tran`")
        found = _run_deck(circuit, engine, limits, Reading(trust, compat, strict))
    else:
        if compat or strict:
            raise InputError(f"{'--compat' if compat else '--strict'} is for decks, and {circuit!r} is none")
        found = {"": _run_bench(_bench(circuit, stop, step), engine, limits, Steps(tolerance, equal_steps))}
    files = [] if write is None or out is None else write(out, found)
    if plot:
        files += _plotted(plot, found)
    if out == STANDARD:
        return
    _print_json(found, files) if as_json else _print(found, files)


@dataclass(frozen=True)
class Reading:
    """How a deck is read."""

    trust: bool
    compat: Compat | None
    strict: bool


def _check_engine(  # noqa: PLR0917 - the options that depend on it
    engine: Engine,
    tolerance: float | None,
    equal_steps: bool,
    timeout: float | None,
    memory: str | None,
    disk: str | None,
    trust: bool,
) -> None:
    if (tolerance is not None or equal_steps) and engine is not Engine.TORCH:
        option = "--equal-steps" if equal_steps else "--tolerance"
        raise InputError(f"{option} is for --engine torch; {engine.value} adapts its steps as it is")
    given = {"--timeout": timeout, "--memory": memory, "--disk": disk, "--trust": trust or None}
    idle = [option for option, value in given.items() if value is not None]
    if idle and engine is not Engine.NGSPICE:
        raise InputError(f"{idle[0]} is for --engine ngspice; {engine.value} starts no other program")


def _print(found: Mapping[str, xr.Dataset], files: Sequence[Path]) -> None:
    for name, data in found.items():
        show(name if len(found) > 1 else "", data)
    for file in files:
        typer.echo(file)


def _print_json(found: Mapping[str, xr.Dataset], files: Sequence[Path]) -> None:
    """One analysis as itself; several by their kinds."""
    first = next(iter(found.values()))
    about = {
        key: first.attrs[key] for key in ("integrator", "tolerance", "steps", "error") if key in first.attrs
    }
    summaries = {name: summary(data) for name, data in found.items()}
    parts = {"analyses": summaries} if len(found) > 1 else next(iter(summaries.values()))
    typer.echo(
        json.dumps({"engine": first.attrs["engine"], "files": list(map(str, files)), **about, **parts})
    )


def _plotted(path: Path, found: Mapping[str, xr.Dataset]) -> list[Path]:
    """A picture of each analysis; numbers alone are drawn by nobody, and refused where there is nothing else."""
    from memsim import plots

    drawn = {name: data for name, data in found.items() if data.dims} or found
    return [plots.save(plots.analysis(data), file_of(path, name, len(drawn))) for name, data in drawn.items()]


def _bench(name: str, stop: str | None, step: str | None) -> Bench:
    from dataclasses import replace

    from memsim.circuits.catalogue import load_bench

    bench = load_bench(name)
    return replace(
        bench,
        stop=bench.stop if stop is None else parse_si(stop, "s"),
        step=bench.step if step is None else parse_si(step, "s"),
    )


def _run_deck(deck: str, engine: Engine, limits: Allowed, reading: Reading) -> dict[str, xr.Dataset]:
    """All analyses of a deck, from a file or from standard input."""
    from memsim import spice
    from memsim.spice.compat import looks_like_ltspice
    from memsim.spice.lines import deck_text, read_deck

    suffix = Path(deck).suffix.lower()
    if suffix in SCHEMATICS:
        raise InputError(f"{deck} is a drawing, and ngspice needs a netlist: {SCHEMATICS[suffix]}")
    if engine is not Engine.NGSPICE:
        raise InputError(f"a deck runs in ngspice, not in {engine.value}; leave out --engine")
    source = deck_text(sys.stdin.buffer.read()) if deck == STANDARD else Path(deck)
    compat = None if reading.compat is None else reading.compat.value
    with warnings.catch_warnings():
        if reading.strict:
            warnings.simplefilter("error", DeckWarning)
        try:
            return spice.run_deck(source, trust=reading.trust, compat=compat, **asdict(limits))
        except DeckWarning as warning:
            raise NetlistError(str(warning), remedy="--strict refuses what is warned about.") from None
        except (SimulationError, UntrustedDeckError):
            text = source if isinstance(source, str) else read_deck(source)
            if compat is None and looks_like_ltspice(text):
                typer.echo(
                    "memsim: the deck has words of LTspice; `--compat lt` lets ngspice read them", err=True
                )
            raise


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
