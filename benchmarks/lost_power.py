"""Commands killed at random points: nothing runs on, no folder stays, and what is started again ends the same.

    python benchmarks/lost_power.py --rounds 50          # writes results/lost_power.json

Each round starts a command, sends it SIGKILL, SIGTERM or SIGHUP after a random part of its usual time, and looks two
seconds later for simulators that are still there. Then the next command starts, and no private folder may be left.
Sweeps, trainings, verifications and the demo are then started again to their end and compared with an undisturbed one.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import save_result
from safetensors.torch import load_file

from memsim.files import read_waves

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
GRACE = 2.0
"""Seconds after which nothing may run any more."""
PR_SET_CHILD_SUBREAPER = 36
MEMSIM = [
    sys.executable,
    "-c",  # what runs in the background may ignore hang-ups, and what it starts would, too
    "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL); from memsim.cli import main; main()",
]

CHAIN = "\n".join(
    ["chain", "v1 n0 0 sin(0 1 1k)", *(f"r{i} n{i} n{i + 1} 1k" for i in range(300)), "r300 n300 0 1k"]
)
STUDY = """deck = "rc.cir"
[grid]
vin = { from = 1, to = 2, points = 40 }
[measure]
final = { of = "v(b)", what = "final" }
"""
RC = "* rc\n.param vin=1\nv1 a 0 {vin}\nr1 a b 1k\nc1 b 0 1n ic=0\n.tran 1n 100u uic\n.end\n"


@dataclass(frozen=True)
class Victim:
    """A command to kill.

    Attributes:
        arguments: of `memsim`.
        again: arguments that continue it; None where it begins anew.
        result: what it leaves, for comparison; None where it only prints.
    """

    arguments: tuple[str, ...]
    again: tuple[str, ...] | None = None
    result: Callable[[Path], Any] | None = None


def _sweep(folder: Path) -> Any:
    return read_waves(folder / "sweep.nc")["final"].values.tolist()


def _weights(folder: Path) -> Any:
    tensors = load_file(folder / "run" / "checkpoint.safetensors")
    return {name: tensor.tolist() for name, tensor in tensors.items() if name.startswith("network.")}


def _verification(folder: Path) -> Any:
    found = json.loads((folder / "trained" / "verification.json").read_text())
    return {name: value for name, value in found.items() if "seconds" not in name}


def _demo(folder: Path) -> Any:
    found = json.loads((folder / "demo/digits/verification.json").read_text())
    return {name: value for name, value in found.items() if "seconds" not in name}


VICTIMS = {
    "run": Victim(("run", "chain.cir", "--timeout", "8")),
    "sweep": Victim(("sweep", "sweep.toml"), ("sweep", "sweep.toml"), _sweep),
    "fit": Victim(("fit", "loop.csv", "--model", "yakopcic", "--out", "fitted")),
    "verify": Victim(("verify", "trained", "--images", "10"), ("verify", "trained", "--images", "10"), _verification),
    "imc": Victim(("imc", "--workload", "vgg16", "--compare", "hp-adc")),
    "train": Victim(
        ("train", "--epochs", "2", "--out", "run"), ("train", "--epochs", "2", "--out", "run", "--resume"), _weights
    ),
    "demo": Victim(("demo",), ("demo",), _demo),
}  # fmt: skip

ORDER = 4 * ("run", "sweep", "fit", "verify", "imc", "train") + ("demo",)
"""In which the commands take their turns."""


def prepare(folder: Path) -> None:
    """Decks, a study, a loop and a trained network to work on."""
    (folder / "chain.cir").write_text(f"{CHAIN}\n.tran 1n 100m 0 1n\n.end\n")
    (folder / "rc.cir").write_text(RC)
    (folder / "sweep.toml").write_text(STUDY)
    time_, phase = np.linspace(0, 0.1, 400), np.linspace(0, 2 * np.pi, 400)
    current = np.sin(phase) / (5e3 + 4e3 * np.cos(phase))
    rows = (f"{t:.9g},{v:.9g},{i:.9g}" for t, v, i in zip(time_, np.sin(phase), current, strict=True))
    (folder / "loop.csv").write_text("\n".join(["time [s],voltage [V],current [A]", *rows, ""]))
    finish(folder, ("train", "--epochs", "3", "--out", "trained"))


def finish(folder: Path, arguments: Sequence[str]) -> tuple[float, int]:
    """Run a command to its end; seconds and exit code."""
    start = time.monotonic()
    with _started(folder, arguments) as process:
        process.wait()
    return time.monotonic() - start, process.returncode


def kill(folder: Path, arguments: Sequence[str], after: float, number: signal.Signals) -> list[str]:
    """Start a command, send it a signal after some seconds, and return the simulators that outlive it."""
    with _started(folder, arguments) as process:
        with suppress(subprocess.TimeoutExpired):
            process.wait(after)
        process.send_signal(number)
        end = time.monotonic() + GRACE
        while time.monotonic() < end and (process.poll() is None or list(_simulators())):
            time.sleep(0.05)
        left = list(_simulators())
        if process.poll() is None and number != signal.SIGKILL:
            process.wait(30)  # it may take a while to close its files, but not its simulators
    return left


def _started(folder: Path, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    return subprocess.Popen(  # noqa: S603
        [*MEMSIM, *arguments],
        cwd=folder,
        env=os.environ | {"TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _simulators() -> Iterator[str]:
    """Descendants of this process, orphans among them, that are ngspice."""
    children = _children()
    waiting = [os.getpid()]
    while waiting:
        for pid, name in children.get(waiting.pop(), []):
            waiting.append(pid)
            if name == "ngspice":
                yield f"{name} {pid}"


def _children() -> dict[int, list[tuple[int, str]]]:
    found: dict[int, list[tuple[int, str]]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
            if rest.split()[0] != "Z":
                found.setdefault(int(rest.split()[1]), []).append((int(entry.name), name))
    return found


def attempt(name: str, folder: Path, usual: float, draw: random.Random, expected: Any) -> dict[str, Any]:
    """One round: what was sent when, and what was left."""
    victim, number = VICTIMS[name], draw.choice(SIGNALS)
    after = draw.uniform(0.05, 1.0) * usual
    left = kill(folder, victim.arguments, after, number)
    if victim.again is not None and draw.random() < 0.3:  # once more, in the middle of going on
        left += kill(folder, victim.again, draw.uniform(0.05, 1.0) * usual, draw.choice(SIGNALS))
    finish(folder, ("devices",))
    folders = [path.name for path in (folder / "scratch").glob("memsim-*")]
    same = None
    if victim.again is not None and victim.result is not None:
        again = victim.again if name != "train" or (folder / "run").is_dir() else victim.arguments
        finish(folder, again)
        same = victim.result(folder) == expected
    _forget(folder)
    return {
        "command": name, "signal": number.name, "after": round(after, 2), "running": left, "folders": folders,
        "same": same,
    }  # fmt: skip


def _forget(folder: Path) -> None:
    """Take away what a round has left, so that the next begins anew."""
    for pattern in ("sweep.nc*", ".sweep*", "run", "demo", "imc", "trained/verif*", "fitted*"):
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def run(rounds: int, seed: int, order: Sequence[str] = ORDER) -> dict[str, Any]:
    """Rounds over the commands in turn; each with its usual time and result from an undisturbed run."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    draw = random.Random(seed)  # noqa: S311
    with tempfile.TemporaryDirectory(prefix="lost-power-") as place:
        folder = Path(place)
        prepare(folder)
        usual, expected = {}, {}
        for name in dict.fromkeys(order):
            victim = VICTIMS[name]
            usual[name], code = finish(folder, victim.arguments)
            expected[name] = victim.result(folder) if victim.result else None
            print(name, f"{usual[name]:.1f} s, exit code {code}", flush=True)
            _forget(folder)
        results = []
        for number in range(rounds):
            name = order[number % len(order)]
            results.append(attempt(name, folder, usual[name], draw, expected[name]))
            print(number, results[-1], flush=True)
    return {
        "rounds": rounds,
        "by_sigkill": [one["signal"] for one in results].count("SIGKILL"),
        "running_after_2_s": sum(bool(one["running"]) for one in results),
        "folders_after_next_start": sum(bool(one["folders"]) for one in results),
        "compared": sum(one["same"] is not None for one in results),
        "different": sum(one["same"] is False for one in results),
        "usual_seconds": {name: round(seconds, 1) for name, seconds in usual.items()},
        "each": results,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Kill commands and keep the summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    found = run(given.rounds, given.seed)
    save_result("lost_power", f"python benchmarks/lost_power.py --rounds {given.rounds}", found)


if __name__ == "__main__":
    main()
