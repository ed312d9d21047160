"""Running a program to its end, its time limit, or ours."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from memsim.processes import launch
from memsim.processes.limits import Limits

CONSOLE = "console.txt"
_NAP = 1e5
"""Longest sleep [s] that the system takes in one piece."""
_LOOK = 0.25
"""Time between two looks at what a program has written [s]."""
_UNWANTED = ("DISPLAY", "SPICE_ASCIIRAWFILE")

_running: set[subprocess.Popen[bytes]] = set()
_ending = threading.Event()


def cores() -> int:
    """Processor cores this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def execute(
    command: Sequence[str],
    folder: Path,
    timeout: float,
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    wall: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> tuple[int, bool, float]:
    """Run a program in a folder, where `CONSOLE` takes what it prints; at the time limit all of it is killed.

    However this process ends, the program ends with it.

    Args:
        command: full path of the program and its arguments.
        folder: where it runs.
        timeout: time limit [s].
        limits: what it may take of the machine.
        wall: rules of its wall, as `launch.py` takes them; no wall where empty.
        environment: in place of this process's own.

    Returns:
        Exit code (negative for a signal), whether the time limit ended it, and seconds on the clock.

    Raises:
        OSError: the program cannot be started, or the wall cannot be built.
    """
    inherited = os.environ if environment is None else environment
    launcher = [sys.executable, "-I", "-S", launch.__file__, f"parent={os.getpid()}"]
    start = time.monotonic()
    with (folder / CONSOLE).open("wb") as console:
        process = subprocess.Popen(  # noqa: S603  (our own module, and a program the caller answers for)
            [*launcher, *limits.words(timeout), *wall, "--", *command],
            cwd=folder,
            env={k: v for k, v in inherited.items() if k not in _UNWANTED}
            | {"LC_ALL": "C", "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        timed_out = not _wait(process, timeout, folder, limits.disk)
    seconds = time.monotonic() - start
    if process.returncode == launch.FAILED:
        _raise_launch_failure(folder / CONSOLE)
    return process.returncode, timed_out, seconds


def end_all() -> None:
    """Kill all programs that run, and every one that is started from now on: this process is about to end."""
    _ending.set()
    for process in list(_running):
        _kill(process)


def _wait(process: subprocess.Popen[bytes], timeout: float, folder: Path, disk: int | None) -> bool:
    """Wait for the end of a program; False where the time limit came first. Either way it has ended then.

    A program whose folder grows beyond the limit of disk ends as by the limit of a file.
    """
    _running.add(process)
    try:
        if _ending.is_set():
            _kill(process)
        end = time.monotonic() + timeout
        nap = _NAP if disk is None else _LOOK
        while not _ended_within(process, min(nap, end - time.monotonic())) and time.monotonic() < end:
            if disk is not None and _size(folder) > disk:
                process.send_signal(signal.SIGXFSZ)
        process.wait(0)
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.returncode is None:  # also when this thread was interrupted
            _kill(process)
            process.wait()
        _running.discard(process)
    return True


def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether a program ends before so long. `Popen.wait` would look only every now and then."""
    if not hasattr(os, "pidfd_open"):  # macOS
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(seconds, 0.0))
        return process.returncode is not None
    descriptor = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(max(seconds, 0.0) * 1e3))
    finally:
        os.close(descriptor)


def _size(folder: Path) -> int:
    """Bytes in the files of a folder; those that vanish meanwhile do not count."""
    total = 0
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _raise_launch_failure(console: Path) -> None:
    said = console.read_text(encoding="utf-8", errors="replace")
    if said.startswith(launch.MARK):
        raise OSError(said.removeprefix(launch.MARK).strip())
