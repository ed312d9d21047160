"""The table of a study that says how inputs become frames of events, some of which are noise."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from memsim.tables import Count, Part, Seed, Share, Table


class FrameTable(Table):
    """Frames of events; see memsim.learn.data.frames.

    Attributes:
        noise: share of the frames of an input that are noise.
        rate: events of a white pixel of an image in a frame, at most 1; recordings keep their own.
        stretch: whether frames of signal follow each other, from a step that is drawn; else they lie anywhere.
        train, test: examples, the first ones of those that there are; all where left out.
        seed: of everything that is drawn.
    """

    noise: Part = 0.5
    rate: Annotated[Share, Field(gt=0)] = 0.3
    stretch: bool = False
    train: Count | None = None
    test: Count | None = None
    seed: Seed = 0
