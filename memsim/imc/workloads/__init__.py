"""Networks as layer shapes, from files or from mapped models."""

from memsim.imc.workloads.from_model import workload_of
from memsim.imc.workloads.shapes import (
    DigitalPart,
    LayerShape,
    Positions,
    Workload,
    load_workload,
    workload_names,
)

__all__ = [
    "DigitalPart",
    "LayerShape",
    "Positions",
    "Workload",
    "load_workload",
    "workload_names",
    "workload_of",
]
