"""The table of a study that says what nodes of a graph hear of each other."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from memsim.tables import Part, Table


class GraphTable(Table):
    """Features of nodes, mixed along the edges; see memsim.learn.data.graphs.

    Attributes:
        hops: how often they are mixed, up to 10; 0 leaves each node its own.
        background: what is added to each feature, below 1; then all are cut off at 1.
        whole: whether the whole graph is one example, and all its nodes are to be told at once.
        links: share of the edges to test on, and then examples are pairs of nodes, with an edge or without.
    """

    hops: Annotated[int, Field(ge=0, le=10, strict=True)] = 2
    background: Part = 0.0
    whole: bool = False
    links: Part = 0.0

    @model_validator(mode="after")
    def _one_kind(self) -> GraphTable:
        if self.whole and self.links:
            raise ValueError("whole is of nodes and links is of pairs of them; leave one out")
        return self
