"""One deck in one ngspice process that can crash, hang or be killed without harm."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from memsim.errors import InputError
from memsim.spice.version import ngspice_program

DECK, LOG, RAW, CONSOLE = "deck.cir", "out.log", "out.raw", "console.txt"


def cores() -> int:
    """Processor cores this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# However many threads ask, no more simulators than cores compete, so that waiting does not eat time limits.
_slots = threading.BoundedSemaphore(cores())


@dataclass(frozen=True)
class Run:
    """What is left of an ngspice process.

    Attributes:
        returncode: exit code, negative for a signal.
        timed_out: whether it was killed at the time limit.
        log: text of the log and of the console.
        raw: content of the raw file, empty where there is none.
        wall_seconds: time from start to end [s].
    """

    returncode: int
    timed_out: bool
    log: str
    raw: bytes
    wall_seconds: float


def run_ngspice(deck: str, *, timeout: float, keep: Path | None = None, name: str = "deck") -> Run:
    """Run a deck with `ngspice -n -b -r` in a private folder and wait for its end.

    Args:
        deck: text of the deck; include paths must be absolute.
        timeout: time limit [s]; the process and all its children are killed then.
        keep: folder that receives `name.cir`, `name.log` and `name.raw`, made when missing.
        name: stem of the kept files.

    Raises:
        EngineNotFoundError: ngspice is not installed.
        InputError: `keep` is not a folder that can be written.
    """
    program = ngspice_program()
    with tempfile.TemporaryDirectory(prefix="memsim-") as private, _slots:
        folder = Path(private)
        (folder / DECK).write_text(deck, encoding="utf-8")
        try:
            returncode, timed_out, seconds = _execute(program, folder, timeout)
        finally:
            if keep is not None:
                _keep(folder, keep, name)
        log = _text(folder / LOG) + _text(folder / CONSOLE)
        raw = (folder / RAW).read_bytes() if (folder / RAW).is_file() else b""
    return Run(returncode, timed_out, log, raw, seconds)


def _execute(program: str, folder: Path, timeout: float) -> tuple[int, bool, float]:
    environment = {k: v for k, v in os.environ.items() if k != "DISPLAY"} | {
        "LC_ALL": "C",
        "OMP_NUM_THREADS": "1",
    }
    command = [program, "-n", "-b", "-r", RAW, "-o", LOG, DECK]
    start = time.monotonic()
    with (folder / CONSOLE).open("wb") as console:
        process = subprocess.Popen(  # noqa: S603  (the deck passed check_trust, or the user trusts it)
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        timed_out = False
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            if process.returncode is None:  # also when this thread was interrupted
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return process.returncode, timed_out, time.monotonic() - start


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _keep(folder: Path, keep: Path, name: str) -> None:
    try:
        keep.mkdir(parents=True, exist_ok=True)
        for source, suffix in ((DECK, ".cir"), (LOG, ".log"), (RAW, ".raw")):
            if (folder / source).is_file():
                shutil.copyfile(folder / source, keep / f"{name}{suffix}")
    except OSError as cause:
        raise InputError(
            f"keep = {keep} cannot be written ({cause.strerror}); give a folder of your own"
        ) from cause
