"""The table of a study that says what spreads over a generated graph."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from memsim.tables import Count, Positive, Seed, Share, Table

Nodes = Annotated[int, Field(ge=2, le=4096, strict=True)]


class DiffusionTable(Table):
    """A signal on a graph; see memsim.learn.data.diffusion.

    Attributes:
        nodes: of the graph.
        radius: below which two nodes are neighbours; nodes are in a square of side 1.
        sources: nodes of a trial that give off something.
        strength: what a source that is on adds in a step.
        loss: share of the signal that is gone after a step.
        lines: sensors of a node, with events of their own.
        train, test: trials.
        seed: of everything that is drawn.
    """

    nodes: Nodes = 50
    radius: Annotated[Positive, Field(le=2**0.5)] = 0.25
    sources: Count = 3
    strength: Positive = 0.3
    loss: Annotated[Share, Field(gt=0)] = 0.1
    lines: Count = 2
    train: Count = 4_000
    test: Count = 1_000
    seed: Seed = 0

    @model_validator(mode="after")
    def _are_there(self) -> DiffusionTable:
        if self.sources > self.nodes:
            raise ValueError(
                f"sources = {self.sources} of {self.nodes} nodes; allowed: at most as many as there are"
            )
        return self
