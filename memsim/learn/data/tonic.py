"""Any data set of the package tonic that has a split into train and test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from memsim.errors import InputError
from memsim.learn.data.dataset import Dataset
from memsim.learn.data.events import Frames, Recording, bin_events, empty_counts
from memsim.learn.data.folders import DATA_VARIABLE


def from_tonic(name: str, folder: Path | None, bins: int) -> Dataset:
    """A data set of the package tonic by the name of its class, such as DVSGesture or SHD.

    tonic fetches what is missing from the folder. All recordings share the time scale of the longest one.

    Raises:
        InputError: tonic is not installed, knows no such data set or cannot fetch it, or the set has no split
            of its own.
    """
    try:
        from tonic import datasets
    except ImportError:
        raise InputError("data sets of tonic need the package: pip install 'memsim[events]'") from None
    if not hasattr(datasets, name):
        raise InputError(f"tonic has no data set {name!r}; see its list of data sets")
    if folder is None:
        raise InputError(f"give --data-dir or {DATA_VARIABLE}: tonic keeps {name} there")
    try:
        parts = [getattr(datasets, name)(save_to=str(folder), train=train) for train in (True, False)]
    except TypeError:
        raise InputError(
            f"tonic's {name} has no split into train and test; choose another data set"
        ) from None
    except OSError as error:
        raise InputError(
            f"tonic cannot fetch {name}: {error}; connect to the network, or put it into {folder}"
        ) from None
    return from_recordings(f"tonic:{name}", parts[0], parts[1], bins)


def from_recordings(name: str, train: Any, test: Any, bins: int) -> Dataset:
    """Frames of two data sets in tonic's form: items (events, label), `sensor_size` (width, height, polarities)."""
    width, height, polarities = train.sensor_size
    shape = (polarities, height, width)
    recordings = [list(_columns(part, polarities)) for part in (train, test)]
    last = max(int(time.max(initial=0)) for part in recordings for (time, *_), _ in part)
    duration = (last + 1) * 1e-6
    empty_counts(sum(map(len, recordings)), bins, shape)
    train_frames, test_frames = (
        Frames(
            np.stack([bin_events(events, bins, shape, duration) for events, _ in part]),
            torch.tensor([label for _, label in part]),
        )
        for part in recordings
    )
    scale = train_frames.full_scale
    splits = train_frames.split(scale), test_frames.split(scale)
    classes = int(max(split.labels.max() for split in splits)) + 1
    return Dataset(name, classes, shape, *splits, duration=duration)


def _columns(items: Any, polarities: int) -> Iterator[tuple[Recording, int]]:
    for number in range(len(items)):
        events, label = items[number]
        zeros = np.zeros(len(events), np.int64)
        time = events["t"] - (events["t"].min() if len(events) else 0)
        row = events["y"] if "y" in events.dtype.names else zeros
        polarity = events["p"].astype(np.int64) if polarities > 1 else zeros
        yield (time, events["x"], row, polarity), int(label)
