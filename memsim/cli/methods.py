"""`memsim methods`: studies of the literature that ship with memsim."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def methods(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """List methods of the literature with their papers, and the studies that `memsim train` knows by name.

    Examples: `memsim methods`, `memsim train equilibrium --data-dir data`
    """
    from memsim.methods import load_method, method_names

    found = [load_method(name) for name in method_names()]
    if as_json:
        listed = [{**one.model_dump(), "studies": list(one.studies)} for one in found]
        typer.echo(json.dumps(listed, indent=2))
        return
    for one in found:
        rows = {
            "paper": one.paper,
            "task": one.task,
            "expected": one.expected,
            "time": one.time,
            "train": ", ".join(f"memsim train {name}" for name in one.studies),
        }
        typer.echo(
            "\n".join([f"{one.name}: {one.title}", *(f"  {k:<10}{v}" for k, v in rows.items() if v), ""])
        )
