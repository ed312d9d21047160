"""The same sweep on one and on two local workers: the same numbers, and how much faster.

python benchmarks/sweep_scaling.py [--points 32] [--rounds 4]

Time is counted from the first result to the last, when all workers are up, and beside it the whole call with the start
of the cluster. Other programs may share the machine: the two counts of workers take turns, and the best round of each
is compared.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from common import save_result

from memsim.sweep import Progress, make_sweep, run_sweep


def sweep(points: int, workers: int, folder: Path) -> dict[str, Any]:
    """One sweep: seconds and results."""
    study = make_sweep(
        circuit="threshold-switching-a",
        stop="24m",
        samples={
            "count": points,
            "method": "latin-hypercube",
            "parameters": {"iin.value": {"from": "3u", "to": "15u"}},
        },
        measure={"rate": {"of": "v(mem)", "what": "frequency", "level": "60m"}},
    )
    marks: list[tuple[float, int]] = []

    def mark(progress: Progress) -> None:
        marks.append((time.monotonic(), progress.done))

    start = time.monotonic()
    data = run_sweep(study, folder / f"{workers}-{start}.nc", workers=workers, progress=mark)
    whole = time.monotonic() - start
    # every worker has then done its first run, which also imports memsim
    began = marks[workers + 1]
    return {
        "runs_per_second": (points - began[1]) / (marks[-1][0] - began[0]),
        "seconds_in_all": whole,
        "rates": data["rate"].values.tolist(),
    }


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    rows: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(arguments.rounds):
            for workers, found in rows.items():
                found.append(sweep(arguments.points, workers, Path(folder)))
                print(
                    workers,
                    {name: found[-1][name] for name in ("runs_per_second", "seconds_in_all")},
                    flush=True,
                )
    numbers = [row.pop("rates") for found in rows.values() for row in found]
    best = {workers: max(row["runs_per_second"] for row in found) for workers, found in rows.items()}
    result = {
        "points": arguments.points,
        "rounds": arguments.rounds,
        "by_workers": rows,
        "best_runs_per_second": best,
        "faster_with_two_workers": best[2] / best[1],
        "same_numbers": all(one == numbers[0] for one in numbers),
    }
    save_result("sweep_scaling", "python benchmarks/sweep_scaling.py", result)


if __name__ == "__main__":
    main()
