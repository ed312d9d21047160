"""Readers of the 64 kbit RRAM arrays measured at Stanford (Levy et al., NI-RRAM-Python, MIT licence).

The data does not come with memsim. Give the folder that holds `stanford-rram-64k` and `stanford-rram-retention`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from memsim.errors import InputError
from memsim.variability.quantiles import Array

CELLS = 65536
READ_INTERVAL = 46.7e-3  # s, mean over the trace of 10 000 reads
SET_RESISTANCE = 20e3  # ohm; below it a cell is set, above it reset


def relaxation(folder: str | Path) -> tuple[Array, dict[float, Array]]:
    """Conductances [cells] in S right after programming, and by time [s] later; cells read at all of these times."""
    table = _read(Path(folder) / "stanford-rram-64k" / "model_C.tsv", header=0)
    wide = table.pivot_table(index="addr", columns="timept", values="g")
    wide = wide[[0.0, 0.01, 0.1, 1.0, 1e5]].dropna().clip(lower=0.0)
    return wide[0.0].to_numpy(), {float(t): wide[t].to_numpy() for t in wide.columns[1:]}


def pulses(folder: str | Path, kind: str) -> dict[str, Array]:
    """Columns of `set` or `reset` pulses: width [s], gate [V], voltage [V], before and after [ohm].

    Only pulses on cells that were in the other state before.
    """
    names = ["address", "width", "gate", "voltage", "before", "after"]
    table = _read(Path(folder) / "stanford-rram-64k" / f"{kind}_sweep.tsv", names=names)
    high = table["before"] > SET_RESISTANCE
    table = table[high if kind == "set" else ~high]
    return {name: table[name].to_numpy(dtype=float) for name in names[1:]}


def stuck(folder: str | Path, chip: int) -> Array:
    """Resistances [ohm] of the cells of chip 13 or 14 that could not be programmed."""
    path = Path(folder) / "stanford-rram-64k" / f"{chip}dead_test.csv"
    return _read(path, separator=",")[3].to_numpy(dtype=float)


def reads(folder: str | Path) -> Array:
    """Conductances [reads] in S of one cell read 10 000 times, `READ_INTERVAL` apart."""
    return _read(Path(folder) / "stanford-rram-retention" / "ret1.csv", separator=",")[3].to_numpy(
        dtype=float
    )


def endurance(folder: str | Path) -> tuple[Array, Array]:
    """Low and high resistance [ohm] of one cell, every 100 cycles up to a million."""
    table = _read(Path(folder) / "stanford-rram-retention" / "1us_endurance.tsv")
    return table[1].to_numpy(dtype=float), np.abs(table[2].to_numpy(dtype=float))


def _read(
    path: Path, *, separator: str = "\t", header: int | None = None, names: list[str] | None = None
) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(
            f"{path} does not exist; give the folder with the measured arrays (--data-dir or MEMSIM_DATA)"
        )
    return pd.read_csv(path, sep=separator, header=header, names=names)
