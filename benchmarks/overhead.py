"""What memsim adds: to the start of Python, to the command line, and to a run of ngspice.

python benchmarks/overhead.py [--rounds 7]

Import and `memsim --help` are whole processes, from start to end, less a Python that does nothing for the import. The
run is a deck of more than a second, by `spice.simulate` and by `ngspice -b` itself in turns; the best round of each
counts, because other programs may share the machine. Beside it the processor time that memsim itself takes, over that
of the ngspice it started, which does not depend on what else runs.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import save_result

from memsim import spice

DECK = """* low-pass driven by a sine, 400 000 points
v1 a 0 sin(0 1 1meg)
r1 a b 1k
c1 b 0 1n
.save v(b)
.tran 1n 400u 0 1n
.end
"""


def best(action: Callable[[], object], rounds: int) -> float:
    """Shortest time [s]."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def process(*command: str) -> Callable[[], object]:
    """A program that must succeed."""
    return lambda: subprocess.run(command, check=True, capture_output=True)  # noqa: S603


def start_up(rounds: int) -> dict[str, float]:
    """Import and help."""
    memsim = str(Path(sys.executable).with_name("memsim"))
    nothing = best(process(sys.executable, "-c", "pass"), rounds)
    return {
        "import_seconds": best(process(sys.executable, "-c", "import memsim"), rounds) - nothing,
        "help_seconds": best(process(memsim, "--help"), rounds),
    }


def directly() -> None:
    """The deck in ngspice alone, in a folder as memsim makes one."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "deck.cir").write_text(DECK)
        command = ["ngspice", "-n", "-b", "-r", "out.raw", "-o", "out.log", "deck.cir"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)  # noqa: S603


def of_a_run(rounds: int) -> dict[str, Any]:
    """Seconds of the run by memsim and by ngspice itself."""
    spice.simulate("* warm-up\nv1 a 0 1\nr1 a 0 1\n.tran 1n 1u\n.end\n")
    own, started, alone, points = [], [], [], 0
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        points = spice.simulate(DECK).sizes["time"]
        own.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        mine, ngspice = (
            b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime for a, b in zip(before, after, strict=True)
        )
        started.append((mine, ngspice))
        start = time.perf_counter()
        directly()
        alone.append(time.perf_counter() - start)
    mine, ngspice = min(started, key=lambda pair: pair[0] / pair[1])
    return {
        "points": points,
        "seconds_by_memsim": min(own),
        "seconds_by_ngspice": min(alone),
        "overhead": min(own) / min(alone) - 1,
        "processor_seconds_of_memsim": mine,
        "processor_seconds_of_ngspice": ngspice,
        "processor_overhead": mine / ngspice,
    }


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    result = {"rounds": rounds, **start_up(rounds), "run": of_a_run(rounds)}
    print(result)
    save_result("overhead", "python benchmarks/overhead.py", result)


if __name__ == "__main__":
    main()
