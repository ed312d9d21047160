"""What fits into the memory of this machine, asked before large work starts."""

from __future__ import annotations

import os
from pathlib import Path

from memsim.errors import InputError

LARGE = 0.25
"""Share of the free memory from which work is called large before it starts."""
_GROUP = Path("/sys/fs/cgroup")


def available_memory() -> float:
    """Bytes that this process can still take: what is free, within the limits of its control group and its own."""
    return max(min(_free(), _left_in_group(), _left_of_own()), 0.0)


def check_memory(what: str, needed: float, remedy: str) -> None:
    """Refuse work that does not fit, before it starts.

    Args:
        what: the work, for the message: `a run of 10 000 000 steps`.
        needed: bytes, estimated.
        remedy: what to do instead, for the message.

    Raises:
        InputError: more than what is free.
    """
    free = available_memory()
    if not needed <= free:
        raise InputError(
            f"{what} needs about {format_bytes(needed)} of memory, {format_bytes(free)} are free here; {remedy}"
        )


def is_large(needed: float) -> bool:
    """Whether work takes so much of what is free that one should know beforehand."""
    return needed > LARGE * available_memory()


def format_bytes(count: float) -> str:
    """For people: `1.5 GB`."""
    if not count < 1e15:
        return "1000 TB and more"
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count / 1e3:.3g} kB"


def _free() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):  # not Linux
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _left_in_group() -> float:
    try:
        limit, used = (_number(_GROUP / name) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # no control group, or no limit: `max`
        return float("inf")
    return limit - used


def _left_of_own() -> float:
    import resource  # not on every system

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return float("inf")
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return float(limit)
    return limit - pages * os.sysconf("SC_PAGE_SIZE")


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))
