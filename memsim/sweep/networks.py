"""Trained networks, evaluated in torch on hardware that is not ideal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from memsim.errors import InputError
from memsim.sweep.subject import Nominal

if TYPE_CHECKING:
    from memsim.learn import Run

CHIP, LEVELS = "chip", "levels"
ACCURACY = "accuracy"
_UNITS = {"stuck_conductance": "S"}


@dataclass(frozen=True)
class TrainedNetwork:
    """The run that `memsim train` left in a folder; its test accuracy is the one scalar, `accuracy`.

    Parameters are those of `memsim.learn.study.NonidealityTable`, and `chip`, a whole number that stands for one draw
    of everything random in the hardware.

    Attributes:
        folder: of the run.
        images: test images, the first ones; all where left out.
        trust: run the code of the Python files that its study names.
    """

    folder: Path
    images: int | None
    trust: bool = False
    needs_ngspice = False

    def parameters(self) -> dict[str, Nominal]:
        table = _run(self.folder, self.trust).study.nonidealities.test
        values = {name: getattr(table, name) for name in type(table).model_fields}
        found = {
            name: Nominal(float("nan") if value is None else float(value), _UNITS.get(name, "1"))
            for name, value in values.items()
        }
        return {**found, CHIP: Nominal(0.0, "1")}

    def run(self, values: Mapping[str, float]) -> xr.Dataset:
        from pydantic import ValidationError

        from memsim.learn import evaluate
        from memsim.learn.evaluation import first
        from memsim.networks.tables import NonidealityTable

        run = _run(self.folder, self.trust)
        table = {
            name: round(value) if name == LEVELS else value for name, value in values.items() if name != CHIP
        }
        try:
            given = run.study.nonidealities.test.model_dump() | table
            nonidealities = NonidealityTable.model_validate(given)
        except ValidationError as error:
            raise InputError(f"{table} cannot be used: {error.errors()[0]['msg']}") from None
        split = run.data.test if self.images is None else first(run.data.test, self.images)
        accuracy = evaluate(run.network, split, nonidealities, seed=round(values.get(CHIP, 0.0)))
        return xr.Dataset({ACCURACY: ((), accuracy, {"units": "1"})})

    def fingerprint(self) -> str:
        import hashlib

        from memsim.learn.checkpoint import CHECKPOINT

        digest = hashlib.sha256((self.folder / CHECKPOINT).read_bytes()).hexdigest()
        return f"{_run(self.folder, self.trust).study.model_dump_json()} {digest} {self.images}"


@cache
def _run(folder: Path, trust: bool) -> Run:
    """The run with its data, kept: reading them takes longer than many an evaluation."""
    from memsim.learn import load_run

    return load_run(folder, trust=trust)
