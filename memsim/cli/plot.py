"""`memsim plot`: pictures of waveforms and sweeps."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memsim.errors import InputError

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


class Kind(StrEnum):
    """What to draw."""

    WAVEFORMS = "waveforms"
    HYSTERESIS = "hysteresis"
    PHASE = "phase"
    RASTER = "raster"
    SWEEP = "sweep"


def plot(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    data: Annotated[
        Path,
        typer.Argument(help="Waveforms or results of a sweep: netCDF, CSV that memsim wrote, or raw file."),
    ],
    kind: Annotated[
        Kind | None, typer.Option(help="What to draw; waveforms, or the sweep, where left out.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Picture (`.png`, `.svg`, `.pdf`); beside the data where left out.")
    ] = None,
    show: Annotated[
        list[str] | None, typer.Option(help="Variable to draw, e.g. `v(mem)`; several times.")
    ] = None,
    x: Annotated[str | None, typer.Option(help="Variable across the page, of hysteresis and phase.")] = None,
    y: Annotated[str | None, typer.Option(help="Variable up the page.")] = None,
    level: Annotated[
        str, typer.Option(help="Potential that a spike of a raster crosses, e.g. `20m`.")
    ] = "20m",
    select: Annotated[
        list[str] | None, typer.Option(help="Nearest value along an axis of a sweep, e.g. `cmem=1n`.")
    ] = None,
) -> None:
    """Draw waveforms or a sweep for a paper: units, PNG, SVG or PDF, legible in grey.

    Examples: `memsim plot waves.nc`, `memsim plot bode.csv`,
    `memsim plot waves.nc --kind phase --x "v(mem)" --y "v(xm1.x)" --out phase.pdf`,
    `memsim plot waves.nc --kind hysteresis --x "v(xm1)" --y "i(xm1)"`, `memsim plot f-i.nc --out f-i.svg`
    """
    from memsim import plots
    from memsim.cli.readers import read_any

    content = read_any(data)
    is_sweep = content.attrs.get("kind") == "sweep"
    chosen = kind or (Kind.SWEEP if is_sweep else Kind.WAVEFORMS)
    if is_sweep != (chosen is Kind.SWEEP):
        raise InputError(
            f"{data} holds {'a sweep' if is_sweep else 'waveforms'}, not what --kind {chosen} draws"
        )
    if select:
        content = _selected(content, select)
    typer.echo(
        plots.save(_figure(content, chosen, show or [], (x, y), level), out or data.with_suffix(".png"))
    )


def _figure(
    data: xr.Dataset, kind: Kind, show: list[str], pair: tuple[str | None, str | None], level: str
) -> Figure:
    from memsim import plots
    from memsim.units import parse_si

    if kind is Kind.SWEEP:
        return plots.sweep(data, show)
    if kind is Kind.RASTER:
        return plots.spike_raster(data, show or _named(data, "v(mem"), parse_si(level, "V"))
    if kind is Kind.WAVEFORMS:
        return plots.analysis(data, show)
    across, up = pair
    if across is None or up is None:
        raise InputError(f"a picture of kind {kind} has two variables; name them with --x and --y")
    draw = plots.hysteresis if kind is Kind.HYSTERESIS else plots.phase_portrait
    return draw(data, across, up)


def _named(data: xr.Dataset, start: str) -> list[str]:
    return [str(name) for name in data.data_vars if str(name).startswith(start)]


def _selected(data: xr.Dataset, select: list[str]) -> xr.Dataset:
    from memsim.units import parse_si

    for one in select:
        name, _, value = one.partition("=")
        if name not in data.dims or not value:
            axes = ", ".join(str(dim) for dim in data.dims)
            raise InputError(
                f"--select {one!r} names no axis and value; write name=value with one of: {axes}"
            )
        if data[name].dtype.kind in "iuf" and data[name].size:
            data = data.isel({name: int(abs(data[name].values - parse_si(value)).argmin())})
        elif value in data[name].values:
            data = data.isel({name: list(data[name].values).index(value)})
        else:
            raise InputError(f"--select {one!r}: {name} is one of {', '.join(map(str, data[name].values))}")
    return data
