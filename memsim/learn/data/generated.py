"""Data sets that are computed as a table of the study says."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from memsim.errors import InputError
from memsim.learn.data.dataset import Dataset
from memsim.learn.data.descent import DESCENT, descents
from memsim.learn.data.diffusion import GRAPH_DIFFUSION, graph_diffusion
from memsim.learn.data.recall import CUE_RECALL, cue_recall
from memsim.learn.data.scene_table import SCENE_TARGETS
from memsim.learn.data.scenes import EVENT_SCENES, event_scenes
from memsim.learn.data.table import DataTable


def _scenes(table: DataTable, bins: int) -> Dataset:
    _has_only(table, {"targets", "scenes"})
    for target in SCENE_TARGETS:
        if table.targets in {target, None}:
            return event_scenes(bins, target, table.scenes)
    raise InputError(f"targets = {table.targets!r} of {EVENT_SCENES}; allowed: {', '.join(SCENE_TARGETS)}")


def _recall(table: DataTable, bins: int) -> Dataset:
    _has_only(table, {"recall"})
    return cue_recall(bins, table.recall)


def _diffusion(table: DataTable, bins: int) -> Dataset:
    _has_only(table, {"diffusion", "graph"})
    return graph_diffusion(bins, table.diffusion, table.graph)


def _descent(table: DataTable, bins: int) -> Dataset:
    _has_only(table, {"descent"})
    return descents(bins, table.descent)


def _has_only(table: DataTable, entries: set[str]) -> None:
    others = set(DataTable.model_fields) - {"name"} - entries
    table.refuse(others, f"{table.name} is made as {' and '.join(sorted(entries))} of its table says")


GENERATED: Mapping[str, Callable[[DataTable, int], Dataset]] = {
    EVENT_SCENES: _scenes,
    CUE_RECALL: _recall,
    GRAPH_DIFFUSION: _diffusion,
    DESCENT: _descent,
}
"""From the table of a study and a number of time bins.

Raises InputError: an entry of the table that such data do not have, or values that do not fit together.
"""
