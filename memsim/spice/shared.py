"""PySpice's in-process ngspice library as a second engine, kept in a worker process.

The library has one global state: a deck that hangs, quits or breaks its parser takes the whole process with
it. The worker is therefore a process of its own that is killed and replaced at will. It is started once and
stays, so that many small decks pay for its imports only once.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes.util
import os
import signal
import socket
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from string import digits
from typing import TYPE_CHECKING, Any

import numpy as np

from memsim.errors import (
    BadResultError,
    EngineCrashedError,
    EngineNotFoundError,
    InputError,
    SimulationTimeoutError,
)
from memsim.processes import GB, launch, private_folder
from memsim.spice import worker
from memsim.spice.log import classify, tail
from memsim.spice.rawfile import Plot, to_dataset
from memsim.spice.version import INSTALL
from memsim.spice.wall import SCRATCH, confined_environment, uncovered, wall

if TYPE_CHECKING:
    import xarray as xr

    from memsim.spice.netlist import Netlist

WORKER_MEMORY = 4 * GB
"""Of a confined worker, most of it for Python and its libraries."""
START_LIMIT = 120.0  # s, for the imports of a worker on a busy machine


class _Worker:
    """A running worker process and the connection to it, behind a wall where it is for decks of strangers."""

    def __init__(self, *, confined: bool) -> None:
        library = ctypes.util.find_library("ngspice")
        if library is None:
            raise EngineNotFoundError(f"the shared library of ngspice is not installed: {INSTALL}")
        self._kept = contextlib.ExitStack()
        self._home = self._kept.enter_context(private_folder())
        ours, theirs = socket.socketpair()
        # A private home and folder, as the library has no `-n` and would read the user's `.spiceinit`.
        inherited = confined_environment() if confined else dict(os.environ)
        environment = inherited | {"HOME": ".", "LC_ALL": "C", "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = os.pathsep.join(_packages())
        environment.pop("DISPLAY", None)
        self._messages = self._home / "messages.txt"
        program = [sys.executable, "-P", worker.__file__, str(theirs.fileno()), library]
        with theirs, self._messages.open("wb") as messages:
            self._process = subprocess.Popen(  # noqa: S603  (our own module)
                [*(behind_wall() if confined else ()), *program],
                cwd=self._home,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=messages,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._connection = Connection(ours.detach())
        ready = self._receive(START_LIMIT)
        if ready.get("error"):
            self.kill()
            raise EngineNotFoundError(
                f"the shared library of ngspice does not load ({ready['error']}): {INSTALL}"
            )

    def ask(self, netlist: Netlist, timeout: float) -> dict[str, Any]:
        """Send a deck and wait for its answer; a time limit or a crash ends the worker."""
        try:
            for name, content in netlist.files.items():
                (self._home / name).write_bytes(content)
            self._connection.send(_without_control(netlist.text))
        except OSError as cause:
            self.kill()
            raise EngineCrashedError("the worker process of the shared library is gone") from cause
        return self._receive(timeout)

    def _receive(self, timeout: float) -> dict[str, Any]:
        try:
            if self._connection.poll(timeout):
                answer: dict[str, Any] = self._connection.recv()
                return answer
        except (EOFError, OSError) as cause:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)  # it closed its end, so it is about to exit and show its code
            code = self._process.returncode
            log = tail(self._messages.read_text(encoding="utf-8", errors="replace"))
            self.kill()
            raise EngineCrashedError(
                f"the shared library of ngspice ended its process (code {code})", log=log
            ) from cause
        self.kill()
        raise SimulationTimeoutError(f"the shared library was killed at its time limit of {timeout:g} s")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process and remove its folder."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._connection.close()
        self._kept.close()


def _packages() -> list[str]:
    """Folders of installed packages: not the one where the user works, which is on Python's path as well."""
    homes = tuple({sys.prefix, sys.base_prefix})
    found = (os.path.abspath(path) for path in sys.path if path)  # noqa: PTH100
    return [
        path for path in found if path.startswith(homes) or path.endswith(("site-packages", "dist-packages"))
    ]


def behind_wall() -> list[str]:
    """What starts a Python of ours behind the wall, where there is one; it may read its own packages, too."""
    rules = wall().rules
    if not rules:
        return []
    programs = [sys.executable, str(Path(sys.executable).resolve())]
    own = {sys.prefix, sys.base_prefix, *_packages(), worker.__file__, *programs}
    if any(Path(path).is_relative_to(SCRATCH) for path in own):
        rules = uncovered(rules)
    own |= {"/etc/passwd", "/etc/nsswitch.conf"}  # where the library looks for the user's home, or crashes
    launcher = [sys.executable, "-I", "-S", launch.__file__]  # the worker looks after its parent itself
    limits = [f"as={WORKER_MEMORY}", f"fsize={GB // 2}", "core=0"]
    reads = [f"read={path}" for path in sorted(own)]
    return [*launcher, *limits, *rules, *reads, *(f"execute={path}" for path in programs), "--"]


_lock = threading.Lock()
_workers: dict[bool, _Worker] = {}


def run_shared(netlist: Netlist, *, timeout: float) -> dict[str, xr.Dataset]:
    """Run a deck in the shared library, one at a time, and get its last analysis by its kind.

    Control blocks are left out: the library would run them as an interactive session.

    Raises:
        InputError: the deck runs its analyses by commands, or takes measures.
        EngineNotFoundError: the library is not installed.
        SimulationError: the run failed, hung or ended the worker.
    """
    if netlist.writes:
        raise InputError("a deck with analyses in `.control`, or with `.meas`, needs engine='process'")
    with _lock:
        answer = _living_worker(netlist.confined).ask(netlist, timeout)
        if answer["fatal"]:  # the library cannot run another deck in this process
            stop_workers()
    error = classify(answer["log"], 1 if answer["fatal"] else 0, netlist.text)
    plot = _plot(answer) if answer["names"] else None
    partial = None if plot is None else to_dataset(plot)
    if error is None and partial is None:
        error = BadResultError("the shared library of ngspice gave no result", log=tail(answer["log"]))
    if error is not None or plot is None or partial is None:
        assert error is not None  # noqa: S101
        error.partial = partial
        raise error
    return {plot.name.rstrip(digits): partial}


def _living_worker(confined: bool) -> _Worker:
    living = _workers.get(confined)
    if living is None or not living.alive:
        if living is not None:
            living.kill()
        living = _workers[confined] = _Worker(confined=confined)
    return living


def stop_workers() -> None:
    """End the worker processes, if there are any; the next run starts a new one."""
    while _workers:
        _workers.popitem()[1].kill()


atexit.register(stop_workers)


def _without_control(deck: str) -> str:
    kept = []
    control = False
    for line in deck.split("\n"):
        control = control or line.strip().lower().startswith(".control")
        if not control:
            kept.append(line)
        control = control and not line.strip().lower().startswith(".endc")
    return "\n".join(kept)


def _plot(answer: dict[str, Any]) -> Plot:
    names = tuple(_raw_name(name, kind) for name, kind in zip(answer["names"], answer["types"], strict=True))
    data = np.stack(answer["vectors"], axis=1)
    return Plot(answer["title"], answer["plot"], names, tuple(answer["types"]), data, complete=True)


def _raw_name(name: str, kind: str) -> str:
    """The library says `mem` and `v1#branch` where raw files say `v(mem)` and `i(v1)`."""
    name = name.lower()
    if name.endswith("#branch"):
        return f"i({name.removesuffix('#branch')})"
    return f"v({name})" if kind == "voltage" and "(" not in name else name
