"""PySpice's in-process ngspice library as a second engine, kept in a worker process.

The library has one global state: a deck that hangs, quits or breaks its parser takes the whole process with
it. The worker is therefore a process of its own that is killed and replaced at will. It is started once and
stays, so that many small decks pay for its imports only once.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memsim.errors import BadResultError, EngineCrashedError, EngineNotFoundError, SimulationTimeoutError
from memsim.spice.log import classify, tail
from memsim.spice.rawfile import Plot, to_dataset
from memsim.spice.version import INSTALL

if TYPE_CHECKING:
    import xarray as xr

START_LIMIT = 120.0  # s, for the imports of a worker on a busy machine


class _Worker:
    """A running worker process and the connection to it."""

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="memsim-")
        ours, theirs = socket.socketpair()
        # A private home and folder, as the library has no `-n` and would read the user's `.spiceinit`.
        environment = os.environ | {"HOME": self._home.name, "LC_ALL": "C", "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = os.pathsep.join(str(Path(path).absolute()) for path in sys.path)
        environment.pop("DISPLAY", None)
        self._messages = Path(self._home.name) / "messages.txt"
        with theirs, self._messages.open("wb") as messages:
            self._process = subprocess.Popen(  # noqa: S603  (our own module)
                [sys.executable, "-m", "memsim.spice.worker", str(theirs.fileno())],
                cwd=self._home.name,
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

    def ask(self, deck: str, timeout: float) -> dict[str, Any]:
        """Send a deck and wait for its answer; a time limit or a crash ends the worker."""
        try:
            self._connection.send(deck)
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
        self._home.cleanup()


_lock = threading.Lock()
_worker: _Worker | None = None


def run_shared(deck: str, *, timeout: float) -> xr.Dataset:
    """Run a deck in the shared library; one deck at a time.

    Control blocks are left out: the library would run them as an interactive session.

    Raises:
        EngineNotFoundError: the library is not installed.
        SimulationError: the run failed, hung or ended the worker.
    """
    with _lock:
        answer = _living_worker().ask(_without_control(deck), timeout)
        if answer["fatal"]:  # the library cannot run another deck in this process
            stop_worker()
    error = classify(answer["log"], 1 if answer["fatal"] else 0)
    partial = to_dataset(_plot(answer)) if answer["names"] else None
    if error is None and partial is None:
        error = BadResultError("the shared library of ngspice gave no result", log=tail(answer["log"]))
    if error is not None or partial is None:
        assert error is not None  # noqa: S101
        error.partial = partial
        raise error
    return partial


def _living_worker() -> _Worker:
    global _worker  # noqa: PLW0603  (one library, one process)
    if _worker is None or not _worker.alive:
        stop_worker()
        _worker = _Worker()
    return _worker


def stop_worker() -> None:
    """End the worker process, if there is one; the next run starts a new one."""
    global _worker  # noqa: PLW0603
    if _worker is not None:
        _worker.kill()
        _worker = None


atexit.register(stop_worker)


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
