"""What a program may take from the machine."""

from __future__ import annotations

import math
from dataclasses import dataclass

GB = 10**9
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
