"""Objects and containers felt by a fingertip that sends events."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import torch

from memsim.errors import InputError
from memsim.learn.data.archives import DAMAGED, MAX_BYTES
from memsim.learn.data.dataset import Dataset
from memsim.learn.data.events import Frames, empty_counts
from memsim.learn.data.folders import DATA_VARIABLE, find

SETS = {"tactile-objects": ("Ev-Objects", 36), "tactile-containers": ("Ev-Containers", 20)}
"""Archive and classes by name."""
PLACES = ("tactile_neutouch", "tactile")
SHAPE = (2, 39)
"""Two channels of each of 39 taxels."""
SAMPLE = 20e-3
"""Length of a sample [s]."""
_NAME = re.compile(r".*/(?P<part>train|test)/sample_(?P<number>\d+)_label_(?P<label>\d+)\.npy")


def tactile(name: str, folder: Path | None, bins: int) -> Dataset:
    """Ev-Objects or Ev-Containers (F. Gu et al., IROS 2020), from the archive as published.

    Args:
        name: tactile-objects or tactile-containers.
        folder: the data folder; the archive is in tactile_neutouch/ or directly inside.
        bins: time bins for a recording.

    Raises:
        InputError: no such file, or a damaged one.
    """
    archive, classes = SETS[name]
    path = find(folder, PLACES, [f"{archive}.zip"])
    if path is None:
        raise InputError(
            f"{name} was not found: put {archive}.zip into {PLACES[0]}/ of a folder given with --data-dir or "
            f"{DATA_VARIABLE}"
        )
    try:
        parts, samples = _read(path, bins)
    except DAMAGED:
        raise InputError(f"{path} is damaged or of another data set; fetch it again") from None
    train, test = parts
    scale = train.full_scale
    return Dataset(name, classes, SHAPE, train.split(scale), test.split(scale), duration=samples * SAMPLE)


def _read(path: Path, bins: int) -> tuple[list[Frames], int]:
    """Counts of events of both parts, and samples of a recording."""
    with zipfile.ZipFile(path) as content:
        if sum(entry.file_size for entry in content.infolist()) > MAX_BYTES:
            raise ValueError
        named = [match for name in content.namelist() if (match := _NAME.fullmatch(name))]
        parts, samples = [], 0
        for part in ("train", "test"):
            own = sorted((m for m in named if m["part"] == part), key=lambda m: int(m["number"]))
            counts = empty_counts(len(own), bins, SHAPE)
            for number, match in enumerate(own):
                events = np.load(io.BytesIO(content.read(match[0])), allow_pickle=False)
                counts[number] = _binned(events, bins)
                samples = events.shape[2]
            parts.append(Frames(counts, torch.tensor([int(m["label"]) for m in own])))
    return parts, samples


def _binned(events: np.ndarray, bins: int) -> np.ndarray:
    """[bins, channels of all taxels] of [taxels, channels, samples]."""
    taxels, channels, samples = events.shape
    if (channels, taxels) != SHAPE or not np.isin(events, (0, 1)).all():
        raise ValueError
    counts = np.zeros((bins, channels, taxels), np.int64)
    np.add.at(counts, np.arange(samples) * bins // samples, events.transpose(2, 1, 0).astype(np.int64))
    return np.minimum(counts, 255).astype(np.uint8).reshape(bins, -1)
