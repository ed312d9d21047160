"""What every benchmark shares: the machine, the date, and results as JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from memsim.files import write_text
from memsim.spice import ngspice_version

RESULTS = Path(__file__).parent / "results"


def saved_results(name: str) -> dict[str, Any]:
    """What a benchmark that saves part by part has under `results` so far, by other processes, too."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))["results"] if path.exists() else {}


def save_result(name: str, command: str, result: dict[str, Any]) -> Path:
    """Write a result with where, when and how it was measured."""
    revision = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607 - the git on the path
        capture_output=True,
        text=True,
        check=False,
    )
    record = {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "revision": revision.stdout.strip(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "ngspice": ngspice_version().major,
        },
        **result,
    }
    path = RESULTS / f"{name}.json"
    write_text(path, json.dumps(record, indent=2) + "\n")
    print(path)
    return path
