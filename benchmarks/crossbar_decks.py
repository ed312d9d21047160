"""Crossbars with wires as decks: written, run by `spice.simulate`, and their currents beside those of memsim's solver.

python benchmarks/crossbar_decks.py [--shapes 1010x4 4x1010 128x128 256x256 512x512]

Arrays have conductances of 1 to 100 uS, inputs up to 0.1 V and segments of 1 ohm. Shapes beyond about 120 x 120 want an
ngspice with KLU first on the PATH. Times are processor seconds: of memsim for the text; of memsim for all of
`spice.simulate` less its program; of ngspice. Memory is what ngspice says in its log.
"""

from __future__ import annotations

import argparse
import re
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from common import save_result

from memsim import spice
from memsim.crossbar import Wires, column_currents, crossbar_deck
from memsim.crossbar.netlist import deck_size
from memsim.files import write_text

WIRES = Wires(1.0, 1.0)
TOLERANCE = 1e-8
TIME_LIMIT = 3600.0


def array(rows: int, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Conductances and word line voltages."""
    generator = torch.Generator().manual_seed(0)
    conductance = 1e-6 + 99e-6 * torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    return conductance, 0.1 * torch.rand(rows, generator=generator, dtype=torch.float64)


def processor_seconds(who: int) -> float:
    """Of this process, or of the programs that it started."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def measured(rows: int, columns: int, folder: Path) -> dict[str, Any]:
    """One shape, from conductances to currents."""
    conductance, voltage = array(rows, columns)
    file = folder / f"{rows}x{columns}.cir"
    start = time.process_time()
    write_text(file, crossbar_deck(conductance, voltage, WIRES))
    written = time.process_time()
    before = [processor_seconds(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    clock = time.perf_counter()
    waves = spice.simulate(file, timeout=TIME_LIMIT, keep=folder)
    wall = time.perf_counter() - clock
    after = [processor_seconds(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    found = torch.tensor([float(waves[f"i(vsense{j})"]) for j in range(columns)], dtype=torch.float64)
    expected = column_currents(conductance, voltage, WIRES)
    error = float((found / expected - 1).abs().max())
    if error > TOLERANCE:
        raise SystemExit(f"{rows} x {columns}: currents differ by {error:.1e}")
    size = deck_size(rows, columns)
    return {
        "rows": rows,
        "columns": columns,
        "text_bytes": file.stat().st_size,
        "text_bytes_estimated": round(size.text),
        "text_cpu_seconds": written - start,
        "memsim_cpu_seconds": after[0] - before[0],
        "ngspice_cpu_seconds": after[1] - before[1],
        "wall_seconds": wall,
        "ngspice_memory_bytes": memory(folder / f"{file.stem}.log"),
        "ngspice_memory_bytes_estimated": round(size.memory),
        "relative_error": error,
    }


def memory(log: Path) -> int:
    """Largest size of ngspice [byte]."""
    found = re.search(r"Maximum ngspice program size =\s+([\d.]+) MB", log.read_text())
    if found is None:
        raise SystemExit(f"{log} does not say how large ngspice was")
    return round(float(found[1]) * 1024**2)


def main() -> None:
    """Measure every shape and save the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shapes", nargs="+", default=["1010x4", "4x1010", "128x128", "256x256", "512x512"])
    shapes = [tuple(map(int, shape.split("x"))) for shape in parser.parse_args().shapes]
    arrays = []
    with tempfile.TemporaryDirectory() as folder:
        for rows, columns in shapes:
            arrays.append(measured(rows, columns, Path(folder)))
            print(arrays[-1])
    save_result(
        "crossbar_decks",
        "python benchmarks/crossbar_decks.py",
        {"klu": spice.ngspice_version().klu, "arrays": arrays},
    )


if __name__ == "__main__":
    main()
