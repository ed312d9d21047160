"""Private temporary folders that do not outlive what made them.

Its owner holds a lock on a folder for as long as it lives. Whoever starts next removes the folders whose lock is free:
their owner was killed. The kernel keeps the lock, so this works across containers that share /tmp.
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
_PREFIX = "memsim-private-"
_OWN = 0o40700
"""Kind and rights of what `mkdtemp` makes."""


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A temporary folder of one's own; EngineCrashedError where there is no room for one."""
    _sweep_once()
    try:
        folder, lock = _locked_folder()
    except OSError as cause:
        raise EngineCrashedError(
            f"no folder can be made in {tempfile.gettempdir()} ({cause.strerror})", remedy=MAKE_ROOM
        ) from cause
    try:
        yield folder
    finally:
        try:
            shutil.rmtree(folder, ignore_errors=True)
        finally:  # a signal has come meanwhile: what is left can be swept
            os.close(lock)


def sweep_leftovers() -> list[Path]:
    """Remove private folders of this user whose owners were killed; returns them."""
    swept = []
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if _removed(folder):
                swept.append(folder)
    return swept


@functools.cache
def _sweep_once() -> None:
    sweep_leftovers()


def _locked_folder() -> tuple[Path, int]:
    """A new folder and its lock. Another process may sweep it before the lock is held; then there is another try."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            held = folder.is_dir()
        except BaseException:
            os.close(lock)
            raise
        if held:
            return folder, lock
        os.close(lock)


def _removed(folder: Path) -> bool:
    """Remove a folder of ours whose owner is gone; holds its lock meanwhile, so that nobody takes it for new."""
    status = folder.lstat()
    if status.st_uid != os.geteuid() or status.st_mode != _OWN:
        return False
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
