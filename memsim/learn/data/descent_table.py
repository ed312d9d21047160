"""The table of a study that says what generated descents are."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from memsim.tables import Count, NonNegative, Positive, Seed, Table

Side = Annotated[int, Field(ge=4, le=512, strict=True)]
Range = tuple[Positive, Positive]


class DescentTable(Table):
    """Vertical descents over textured planes; see memsim.learn.data.descent.

    Attributes:
        side: of the camera, which looks straight down and sees 90 degrees [pixels].
        duration: of a descent [s].
        heights: lowest and highest height at its start [m].
        divergences: slowest and fastest speed over height at its end [1/s].
        wavelengths: of the shortest and the longest wave of a texture [m].
        contrast: standard deviation of the logarithm of intensity of a texture, before pixels average it.
        threshold: change of that logarithm which makes an event.
        noise: events that nothing causes, of either polarity, of a pixel [1/s].
        train, test: descents, each over a texture of its own.
        seed: of everything that is drawn.
    """

    side: Side = 16
    duration: Positive = 2.0
    heights: Range = (60.0, 100.0)
    divergences: Range = (0.05, 1.0)
    wavelengths: Range = (20.0, 40.0)
    contrast: Positive = 0.5
    threshold: Positive = 0.15
    noise: NonNegative = 0.1
    train: Count = 1_000
    test: Count = 500
    seed: Seed = 0

    @model_validator(mode="after")
    def _in_order(self) -> DescentTable:
        for name in ("heights", "divergences", "wavelengths"):
            low, high = getattr(self, name)
            if low > high or (name == "divergences" and low == high):
                raise ValueError(f"{name} = {[low, high]}; allowed: [lower, higher], in this order")
        return self
