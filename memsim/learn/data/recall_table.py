"""The table of a study that says what generated trials of cue recall are."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from memsim.tables import Count, Part, Seed, Share, Table

Cues = Annotated[int, Field(ge=2, le=64, strict=True)]


class RecallTable(Table):
    """Trials of a cue, a delay of noise and a go signal; see memsim.learn.data.recall.

    Attributes:
        cues: how many there are, of which each trial has one.
        lines: of each cue, and as many of the go signal.
        cue, go: how long they last [steps]; what is left of a trial is the delay.
        rate: spikes of a line that is on, in a step.
        noise: spikes of any other line in a step, below the rate.
        train, test: trials.
        seed: of everything that is drawn.
    """

    cues: Cues = 4
    lines: Count = 5
    cue: Count = 10
    go: Count = 10
    rate: Annotated[Share, Field(gt=0)] = 0.5
    noise: Part = 0.05
    train: Count = 4_000
    test: Count = 1_000
    seed: Seed = 0

    @model_validator(mode="after")
    def _stands_out(self) -> RecallTable:
        if self.noise >= self.rate:
            raise ValueError(
                f"noise = {self.noise:g} hides cues of rate = {self.rate:g}; allowed: noise below the rate"
            )
        return self
