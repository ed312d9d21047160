"""What is left of inputs and labels before and after learning, five tasks one after the other, and a picture of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from memsim.learn import Run
from memsim.learn.evaluation import first
from memsim.learn.rules.coding import coded
from memsim.learn.run import network_of
from method_parts.in_place import pulses

SAMPLE = 500
"""Training examples that the energy of errors is taken from."""


def measures(run: Run, _: Path) -> dict[str, Any]:
    """Energy of errors before and after training, and what writing took of studies that write in place."""
    some = first(run.data.train, SAMPLE)
    energies = [
        float(coded(network, some.inputs(), some.labels).energy)
        for network in (network_of(run.study, run.data), run.network)
    ]
    return {"energy of errors, first": energies[0], "energy of errors, last": energies[1], **pulses(run)}
