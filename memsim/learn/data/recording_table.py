"""The table of a study that says how recordings of an event camera become examples."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from memsim.tables import Positive, Table

Pixels = Annotated[int, Field(ge=1, le=8192, strict=True)]
Unit = Literal["s", "ms", "us", "ns"]
SECONDS: dict[Unit, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""Of each unit that cameras count time in."""


class RecordingTable(Table):
    """A folder of recordings, cut into windows; see memsim.learn.data.recordings.

    Attributes:
        window: length of an example [s].
        time_unit: s, ms, us or ns, of the times of events and of targets; found where the files say it.
        width, height: of the camera [pixels], both or neither; found where the files say them, and from the largest
            column and row where they do not.
        binning: side of the squares of pixels whose events are counted together.
        history: bins of the past that each slot shows as channels behind its own two; fewer than a window has slots.
        place: of the events in files that hold several: a group of HDF5, an array of .npz, a stream of .aedat4.
        test: names of the recordings to test on, without suffix; where left out, the end of each one is.
    """

    window: Positive
    time_unit: Unit | None = None
    width: Pixels | None = None
    height: Pixels | None = None
    binning: Annotated[int, Field(ge=1, le=256, strict=True)] = 1
    history: Annotated[int, Field(ge=0, le=31, strict=True)] = 0
    place: str | None = None
    test: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _sized_wholly(self) -> RecordingTable:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height go together; give both or neither")
        return self

    @model_validator(mode="after")
    def _tested_once(self) -> RecordingTable:
        for number, name in enumerate(self.test):
            if name in self.test[:number]:
                raise ValueError(f"test names {name!r} twice, which changes nothing; name it once")
        return self

    @property
    def size(self) -> tuple[int, int] | None:
        """Rows and columns of the camera, where they are given."""
        return None if self.width is None or self.height is None else (self.height, self.width)
