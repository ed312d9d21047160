"""Private temporary folders that do not outlive what made them.

A folder holds a lock for as long as its owner lives. Whoever starts next removes the folders whose lock is free: their
owner was killed. The kernel keeps the lock, so this works across containers that share /tmp.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from memsim.errors import EngineCrashedError

MAKE_ROOM = "free some space there, or name a larger folder in the environment variable TMPDIR."
_PREFIX = "memsim-run-"
_LOCK = ".lock"


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A temporary folder of one's own; EngineCrashedError where there is no room for one."""
    _sweep_once()
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            lock = _locked(folder)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as cause:
        raise EngineCrashedError(
            f"no folder can be made in {tempfile.gettempdir()} ({cause.strerror})", remedy=MAKE_ROOM
        ) from cause
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep_leftovers() -> list[Path]:
    """Remove private folders of this user whose owners were killed; returns them."""
    swept = []
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if _is_leftover(folder):
                shutil.rmtree(folder, ignore_errors=True)
                swept.append(folder)
    return swept


@functools.cache
def _sweep_once() -> None:
    sweep_leftovers()


def _locked(folder: Path) -> int:
    """The lock of a folder, which appears in it only when it is held."""
    descriptor = os.open(folder / f"{_LOCK}.new", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    (folder / f"{_LOCK}.new").rename(folder / _LOCK)
    return descriptor


def _is_leftover(folder: Path) -> bool:
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        return False
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
