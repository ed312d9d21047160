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
        timed_out = not _wait(process, timeout)
    seconds = time.monotonic() - start
    if process.returncode == launch.FAILED:
        _raise_launch_failure(folder / CONSOLE)
    return process.returncode, timed_out, seconds


def end_all() -> None:
    """Kill all programs that run, and every one that is started from now on: this process is about to end."""
    _ending.set()
    for process in list(_running):
        _kill(process)


def _wait(process: subprocess.Popen[bytes], timeout: float) -> bool:
    """Wait for the end of a program; False where the time limit came first. Either way it has ended then."""
    _running.add(process)
    try:
        if _ending.is_set():
            _kill(process)
        _sleep_until_end(process, timeout)
        process.wait(0)
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.returncode is None:  # also when this thread was interrupted
            _kill(process)
            process.wait()
        _running.discard(process)
    return True


def _sleep_until_end(process: subprocess.Popen[bytes], timeout: float) -> None:
    """Return at the end of a program, or at the time limit. `Popen.wait` would look only every now and then."""
    if not hasattr(os, "pidfd_open"):  # macOS
        process.wait(timeout)
        return
    end = time.monotonic() + timeout
    descriptor = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while not poll.poll(min(max(end - time.monotonic(), 0.0), _NAP) * 1e3) and time.monotonic() < end:
            pass
    finally:
        os.close(descriptor)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _raise_launch_failure(console: Path) -> None:
    said = console.read_text(encoding="utf-8", errors="replace")
    if said.startswith(launch.MARK):
        raise OSError(said.removeprefix(launch.MARK).strip())
