from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from memsim.learn.data.raw import Found
from memsim.learn.data.table import DataTable


class Format(ABC):
    """One way to keep examples in files.

    Attributes:
        what: it reads, for messages.
        entries: of DataTable that say something of this format, and not of every one.
    """

    what: str
    entries: frozenset[str] = frozenset()

    @abstractmethod
    def holds(self, path: Path) -> bool:
        """Whether a path is of this format, by names alone."""

    @abstractmethod
    def read(self, path: Path, table: DataTable, slots: int) -> Found:
        """The examples.

        Args:
            path: that this format holds.
            table: options.
            slots: time bins of what is analysed over time while it is read.

        Raises:
            InputError: damaged or incomplete files.
        """
