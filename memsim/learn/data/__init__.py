"""Data sets with splits of their own, as compact tensors.

| name | inputs | files |
|---|---|---|
| digits | 8x8 images | inside scikit-learn |
| mnist, fashion-mnist | 28x28 images | IDX, plain or .gz; or OpenML |
| yin-yang | 4 numbers | none, computed |
| nmnist | events of a 34x34 camera, binned in time | folders Train/ and Test/ |
| fsdd | spoken digits, 40 bands over time | folder recordings/ |
| early-late | events early or late in one of two regions; -both-ways: turned, too | none, computed |
| moving-dots | events of a 16x16 camera; two numbers to predict | none, computed |
| event-scenes | events of textures with known flow; velocity, divergence or flow to predict | none, computed |
| cue-recall | one of several cues, noise, a go signal at which the cue is to be told | none, computed |
| graph-diffusion | events at the nodes of a graph; the signal that spreads over it to predict | none, computed |
| karate-club | members of a club that fell apart, and those they knew | none, from networkx |
| descent | events of a camera that comes down over a texture; speed over height to predict | none, computed |
| cora, citeseer | words of papers, and of those they cite | planetoid/NAME.npz |
| tactile-objects, tactile-containers | events of a fingertip, binned in time | tactile_neutouch/Ev-*.zip |
| tonic:NAME | events, binned in time | the package tonic fetches them |
| a path | your own: see memsim.learn.data.table and memsim.learn.data.formats | that file or folder |
| a path, with recordings | events of your camera: see memsim.learn.data.recordings | that folder |

Any of these with `frames` in its table: frames of events, some of which are noise; see memsim.learn.data.frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from memsim.errors import InputError
from memsim.learn.data.dataset import Dataset, Split
from memsim.learn.data.descent import descents
from memsim.learn.data.descent_table import DescentTable
from memsim.learn.data.early_late import BOTH_WAYS, EARLY_LATE, both_ways, early_late
from memsim.learn.data.folders import DATA_VARIABLE, data_folder
from memsim.learn.data.frame_table import FrameTable
from memsim.learn.data.frames import in_frames
from memsim.learn.data.generated import GENERATED
from memsim.learn.data.graph_table import GraphTable
from memsim.learn.data.graphs import examples_of, nodes_of
from memsim.learn.data.images import digits, fashion_mnist, mnist
from memsim.learn.data.karate import KARATE_CLUB, karate_club
from memsim.learn.data.motion import MOVING_DOTS, moving_dots
from memsim.learn.data.nmnist import nmnist
from memsim.learn.data.own import make_dataset, own_dataset
from memsim.learn.data.places import Known, find_data
from memsim.learn.data.planetoid import GRAPHS, Graph, load_graph, planetoid
from memsim.learn.data.recall import cue_recall
from memsim.learn.data.recall_table import RecallTable
from memsim.learn.data.recording_table import RecordingTable
from memsim.learn.data.recordings import read_recordings
from memsim.learn.data.scene_table import SceneTable
from memsim.learn.data.scenes import event_scenes
from memsim.learn.data.speech import spoken_digits
from memsim.learn.data.table import Data, DataTable, data_name
from memsim.learn.data.tactile import SETS, tactile
from memsim.learn.data.tonic import from_tonic
from memsim.learn.data.yin_yang import yin_yang

__all__ = [
    "DATASETS",
    "DATA_VARIABLE",
    "STATIC",
    "TIME_BINS",
    "TIME_DOMAIN",
    "TONIC",
    "Data",
    "DataTable",
    "Dataset",
    "DescentTable",
    "FrameTable",
    "Graph",
    "GraphTable",
    "Known",
    "RecallTable",
    "RecordingTable",
    "SceneTable",
    "Split",
    "anchored",
    "cue_recall",
    "data_name",
    "descents",
    "event_scenes",
    "is_own",
    "load_dataset",
    "load_graph",
    "make_dataset",
]

STATIC: dict[str, Callable[[Path | None], Dataset]] = {
    "digits": lambda _: digits(),
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "yin-yang": lambda _: yin_yang(),
    KARATE_CLUB: lambda _: nodes_of(karate_club(), KARATE_CLUB, GraphTable(hops=0)),
    **{name: partial(planetoid, name) for name in GRAPHS},
}
TIME_DOMAIN: dict[str, Callable[[Path | None, int], Dataset]] = {
    "nmnist": nmnist,
    "fsdd": spoken_digits,
    EARLY_LATE: lambda _, bins: early_late(bins),
    BOTH_WAYS: lambda _, bins: both_ways(bins),
    MOVING_DOTS: lambda _, bins: moving_dots(bins),
    **{name: partial(tactile, name) for name in SETS},
}
DATASETS = (*STATIC, *TIME_DOMAIN, *GENERATED)
TONIC = "tonic:"
TIME_BINS = 32


def load_dataset(
    data: Data,
    folder: Path | None = None,
    *,
    bins: int | None = None,
    known: Known | None = None,
    parts: Sequence[str] = (),
) -> Dataset:
    """A data set by its name, or data of one's own by their path.

    Args:
        data: one of DATASETS, `tonic:` and the name of a data set of tonic, the path of a file or folder, or a table
            of options with one of these as its name.
        folder: where data sets are kept; the environment variable MEMSIM_DATA where left out.
        bins: time bins of a time-domain input; where left out 32, or the length of a series of one's own that is
            shorter.
        known: what data of one's own were the last time.
        parts: names of the inputs in order, where data of one's own have several.

    Raises:
        InputError: unknown name, files that are missing or damaged, or data that cannot be trained on.
    """
    if bins is not None and bins < 1:
        raise InputError(f"bins = {bins} is out of range; allowed: >= 1")
    table = DataTable(name=data) if isinstance(data, str) else data
    whole = table.model_copy(update={"first_train": None, "first_test": None, "frames": None})
    found = _loaded(whole, folder, bins, known, parts)
    found = replace(
        found,
        train=_first(found, "train", table.first_train),
        test=_first(found, "test", table.first_test),
    )
    return found if table.frames is None else in_frames(found, table.frames, bins or TIME_BINS)


def _first(data: Dataset, part: str, count: int | None) -> Split:
    """The first examples of a part, all of them where no number is said.

    Raises:
        InputError: there are fewer.
    """
    split: Split = getattr(data, part)
    if count is None:
        return split
    if count > len(split):
        raise InputError(
            f"first_{part} = {count} of {data.name!r} is out of range; allowed: 1 to {len(split)}"
        )
    return Split(split.stored[:count], split.labels[:count], split.full_scale)


def _loaded(
    table: DataTable, folder: Path | None, bins: int | None, known: Known | None, parts: Sequence[str]
) -> Dataset:
    """What a table without frames and numbers of examples says; arguments as for `load_dataset`."""
    name = table.name
    if is_own(name):
        path = find_data(name, (Path(), data_folder(folder)), known)
        if table.recordings is not None:
            return read_recordings(path, table, table.recordings, bins or TIME_BINS)
        return own_dataset(path, table, bins, parts)
    if name in GENERATED:
        return GENERATED[name](table, bins or TIME_BINS)
    if name in {KARATE_CLUB, *GRAPHS} and table.graph is not None:
        return _graph(table, table.graph, data_folder(folder))
    if table != DataTable(name=name):
        raise InputError(
            f"data set {name!r} has no options; leave all but name out of the table data, or give a path"
        )
    if name in {*STATIC, *TIME_DOMAIN}:
        return _named(name, data_folder(folder), bins or TIME_BINS)
    if name.startswith(TONIC):
        return from_tonic(name.removeprefix(TONIC), data_folder(folder), bins or TIME_BINS)
    raise InputError(
        f"data set {name!r} is unknown; known: {', '.join(DATASETS)}, {TONIC}NAME, and paths of your own data"
    )


def _named(name: str, folder: Path | None, bins: int) -> Dataset:
    return STATIC[name](folder) if name in STATIC else TIME_DOMAIN[name](folder, bins)


def _graph(table: DataTable, graph: GraphTable, folder: Path | None) -> Dataset:
    """A graph whose nodes hear of each other.

    Raises:
        InputError: an entry that they do not have.
    """
    table.refuse(set(DataTable.model_fields) - {"name", "graph"}, f"{table.name} is mixed as graph says")
    known = karate_club() if table.name == KARATE_CLUB else load_graph(table.name, folder)
    return examples_of(known, table.name, graph)


def is_own(name: str) -> bool:
    """Whether data are the user's own: a name that is none of DATASETS, and looks like a path or is there."""
    if name in DATASETS or name.startswith(TONIC):
        return False
    return bool(Path(name).suffix or len(Path(name).parts) > 1 or _exists(name))


def _exists(path: str | Path) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def anchored(study: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Entries of a study file whose data are found from its folder, where they are there, from anywhere."""
    data = study.get("data")
    name = data.get("name") if isinstance(data, dict) else data
    if not isinstance(name, str) or name in DATASETS or not _exists(folder / name):
        return study
    path = str((folder / name).absolute())
    return {**study, "data": {**data, "name": path} if isinstance(data, dict) else path}
