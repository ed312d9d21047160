"""`memsim report`: one self-contained page for a run, for waveforms or for a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memsim.cli.train import TRUST


def report(
    source: Annotated[Path, typer.Argument(help="Folder of a trained run, or waveforms or a sweep (`.nc`).")],
    out: Annotated[
        Path | None, typer.Option(help="Page to write; beside the data where left out (`.html`).")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the data sets of a run; MEMSIM_DATA where left out.")
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help=TRUST)] = False,
) -> None:
    """Write one HTML page that needs no network: pictures, tables, and the commands that made them.

    The page of a run shows its verification in ngspice where `memsim verify` has been there.

    Examples: `memsim report runs/digits`, `memsim report waves.nc --out waves.html`
    """
    if source.is_dir():
        typer.echo(_run(source, out, data_dir, trust=trust))
        return
    from memsim.cli.readers import read_any
    from memsim.report.data import write_data_report

    typer.echo(write_data_report(read_any(source), source, out or source.with_suffix(".html")))


def _run(folder: Path, out: Path | None, data_dir: Path | None, *, trust: bool) -> Path:
    from memsim.learn import load_run
    from memsim.report.run import write_run_report
    from memsim.verify import evidence_of

    run = load_run(folder, data_dir, trust=trust)
    return write_run_report(run, folder, evidence_of(run, folder), page=out)
