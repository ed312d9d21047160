"""N-MNIST: MNIST digits seen by an event camera in three saccades."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from memsim.errors import InputError
from memsim.learn.data.archives import check_offsets, read_archive
from memsim.learn.data.dataset import Dataset
from memsim.learn.data.events import Frames, Recording, bin_events, empty_counts
from memsim.learn.data.folders import DATA_VARIABLE, find

SENSOR = (2, 34, 34)
DURATION = 0.31
"""Three saccades of 100 ms and what the camera still sent [s]; later events are left out."""
PLACES = ("nmnist", "N-MNIST", "NMNIST", "nmnist_small")
EVENT_BYTES = 5


def nmnist(folder: Path | None, bins: int) -> Dataset:
    """N-MNIST (G. Orchard et al., Frontiers in Neuroscience 9:437, 2015): MNIST digits seen by a moving event camera.

    Folders as published, Train/0 to Train/9 and Test/0 to Test/9 with one file for each recording, or the archive
    nmnist_small.npz of the first recordings. A bin takes 2312 bytes for each recording.

    Args:
        folder: the data folder; the set is in nmnist/ or directly inside.
        bins: time bins for the 310 ms of a recording.

    Raises:
        InputError: damaged or missing files.
    """
    if archive := find(folder, PLACES, ["nmnist_small.npz"]):
        train, test = _from_archive(archive, bins)
    elif (first := find(folder, PLACES, ["Train"])) and (first.parent / "Test").is_dir():
        train, test = (_from_folder(first.parent / part, bins) for part in ("Train", "Test"))
    else:
        raise InputError(
            f"nmnist was not found: put its folders Train/ and Test/ into {PLACES[0]}/ of a folder given with "
            f"--data-dir or {DATA_VARIABLE}"
        )
    scale = train.full_scale
    return Dataset("nmnist", 10, SENSOR, train.split(scale), test.split(scale), duration=DURATION)


def _from_archive(path: Path, bins: int) -> tuple[Frames, Frames]:
    arrays = read_archive(path, ("x", "y", "p", "dt", "offsets", "label"), ("n_train",))
    offsets, events = arrays["offsets"], len(arrays["x"])
    check_offsets(path, offsets, events)
    ticks = np.concatenate([[0], np.cumsum(arrays["dt"], dtype=np.int64)])
    if arrays["p"].dtype != np.uint8:
        raise InputError(f"{path}: p is not a row of bytes, a bit for each event; fetch the file again")
    polarity = np.unpackbits(arrays["p"])[:events]
    if not len(arrays["y"]) == len(ticks) - 1 == len(polarity) == events:
        raise InputError(f"{path}: x, y, dt and p differ in length; fetch the file again")
    _check_pixels(path, arrays["x"], arrays["y"])
    counts = empty_counts(len(offsets) - 1, bins, SENSOR)
    for number, (start, end) in enumerate(pairwise(offsets)):
        one = slice(int(start), int(end))
        time = ticks[1:][one] - ticks[start]
        counts[number] = bin_events(
            (time, arrays["x"][one], arrays["y"][one], polarity[one]), bins, SENSOR, DURATION
        )
    labels = torch.from_numpy(arrays["label"].astype(np.int64))
    split = int(arrays["n_train"])
    if not 0 < split < len(counts):
        raise InputError(f"{path}: n_train = {split} of {len(counts)} recordings; fetch the file again")
    return Frames(counts[:split], labels[:split]), Frames(counts[split:], labels[split:])


def _from_folder(folder: Path, bins: int) -> Frames:
    files = [path for digit in range(10) for path in sorted((folder / str(digit)).glob("*.bin"))]
    counts = empty_counts(len(files), bins, SENSOR)
    for number, path in enumerate(files):
        counts[number] = bin_events(read_atis(path), bins, SENSOR, DURATION)
    return Frames(counts, torch.tensor([int(path.parent.name) for path in files], dtype=torch.int64))


def read_atis(path: Path) -> Recording:
    """One recording of N-MNIST: 40 bits an event; column, row, one bit of polarity and 23 bits of time in us.

    Raises:
        InputError: the file is cut off, or an event lies outside the sensor.
    """
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if len(content) % EVENT_BYTES or not len(content):
        raise InputError(
            f"{path} has {len(content)} bytes; allowed: {EVENT_BYTES} for each event. Fetch it again"
        )
    column, row, high, middle, low = content.reshape(-1, EVENT_BYTES).T.astype(np.int64)
    _check_pixels(path, column, row)
    return ((high & 0x7F) << 16) | (middle << 8) | low, column, row, high >> 7


def _check_pixels(path: Path, column: NDArray, row: NDArray) -> None:
    for name, values, size in (("column", column, SENSOR[2]), ("row", row, SENSOR[1])):
        if (values >= size).any():
            where = int(np.flatnonzero(values >= size)[0])
            raise InputError(f"{path}: {name} of event {where} is {values[where]}; allowed: 0 to {size - 1}")
