"""Memristive neurons and spiking networks: one circuit, simulated in ngspice, trained in PyTorch."""

from __future__ import annotations

import importlib
import sys
from typing import Any

if (
    sys.platform == "win32"
):  # simulators are limited and killed, and results locked, in ways that POSIX has alone
    raise ImportError("memsim does not run on Windows; run it in WSL, as on Ubuntu 24.04.")

# Everything here is loaded on first use: torch and PySpice cost seconds, `import memsim` must not.
__all__ = [
    "__version__",
    "circuits",
    "crossbar",
    "devices",
    "errors",
    "files",
    "fit",
    "imc",
    "interop",
    "learn",
    "methods",
    "networks",
    "plots",
    "report",
    "spice",
    "surrogate",
    "sweep",
    "units",
    "variability",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("memsim")
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
