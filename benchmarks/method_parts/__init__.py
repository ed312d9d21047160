"""What benchmarks/methods.py measures of one method alone, and the picture of each: a file by the name of the method.

A file has `figure(path)`, and `measures(run, folder)` where there is more to measure than all methods have; that of a
method without studies has `alone(seed)`, which measures all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from memsim.learn import Run


def _part(name: str) -> ModuleType:
    return import_module(f"{__name__}.{name.replace('-', '_')}")


def draw(name: str, path: Path) -> Path:
    """The picture of a method that shows what it does."""
    drawn: Path = _part(name).figure(path)
    return drawn


def own_measures(name: str, run: Run, folder: Path) -> dict[str, Any]:
    """What this method alone has of a run."""
    part = _part(name)
    return part.measures(run, folder) if hasattr(part, "measures") else {}


def measures_alone(name: str, seed: int) -> Iterator[dict[str, Any]]:
    """What a method has that trains nothing, part by part."""
    parts: Iterator[dict[str, Any]] = _part(name).alone(seed)
    return parts
