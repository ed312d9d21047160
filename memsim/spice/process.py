"""One deck in one ngspice process that can crash, hang or be killed without harm."""

from __future__ import annotations

import resource
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from memsim.errors import EngineCrashedError, EngineNotFoundError, InputError, ResourceLimitError
from memsim.memory import available_memory, format_bytes
from memsim.processes import MAKE_ROOM, Limits, cores, execute, private_folder
from memsim.processes.children import CONSOLE
from memsim.spice.rawfile import Raw, mapped
from memsim.spice.version import INSTALL, ngspice_program
from memsim.spice.wall import confined_environment, wall

LEAST_ROOM = 64 * 1024
"""Bytes below which a disk counts as full: what is left is less than one block of ngspice's buffers."""
LONGEST_LOG = 1024**2
"""Bytes of a log that are read from its start, and as many from its end."""
SMALL_RAW = 64 * 1024**2
"""Bytes of a raw file that are read at once, from its start."""

DECK, LOG, RAW = "deck.cir", "out.log", "out.raw"

# However many threads ask, no more simulators than cores compete, so that waiting does not eat time limits.
_slots = threading.BoundedSemaphore(cores())


@dataclass(frozen=True)
class Run:
    """What is left of an ngspice process.

    Attributes:
        returncode: exit code, negative for a signal.
        timed_out: whether it was killed at the time limit.
        log: text of the log and of the console.
        raw: content of the raw file, or of its first part where the run has failed.
        wall_seconds: time from start to end [s].
        disk_full: whether there was no room left for its files, which ngspice does not always say.
    """

    returncode: int
    timed_out: bool
    log: str
    raw: Raw
    wall_seconds: float
    disk_full: bool = False


def run_ngspice(  # noqa: PLR0913  (what one process is started with)
    files: Mapping[str, bytes],
    *,
    timeout: float,
    limits: Limits,
    confined: bool,
    writes: bool = False,
    mode: str | None = None,
    keep: Path | None = None,
    name: str = "deck",
) -> Run:
    """Run a deck with `ngspice -n -b -r` in a private folder and wait for its end.

    Args:
        files: the deck, named DECK, and what lies beside it.
        timeout: time limit [s]; the process and all its children are killed then.
        limits: what it may take of the machine.
        confined: whether it runs behind the wall, where this machine has one.
        writes: whether the deck writes RAW itself.
        mode: of ngspice for another dialect, such as `ltpsa`.
        keep: folder that receives `name.cir`, `name.log`, `name.raw` and the other files, made when missing.
        name: stem of the kept files.

    Raises:
        EngineNotFoundError: ngspice is not installed or does not start.
        InputError: `keep` is not a folder that can be written.
        EngineCrashedError: there is no room for the deck.
        ResourceLimitError: the result does not fit into memory.
    """
    program = ngspice_program()
    rules = wall().rules if confined else ()
    dialect = () if mode is None else ("-D", f"ngbehavior={mode}")
    output = () if writes else ("-r", RAW)
    with private_folder() as folder, _slots:
        _write(files, folder)
        try:
            returncode, timed_out, seconds = execute(
                [program, "-n", "-b", *dialect, *output, "-o", LOG, DECK],
                folder,
                timeout,
                limits=limits,
                wall=rules,
                environment=confined_environment() if confined else None,
            )
        except OSError as cause:
            raise EngineNotFoundError(f"`{program}` does not start ({cause}): {INSTALL}") from cause
        finally:
            if keep is not None:
                _keep(folder, files, keep, name)
        log = _text(folder / LOG) + _text(folder / CONSOLE)
        raw = _raw(folder / RAW, failed=returncode != 0 or timed_out)
        full = shutil.disk_usage(folder).free < LEAST_ROOM or _is_limited_by_system(limits)
    return Run(returncode, timed_out, log, raw, seconds, full)


def _write(files: Mapping[str, bytes], folder: Path) -> None:
    try:
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as cause:
        raise EngineCrashedError(
            f"the deck cannot be written into {folder.parent} ({cause.strerror})", remedy=MAKE_ROOM
        ) from cause


def _is_limited_by_system(limits: Limits) -> bool:
    """Whether files may not even be as large as our own limit allows."""
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return allowed != resource.RLIM_INFINITY and (limits.file is None or allowed < limits.file)


def _raw(path: Path, *, failed: bool) -> Raw:
    """The raw file: read where it is small, of a failed run as much as is small, else its pages.

    Pages keep the file on the disk for as long as somebody has them, an error for example.

    Raises:
        ResourceLimitError: it is larger than the free memory.
    """
    if not path.is_file():
        return b""
    size, free = path.stat().st_size, available_memory()
    if failed or size <= SMALL_RAW:
        with path.open("rb") as file:
            return file.read(SMALL_RAW)
    if size > free:
        raise ResourceLimitError(
            f"the result has {format_bytes(size)}, and {format_bytes(free)} of memory are free",
            remedy="save fewer variables (`.save v(out)`), take longer steps, or a shorter run.",
        )
    return mapped(path)


def _text(path: Path) -> str:
    """Start and end of a text that a deck can make as long as it wants."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        content = file.read(LONGEST_LOG)
        rest = path.stat().st_size - len(content)
        if rest > 0:
            file.seek(-min(rest, LONGEST_LOG), 2)
            content += b"\n...\n" + file.read(LONGEST_LOG)
    return content.decode("utf-8", errors="replace")


def _keep(folder: Path, files: Mapping[str, bytes], keep: Path, name: str) -> None:
    kept = {DECK: f"{name}.cir", LOG: f"{name}.log", RAW: f"{name}.raw"}
    try:
        keep.mkdir(parents=True, exist_ok=True)
        for source, target in {**kept, **{other: other for other in files if other != DECK}}.items():
            if (folder / source).is_file():
                shutil.copyfile(folder / source, keep / target)
    except OSError as cause:
        raise InputError(
            f"keep = {keep} cannot be written ({cause.strerror}); give a folder of your own"
        ) from cause
