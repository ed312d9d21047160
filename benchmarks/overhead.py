"""What memsim adds: to the start of Python, to the command line, and to a run of ngspice.

python benchmarks/overhead.py [--rounds 7]

Import and `memsim --help` are whole processes, from start to end, less a Python that does nothing for the import. The
runs are decks of more than a second and of some 20 ms, by `spice.simulate`, as decks of a stranger, and by `ngspice -b`
itself in turns; the best round of each counts, because other programs may share the machine. Beside it processor time,
which depends less on what else runs: of all processes for each, and of memsim itself over that of what it started.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import save_result

from memsim import spice

DECK = """* low-pass driven by a sine
v1 a 0 sin(0 1 1meg)
r1 a b 1k
c1 b 0 1n
.save v(b)
.tran 1n {stop} 0 1n
.end
"""
LONG, SHORT = DECK.format(stop="600u"), DECK.format(stop="5u")


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


def processor_seconds() -> tuple[float, float]:
    """Of this process, and of those it has started."""
    mine, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return mine.ru_utime + mine.ru_stime, children.ru_utime + children.ru_stime


def directly(deck: str) -> None:
    """The deck in ngspice alone, in a folder as memsim makes one."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "deck.cir").write_text(deck)
        command = ["ngspice", "-n", "-b", "-r", "out.raw", "-o", "out.log", "deck.cir"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)  # noqa: S603


def measured(action: Callable[[], object]) -> tuple[float, float, float]:
    """Seconds on the clock, processor seconds of this process, and of those that it started."""
    before, start = processor_seconds(), time.perf_counter()
    action()
    seconds, after = time.perf_counter() - start, processor_seconds()
    return seconds, after[0] - before[0], after[1] - before[1]


def of_a_run(deck: str, rounds: int) -> dict[str, Any]:
    """Seconds of a deck of a stranger by memsim, and by ngspice itself."""
    spice.simulate("* warm-up\nv1 a 0 1\nr1 a 0 1\n.tran 1n 1u\n.end\n")
    own, alone = [], []
    for _ in range(rounds):
        own.append(measured(lambda: spice.simulate(deck)))
        alone.append(measured(lambda: directly(deck)))
    by_memsim, by_ngspice = min(one[0] for one in own), min(one[0] for one in alone)
    mine, started = min((one[1:] for one in own), key=lambda pair: pair[0] / pair[1])
    return {
        "points": spice.simulate(deck).sizes["time"],
        "seconds_by_memsim": by_memsim,
        "seconds_by_ngspice": by_ngspice,
        "overhead": by_memsim / by_ngspice - 1,
        "overhead_seconds": by_memsim - by_ngspice,
        "processor_seconds_of_memsim": mine,
        "processor_seconds_of_ngspice": started,
        "processor_overhead": mine / started,
        "processor_overhead_seconds": statistics.median(one[1] + one[2] for one in own)
        - statistics.median(one[1] + one[2] for one in alone),
    }


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    runs = {"run": of_a_run(LONG, rounds), "short_run": of_a_run(SHORT, 5 * rounds)}
    result = {"rounds": rounds, **start_up(rounds), **runs}
    print(result)
    save_result("overhead", "python benchmarks/overhead.py", result)


if __name__ == "__main__":
    main()
