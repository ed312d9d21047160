"""The table of a study that says what its data are, where a name or a path is not enough."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field, model_validator

from memsim.errors import InputError
from memsim.learn.data.descent_table import DescentTable
from memsim.learn.data.diffusion_table import DiffusionTable
from memsim.learn.data.frame_table import FrameTable
from memsim.learn.data.graph_table import GraphTable
from memsim.learn.data.recall_table import RecallTable
from memsim.learn.data.recording_table import RecordingTable
from memsim.learn.data.scene_table import SceneTable, SceneTarget
from memsim.tables import Count, Finite, Part, Positive, Seed, Table, Whole

Layout = Literal["static", "images", "series"]
"""Inputs of n examples: [n, features]; [n, h, w] or [n, c, h, w]; [n, time, channels], or [n, time] of one channel."""
Kind = Literal["classes", "numbers"]


class DataTable(Table):
    """Data of the user's own; what is left out is found in the data, from those to train on, and said.

    Of the named sets, all take first_train and first_test, and some have entries of their own: event-scenes targets
    and scenes, cue-recall recall, descent descent, graph-diffusion diffusion and graph, and
    karate-club, cora and citeseer graph.

    Attributes:
        name: path of a file or folder, or the name of a data set that memsim knows.
        inputs: static, images or series; by their dimensions where left out, and then [n, a] are static, and [n, a, b]
            images where they are whole numbers of a byte, and series otherwise.
        first_train, first_test: how many of the examples to train and to test on, from the first; all where left out.
        targets: classes or numbers to predict; whole numbers and texts are classes where left out. Of event-scenes:
            velocity (where left out), divergence or flow.
        label: column of a table with the label, by its title or its number from 0; the last one where left out.
        test_share: share of the examples to test on, where the data have no split of their own.
        split_seed: of the draw of that share.
        range: values that become 0 and 1; of signed inputs, the larger of both in size becomes 1.
        quantile: where range is left out, the share of values in training that stay below 1; others are clipped.
        by_channel: whether each channel or feature has a range of its own; of images all share one where left out.
        rails: whether signed inputs become two word lines each, one for each sign; yes where both signs occur.
        centre: whether the mean of each channel in training is taken off first; where left out, if numbers are to be
            predicted and range is left out, because these are learned as distances from their mean, too.
        duration: length of a sound that is looked at [s]; that of the longest one where left out.
        repeats: whether test examples may be the same as examples to train on.
        scenes: of event-scenes, what they and their camera are.
        recall: of cue-recall, what its trials are.
        diffusion: of graph-diffusion, what graph and signal are.
        descent: of descent, what its camera and its textures are.
        graph: of a graph, what its nodes hear of each other; what is their own alone where left out.
        recordings: of a folder with recordings of an event camera, how they become examples.
        frames: of images or recordings of any name or path, how they become frames of events, some of which are noise.
    """

    name: str
    first_train: Count | None = None
    first_test: Count | None = None
    inputs: Layout | None = None
    targets: Kind | SceneTarget | None = None
    label: str | Whole | None = None
    test_share: Annotated[Part, Field(gt=0)] = 0.2
    split_seed: Seed = 0
    range: tuple[Finite, Finite] | None = None
    quantile: Annotated[float, Field(gt=0.5, le=1, strict=True)] = 0.999
    by_channel: bool | None = None
    rails: bool | None = None
    centre: bool | None = None
    duration: Positive | None = None
    repeats: bool = False
    scenes: SceneTable = SceneTable()
    recall: RecallTable = RecallTable()
    diffusion: DiffusionTable = DiffusionTable()
    descent: DescentTable = DescentTable()
    graph: GraphTable | None = None
    recordings: RecordingTable | None = None
    frames: FrameTable | None = None

    @model_validator(mode="after")
    def _range_is_one(self) -> DataTable:
        if self.range is not None and not self.range[0] < self.range[1]:
            raise ValueError(f"range = {list(self.range)}; allowed: [low, high] with low < high")
        return self

    def refuse(self, entries: Collection[str], why: str) -> None:
        """Raise InputError where one of these entries, which change nothing, is not as it is where left out."""
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if name in entries and value != field.default:
                raise InputError(f"{name} = {value!r} changes nothing, because {why}; leave it out")


Data = str | DataTable
MOST_SLOTS: Count = 32
"""Time bins of a series where a study does not say how many: fewer where the series is shorter."""


def data_name(data: Data) -> str:
    """Name or path of the data of a study."""
    return data if isinstance(data, str) else data.name
