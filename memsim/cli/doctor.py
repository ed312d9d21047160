"""`memsim doctor`: what of memsim works on this machine, and what to do about the rest."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from memsim.errors import MemsimError
from memsim.processes import cores


@dataclass(frozen=True)
class Finding:
    """One thing that memsim uses.

    Attributes:
        name: of the thing.
        works: whether it is there.
        found: what it is, or what is missing and what to do.
    """

    name: str
    works: bool
    found: str


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Look for ngspice, its sandbox, a C compiler, torch, a GPU, data and room on the disk.

    Exit code 1 where something that every command needs is missing.

    Example: `memsim doctor`
    """
    findings = [look() for look in (_ngspice, _sandbox, _twin, _torch, _data, _room)]
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            typer.echo(f"{'ok' if finding.works else '--':3} {finding.name:14} {finding.found}")
    raise typer.Exit(0 if findings[0].works else 1)


def _asked(name: str, question: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, question())
    except MemsimError as error:
        return Finding(name, False, str(error))


def _ngspice() -> Finding:
    from memsim.spice.version import ngspice_program, ngspice_version

    def found() -> str:
        version = ngspice_version()
        solver = "with" if version.klu else "without"
        return f"{version.major} at {ngspice_program()}, {solver} the KLU solver"

    return _asked("ngspice", found)


def _sandbox() -> Finding:
    from memsim.spice.wall import wall

    try:
        found = wall()
    except MemsimError:
        return Finding("sandbox", False, "cannot be tried without ngspice")
    what = (
        "decks of strangers are checked, and run in it"
        if found.rules
        else "decks of strangers are only checked"
    )
    return Finding("sandbox", bool(found.rules), f"{found.description}; {what}")


def _twin() -> Finding:
    from memsim.surrogate.fused.compiler import find_compiler, version

    compiler = find_compiler()
    if compiler is None:
        missing = "no C compiler: install gcc or clang, or `pip install ziglang`"
        return Finding(
            "torch twin", False, f"generated torch code, several times slower than generated C; {missing}"
        )
    first = (version(compiler).splitlines() or ["no version"])[0]
    where = "no C compiler but the package ziglang" if compiler.packaged else str(compiler)
    return Finding("torch twin", True, f"generated C, compiled by {first} ({where})")


def _torch() -> Finding:
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU that it can use"
    limit = os.environ.get("OMP_NUM_THREADS")
    why = f" (OMP_NUM_THREADS={limit})" if limit else ""
    return Finding(
        "torch",
        True,
        f"{torch.__version__}, threads: {torch.get_num_threads()} of {cores()} cores{why}, {device}",
    )


def _data() -> Finding:
    folder = os.environ.get("MEMSIM_DATA")
    if folder is None:
        return Finding(
            "data", False, "MEMSIM_DATA is not set; digits need none, MNIST and others do: --data-dir"
        )
    there = Path(folder).is_dir()
    return Finding("data", there, folder if there else f"MEMSIM_DATA = {folder} is no folder")


def _room() -> Finding:
    from memsim.memory import available_memory, format_bytes
    from memsim.processes import GB

    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    text = f"{format_bytes(free)} free in {folder}, {format_bytes(available_memory())} of memory"
    return Finding("room", free >= GB, text if free >= GB else f"{text}; a run may write 1 GB: set TMPDIR")
