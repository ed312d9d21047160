"""What a program may take from the machine."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

GIB = 1024**3
_LONGEST = 1e9


@dataclass(frozen=True)
class Limits:
    """What one run of a program may take; the kernel ends a run that wants more.

    Attributes:
        memory: address space [byte]; no limit where None.
        disk: all that it writes [byte], half of it for each of its two large files; no limit where None.
        single: whether it must stay one process.
    """

    memory: int | None = None
    disk: int | None = None
    single: bool = False

    @property
    def file(self) -> int | None:
        """Largest size of one file [byte]."""
        return None if self.disk is None else self.disk // 2

    def words(self, timeout: float) -> list[str]:
        """The limits as arguments of `launch.py`.

        Processor time of one thread never exceeds the time on the clock, so a limit just above the time limit [s] cuts
        nothing else short.
        """
        chosen = {"as": self.memory, "fsize": self.file, "nproc": 1 if self.single else None, "core": 0}
        chosen["cpu"] = math.ceil(min(timeout, _LONGEST)) + 1
        return [f"{name}={value}" for name, value in chosen.items() if value is not None]


def free_memory() -> int:
    """Memory that programs can still have [byte], files in the cache given up."""
    if Path("/proc/meminfo").is_file():
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def size_text(size: float) -> str:
    """Bytes for people: `1.5 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.4g} TiB"
