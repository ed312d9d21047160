"""One deck in one ngspice process that can crash, hang or be killed without harm."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memsim.errors import EngineCrashedError, InputError
from memsim.spice.version import ngspice_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAKE_ROOM = "free some space there, or name a larger folder in the environment variable TMPDIR."
LEAST_ROOM = 64 * 1024
"""Bytes below which a disk counts as full: what is left is less than one block of ngspice's buffers."""
LONGEST = 1e9

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
        disk_full: whether there was no room left for its files, which ngspice does not always say.
    """

    returncode: int
    timed_out: bool
    log: str
    raw: bytes
    wall_seconds: float
    disk_full: bool = False


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
        EngineCrashedError: there is no room for the deck.
    """
    program = ngspice_program()
    with private_folder() as folder, _slots:
        try:
            (folder / DECK).write_text(deck, encoding="utf-8")
        except OSError as cause:
            raise EngineCrashedError(
                f"the deck cannot be written into {folder.parent} ({cause.strerror})", remedy=MAKE_ROOM
            ) from cause
        try:
            command = [program, "-n", "-b", "-r", RAW, "-o", LOG, DECK]
            returncode, timed_out, seconds = execute(command, folder, timeout)
        finally:
            if keep is not None:
                _keep(folder, keep, name)
        log = _text(folder / LOG) + _text(folder / CONSOLE)
        raw = (folder / RAW).read_bytes() if (folder / RAW).is_file() else b""
        full = returncode == -signal.SIGXFSZ or shutil.disk_usage(folder).free < LEAST_ROOM
    return Run(returncode, timed_out, log, raw, seconds, full)


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A temporary folder of one's own; EngineCrashedError where there is no room for one."""
    try:
        private = tempfile.TemporaryDirectory(prefix="memsim-")
    except OSError as cause:
        raise EngineCrashedError(
            f"no folder can be made in {tempfile.gettempdir()} ({cause.strerror})", remedy=MAKE_ROOM
        ) from cause
    with private as folder:
        yield Path(folder)


def execute(command: Sequence[str], folder: Path, timeout: float) -> tuple[int, bool, float]:
    """Run a program in a folder, where `CONSOLE` takes what it prints; at the time limit all of it is killed.

    Returns:
        Exit code (negative for a signal), whether the time limit [s] ended it, and seconds on the clock.

    Raises:
        OSError: the program cannot be started.
    """
    environment = {k: v for k, v in os.environ.items() if k != "DISPLAY"} | {
        "LC_ALL": "C",
        "OMP_NUM_THREADS": "1",
    }
    start = time.monotonic()
    with (folder / CONSOLE).open("wb") as console:
        process = subprocess.Popen(  # noqa: S603  (a deck passed check_trust, or the user trusts it)
            list(command),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        _limit_orphan(process.pid, timeout)
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


def _limit_orphan(pid: int, timeout: float) -> None:
    """Let the kernel end a program soon after its time limit, in case this one is killed and cannot do it.

    Processor time of one thread never exceeds the time on the clock, so nothing else is cut short.
    """
    if hasattr(resource, "prlimit"):  # Linux
        with contextlib.suppress(OSError):
            seconds = math.ceil(min(timeout, LONGEST)) + 1
            resource.prlimit(pid, resource.RLIMIT_CPU, (seconds, seconds))


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
