"""Value and gradient of a crossbar's total column current, memsim beside circulax.

    python benchmarks/crossbar_gradients.py --circulax PYTHON

Square arrays, conductances evenly from 1 to 100 uS, voltages from 0 to 0.2 V, 1 ohm a segment; derivatives for all
conductances; CPU time on one thread, without the first call. circulax, which needs Python 3.12, is run by the
interpreter given. Each size is saved once it is measured.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import save_result

from memsim.crossbar import Wires, column_currents

SIZES, OHM, ROUNDS, CALLS = (8, 16, 32), 1.0, 9, 50
PEER = Path(__file__).with_name("circulax_gradient.py")
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


def arrays(size: int) -> tuple[Any, Any]:
    """The same array and vector for both."""
    draw = np.random.default_rng(size)
    return draw.uniform(1e-6, 1e-4, (size, size)), draw.uniform(0, 0.2, size)


def with_memsim(size: int) -> dict[str, Any]:
    """Median CPU time of forward and backward, and what they give."""
    g, v = (torch.from_numpy(part) for part in arrays(size))
    g.requires_grad_()

    def both() -> tuple[torch.Tensor, torch.Tensor]:
        total = column_currents(g, v, Wires(OHM, OHM)).sum()
        (gradient,) = torch.autograd.grad(total, g)
        return total.detach(), gradient

    value, gradient = both()
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(CALLS):
            both()
        times.append((time.process_time() - start) / CALLS)
    return {"cpu_seconds": statistics.median(times), "value": float(value), "gradient": gradient.numpy()}


def with_circulax(size: int, python: str, backend: str = "klu") -> dict[str, Any]:
    """The same, in an interpreter of its own."""
    sent = io.BytesIO()
    g, v = arrays(size)
    np.savez(sent, g=g, v=v)
    done = subprocess.run(  # noqa: S603 - the interpreter that the command line names
        [python, str(PEER), str(size), str(OHM), backend],
        input=sent.getvalue(),
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, **ONE_THREAD},
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return {**found, "gradient": np.array(found["gradient"])}


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--circulax", metavar="PYTHON", required=True, help="interpreter that has circulax")
    given = parser.parse_args()
    torch.set_num_threads(1)
    version = subprocess.run(  # noqa: S603
        [given.circulax, "-c", "from importlib.metadata import version; print(version('circulax'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    rows = []
    for size in given.sizes:
        ours, theirs = with_memsim(size), with_circulax(size, given.circulax)
        row = {
            "size": size,
            "memsim_cpu_seconds": ours["cpu_seconds"],
            "circulax_cpu_seconds": theirs["cpu_seconds"],
            "circulax_first_call_cpu_seconds": theirs["first_call_cpu_seconds"],
            "ratio": theirs["cpu_seconds"] / ours["cpu_seconds"],
            "largest_difference": float(np.abs(theirs["gradient"] / ours["gradient"] - 1).max()),
        }
        print(row)
        rows.append(row)
        save_result(
            "crossbar_gradients",
            "python benchmarks/crossbar_gradients.py --circulax PYTHON",
            {"circulax": version, "ohm": OHM, "rows": rows},
        )


if __name__ == "__main__":
    main()
