"""Column currents of crossbars with wires: memsim beside badcrossbar, SciPy, CHOLMOD, ngspice and CrossSim.

    python benchmarks/crossbar_solver.py [--sizes 16 32 64] [--crosssim CHECKOUT] [--again]

Square arrays, conductances evenly from 1 to 100 uS, voltages from 0 to 0.2 V, every segment 1 or 10 ohm. All
solve the same arrays in turn, one thread, each in a process of its own; time is CPU time with that of
child processes, memory is the growth of the largest resident size. A contender that took more than 15 s (CrossSim,
whose time grows by restarts with less relaxation, 0.2 s; gradients 5 s) is not given the next size; above 512 there
is one vector. Each case is saved once it is measured; a run that was interrupted goes on where it was, `--again`
starts anew.
Needs the `bench` extra (badcrossbar, for which pip needs the Cairo headers); CHOLMOD is there with scikit-sparse.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import product
from typing import Any

import crossbar_peers as peers
import numpy as np
import torch
from common import RESULTS, save_result
from matplotlib.figure import Figure

from memsim.plots import save
from memsim.plots.style import styled

NAME, COMMAND = "crossbar_solver", "python benchmarks/crossbar_solver.py --crosssim CHECKOUT"
SIZES, BATCHES, OHMS = (16, 32, 64, 128, 256, 512, 1024), (1, 32, 256), (1.0, 10.0)
LONGEST = {"CrossSim 1e-6": 0.2, "memsim, with gradients": 5.0}
LONGEST_OF_OTHERS = 15.0
ROUNDS, SAMPLE = 5, 0.05
# ngspice 39 takes 10 s at 64 x 64, and one process for each vector
NGSPICE_LIMIT = (32, 1)

Row = dict[str, Any]


def arrays(size: int, batch: int) -> tuple[peers.Array, peers.Array]:
    """The same array and vectors for everyone."""
    draw = np.random.default_rng(size)
    return draw.uniform(1e-6, 1e-4, (size, size)), draw.uniform(0, 0.2, (batch, size))


def contenders(crosssim: str | None) -> dict[str, peers.Solver]:
    """Solvers by the name they have in tables."""
    named = {
        "memsim": peers.memsim,
        "memsim, with gradients": peers.memsim_gradient,
        "memsim, matrix kept": peers.memsim_cached,
        "no wires (matmul)": peers.matmul,
        "badcrossbar": peers.badcrossbar_solver,
        "SciPy sparse": peers.scipy_sparse,
        "ngspice": peers.ngspice,
    }
    if find_spec("sksparse"):
        named["CHOLMOD"] = peers.cholmod
    if crosssim:
        named |= {"CrossSim 1e-6": peers.crosssim(crosssim), "memsim 1e-6": peers.memsim_coarse}
    return named


def cpu_seconds() -> float:
    """CPU time of this process and of all it has started and waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measure(solver: peers.Solver, size: int, batch: int, ohm: float, pipe: Any) -> None:
    """First call for memory and result, then the median of calls in a few milliseconds."""
    solver(*arrays(8, 2), 1.0)  # a fork does not count the libraries it shares before it uses them
    g, v = arrays(size, batch)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        start = cpu_seconds()
        currents = solver(g, v, ohm)
        first = cpu_seconds() - start
    except (ValueError, MemoryError) as error:
        pipe.send(str(error) or type(error).__name__)
        return
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    times = [first]
    if first < 2 or solver is peers.memsim_cached:
        calls = max(1, min(50, int(SAMPLE / max(first, 1e-3))))
        times = []
        for _ in range(ROUNDS):
            start = cpu_seconds()
            for _ in range(calls):
                solver(g, v, ohm)
            times.append((cpu_seconds() - start) / calls)
    pipe.send((statistics.median(times), first, memory, currents))


def in_own_process(*case: Any) -> Any:
    """What `measure` sends, or why there is nothing."""
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=measure, args=(*case, there))
    process.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        return "died"
    finally:
        process.join()


def run_case(named: dict[str, peers.Solver], size: int, batch: int, ohm: float) -> list[Row]:
    """One row for each contender, with its error against a refined factorisation."""
    results = {name: in_own_process(solver, size, batch, ohm) for name, solver in named.items()}
    expected = in_own_process(peers.reference, size, batch, ohm)
    rows = []
    for name, result in results.items():
        row: Row = {"contender": name, "size": size, "batch": batch, "ohm": ohm}
        if isinstance(result, str):
            row["failed"] = result
        else:
            seconds, first, memory, currents = result
            row |= {"cpu_seconds": seconds, "first_call_cpu_seconds": first, "extra_mebibytes": memory}
            if name != "no wires (matmul)" and not isinstance(expected, str):
                row["error"] = float(np.abs(currents / expected[-1] - 1).max())
        rows.append(row)
        print(line(row), flush=True)
    return rows


def line(row: Row) -> str:
    """A row as it is printed."""
    head = f"{row['ohm']:4g} ohm {row['size']:5} x{row['batch']:4} {row['contender']:24}"
    if "failed" in row:
        return f"{head} {row['failed'][:40]}"
    error = f"{row['error']:.0e}" if "error" in row else ""
    return f"{head} {row['cpu_seconds'] * 1e3:10.2f} ms {row['extra_mebibytes']:8.1f} MiB {error:>7}"


def run(sizes: list[int], named: dict[str, peers.Solver], rows: list[Row]) -> Iterator[list[Row]]:
    """All rows after each case; who is too slow, or not able, falls out for the larger sizes of a series."""
    for batch, ohm in product(BATCHES, OHMS):
        left = dict(named)
        for size in [size for size in sizes if size <= 512 or batch == 1]:
            case = [row for row in rows if (row["size"], row["batch"], row["ohm"]) == (size, batch, ohm)]
            if size > NGSPICE_LIMIT[0] or batch > NGSPICE_LIMIT[1]:
                left.pop("ngspice", None)
            if not case:
                case = run_case(left, size, batch, ohm)
                rows = rows + case
                yield rows
            for row in case:
                longest = LONGEST.get(row["contender"], LONGEST_OF_OTHERS)
                if row.get("first_call_cpu_seconds", longest) >= longest:
                    left.pop(row["contender"], None)


@styled
def figure(rows: list[Row]) -> Figure:
    """CPU time over size for one vector and for 256."""
    drawn = Figure(figsize=(7.2, 4.0))
    shown = ["memsim", "memsim, matrix kept", "badcrossbar", "SciPy sparse", "CrossSim 1e-6", "ngspice"]
    for axes, batch in zip(drawn.subplots(1, 2, sharey=True), (1, 256), strict=True):
        for number, name in enumerate(shown):
            points = [
                (row["size"], row["cpu_seconds"])
                for row in rows
                if (row["contender"], row["batch"], row["ohm"]) == (name, batch, 1.0) and "cpu_seconds" in row
            ]
            if points:
                axes.loglog(*zip(*points, strict=True), f"C{number}", marker="o", markersize=3, label=name)
        axes.set_xlabel("word lines = bit lines")
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.set_title("one vector" if batch == 1 else f"{batch} vectors, one array")
    drawn.axes[0].set_ylabel("CPU time (s), 1 Ω per segment")
    handles, labels = drawn.axes[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=3)
    return drawn


def interrupted() -> list[Row]:
    """Rows of a run that did not come to its end."""
    path = RESULTS / f"{NAME}.json"
    saved = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"complete": True}
    return [] if saved.get("complete", True) else list(saved["rows"])


def main() -> None:
    """Measure, print, save the table and the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--again", action="store_true", help="measure all, also what an interrupted run has")
    parser.add_argument("--crosssim", metavar="CHECKOUT", help="folder of a CrossSim checkout")
    given = parser.parse_args()
    torch.set_num_threads(1)
    named = contenders(given.crosssim)
    for solver in named.values():
        solver(*arrays(8, 2), 1.0)  # imports and caches are not what is measured
    shape = {"sizes": given.sizes, "batches": BATCHES, "ohms": OHMS, "rounds": ROUNDS}
    rows = [] if given.again else interrupted()
    for rows in run(given.sizes, named, rows):  # noqa: B020 - the rows so far, and one case more
        save_result(NAME, COMMAND, {"complete": False, "shape": shape, "rows": rows})
    save_result(NAME, COMMAND, {"complete": True, "shape": shape, "rows": rows})
    print(save(figure(rows), RESULTS / f"{NAME}.png"))


if __name__ == "__main__":
    main()
