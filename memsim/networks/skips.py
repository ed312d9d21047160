"""What leads from an earlier layer to a later one, past those between."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from memsim.networks.geometry import Convolution, Size
from memsim.networks.normalisation import NormEntry
from memsim.tables import Count, Table, Whole

CURRENT: Final = "current"
MEMBRANE: Final = "membrane"
SPIKE: Final = "spike"
STEPS: Final = "steps"
Place = Literal["current", "membrane", "spike", "steps"]
"""Where a skip ends: in front of normalisation and gate, at membranes behind these, at outputs, or before these."""
Kind = Literal["current", "spike"]
"""What it is of."""


class SkipTable(Table):
    """A skip, where the name of a layer says too little.

    Attributes:
        layer: that it comes from, or `input`, or a part of that.
        of: `spike`: what its neurons give; `current`: what goes into its neurons, behind normalisation and gate, with
            what is added there. Left out, `current` where the skip ends at membranes, else `spike`.
        pool: side of windows of that, whose averages go on.
        kernel, stride, padding: of a convolution to the channels of the layer where it ends.
        norm: normalisation of its own, of discrete neurons; as of a layer.
    """

    layer: str
    of: Kind | None = None
    pool: Annotated[int, Field(ge=2, le=4096, strict=True)] | None = None
    kernel: Size | None = None
    stride: Count = 1
    padding: Whole = 0
    norm: NormEntry = None

    @model_validator(mode="after")
    def _is_a_convolution(self) -> SkipTable:
        if self.kernel is None and (self.stride, self.padding) != (1, 0):
            raise ValueError("stride and padding belong to a convolution; give kernel, too")
        self.layout(1)
        return self

    def layout(self, channels: int) -> Convolution | None:
        """The convolution to so many channels; none where what it is of goes on as it is."""
        if self.kernel is None:
            return None
        return Convolution(channels=channels, kernel=self.kernel, stride=self.stride, padding=self.padding)

    def kind(self, place: Place) -> Kind:
        """What it is of where it ends at this place."""
        return self.of or (CURRENT if place == MEMBRANE else SPIKE)
