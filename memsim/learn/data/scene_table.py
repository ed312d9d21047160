"""The table of a study that says what generated event scenes are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from memsim.tables import Count, NonNegative, Positive, Seed, Table

SceneTarget = Literal["velocity", "divergence", "flow"]
SCENE_TARGETS: tuple[SceneTarget, ...] = ("velocity", "divergence", "flow")
Side = Annotated[int, Field(ge=8, le=512, strict=True)]


class SceneTable(Table):
    """Textured planes that move in front of an event camera; see memsim.learn.data.scenes.

    Attributes:
        side: of the camera [pixels].
        duration: of a recording [s].
        history: bins of the past that each slot shows as channels behind its own two; what comes from one bin alone
            says little of where it moves.
        train, test: scenes, each with a texture and a motion of its own.
        seed: of everything that is drawn.
        fastest: largest velocity of the middle along each axis [pixels/s].
        zoom: largest divergence either way [1/s].
        spin: largest angular velocity either way [rad/s].
        wavelengths: of the shortest and the longest wave of a texture [pixels]; at least 2, or pixels cannot tell them.
        contrast: standard deviation of the logarithm of intensity.
        threshold: change of that logarithm which makes an event.
        mismatch: standard deviation of the logarithm of thresholds over the pixels of a camera, which all scenes share.
        refractory: in which a pixel misses what changes after an event [s].
        noise: events that nothing causes, of either polarity, of a pixel [1/s].
    """

    side: Side = 24
    duration: Positive = 0.1
    history: Annotated[int, Field(ge=0, le=31, strict=True)] = 0
    train: Count = 4_000
    test: Count = 1_000
    seed: Seed = 0
    fastest: Positive = 120.0
    zoom: NonNegative = 5.0
    spin: NonNegative = 2.5
    wavelengths: tuple[Annotated[float, Field(ge=2, strict=True)], Positive] = (5.0, 20.0)
    contrast: Positive = 0.5
    threshold: Positive = 0.2
    mismatch: NonNegative = 0.05
    refractory: NonNegative = 1e-3
    noise: NonNegative = 0.5

    @model_validator(mode="after")
    def _in_order(self) -> SceneTable:
        if self.wavelengths[0] > self.wavelengths[1]:
            raise ValueError(
                f"wavelengths = {list(self.wavelengths)}; allowed: [shortest, longest], in this order"
            )
        return self
