"""What tables of files are made of: a base that refuses unknown entries, and numbers with their ranges."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
Finite = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
Part = Annotated[float, Field(ge=0, lt=1, strict=True)]
"""A share of less than all."""
Count = Annotated[int, Field(ge=1, le=10**9, strict=True)]
Whole = Annotated[int, Field(ge=0, strict=True)]
Seed = Annotated[int, Field(ge=0, lt=2**63, strict=True)]


class Table(BaseModel):
    """A table of a file: unknown entries are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
