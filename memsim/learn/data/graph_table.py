"""The table of a study that says what nodes of a graph hear of each other."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from memsim.tables import Part, Table


class GraphTable(Table):
    """Features of nodes, mixed along the edges; see memsim.learn.data.graphs.

    Attributes:
        hops: how often they are mixed, up to 10; 0 leaves each node its own.
        background: what is added to each feature, below 1; then all are cut off at 1.
    """

    hops: Annotated[int, Field(ge=0, le=10, strict=True)] = 2
    background: Part = 0.0
