from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from memsim.learn.data.recordings.columns import Columns


class EventFile(ABC):
    """One way to keep the events of a recording in a file.

    Attributes:
        suffixes: of its files.
    """

    suffixes: tuple[str, ...]

    @abstractmethod
    def read(self, path: Path, place: str | None) -> Columns:
        """The events of a recording.

        Args:
            path: of the file.
            place: of the events in it, where it holds several.

        Raises:
            InputError: a damaged file, or one without events at that place.
        """
