"""`memsim sweep`: many runs of one circuit over grids, samples and corners."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memsim.errors import InputError, SimulationError

if TYPE_CHECKING:
    import xarray as xr


def sweep(  # noqa: PLR0917 - each argument is an option of the command
    study: Annotated[Path, typer.Argument(help="The sweep as TOML; see the example.")],
    out: Annotated[
        Path | None, typer.Option(help="Results as netCDF; beside the study, of its name, where left out.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes on this machine; one per core where left out.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="A Dask scheduler to use instead, e.g. `tcp://host:8786`.")
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Run points again that have failed.")
    ] = False,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Let a deck run commands and reach other folders, and a network run the code of its neuron.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Run a circuit at every point of a grid, of samples and of corners, and keep what is measured.

    Each result is on disk as soon as it is there. A sweep that was stopped, in whatever way, goes on with the same
    command. Points that fail are kept with their error, and the exit code is then 1.

    A study, `f-i.toml`; `[corners]` and `[samples]` are in `notebooks/studies/variability.toml`:

    ```toml
    circuit = "threshold-switching-a"   # or deck = "my.cir" with .param, or network = "runs/digits"
    stop = "12m"

    [grid]
    "iin.value" = { from = "1u", to = "20u", points = 10 }
    "xm1.v_threshold" = ["90m", "110m", "130m"]

    [measure]
    rate = { of = "v(mem)", what = "frequency", level = "60m", after = "2m" }
    ```

    Examples: `memsim sweep f-i.toml`, `memsim sweep f-i.toml --workers 8 --json`,
    `memsim sweep study.toml --out mc.nc --scheduler tcp://cluster:8786`, then `memsim plot mc.nc`
    """
    from memsim.cli.progress import sweep_progress
    from memsim.sweep import load_sweep, run_sweep

    chosen = load_sweep(study)
    target = out or study.with_suffix(".nc")
    if target.suffix != ".nc":
        raise InputError(f"results are netCDF, {target.name!r} does not end in .nc; choose another --out")
    start = time.monotonic()
    try:
        with sweep_progress() as progress:
            data = run_sweep(
                chosen,
                target,
                folder=study.parent,
                workers=workers,
                scheduler=scheduler,
                retry_failed=retry_failed,
                trust=trust,
                progress=progress,
            )
    except KeyboardInterrupt:
        typer.echo("interrupted; finished points are kept, and the same command goes on from there", err=True)
        raise typer.Exit(130) from None
    _report(data, target, time.monotonic() - start, as_json=as_json)


def _report(data: xr.Dataset, out: Path, seconds: float, *, as_json: bool) -> None:
    from memsim.sweep.store import FAILED
    from memsim.units import format_si

    failed = (data["status"].values == FAILED).ravel()
    errors = [str(error) for error in data["error"].values.ravel()[failed]]
    measures = [name for name in data.data_vars if name not in ("status", "error", "seconds")]
    ranges = {str(name): [float(data[name].min()), float(data[name].max())] for name in measures}
    if as_json:
        summary = {
            "out": str(out),
            "points": failed.size,
            "failed": int(failed.sum()),
            "seconds": round(seconds, 3),
        }
        typer.echo(
            json.dumps({**summary, "shape": dict(data["status"].sizes), "ranges": ranges, "errors": errors})
        )
    else:
        typer.echo(f"{failed.size} points, {failed.sum()} failed, {seconds:.1f} s")
        for name, ends in ranges.items():
            unit = data[name].attrs["units"]
            low, high = (f"{end:.4g}" if unit == "1" else format_si(end, unit) for end in ends)
            typer.echo(f"  {name:16} {low} to {high}")
        typer.echo(out)
    if errors:
        raise SimulationError(
            f"{len(errors)} of {failed.size} points failed, the first with {errors[0].splitlines()[0]}",
            remedy=f"look at the variable `error` in {out}; `--retry-failed` runs these points again.",
        )
