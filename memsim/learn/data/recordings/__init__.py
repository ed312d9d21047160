"""Recordings of an event camera as examples: windows of one length, with numbers or flow to predict.

A folder holds recordings NAME.npz, NAME.h5 or NAME.aedat4, and beside each NAME.targets.csv or NAME.targets.npz.
Windows of one recording that follow each other look alike: whole recordings are kept for the test, or the end of each
one, and never windows drawn from between others.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from memsim.errors import InputError
from memsim.learn.data.dataset import Dataset
from memsim.learn.data.events import Frames, check_history
from memsim.learn.data.places import digest_of
from memsim.learn.data.recording_table import RecordingTable
from memsim.learn.data.recordings.aedat import AedatEvents
from memsim.learn.data.recordings.base import EventFile
from memsim.learn.data.recordings.copies import check_copies
from memsim.learn.data.recordings.events import Events, checked_events
from memsim.learn.data.recordings.hdf5 import Hdf5Events
from memsim.learn.data.recordings.npz import NpzEvents
from memsim.learn.data.recordings.truth import SUFFIXES, Truth, truth_beside
from memsim.learn.data.recordings.windows import Windows, windows_of
from memsim.learn.data.table import DataTable
from memsim.learn.data.targets import Targets, prepare_targets

FILES: tuple[EventFile, ...] = (NpzEvents(), Hdf5Events(), AedatEvents())
OWN_ENTRIES = {"name", "recordings", "test_share"}
"""Of DataTable, that say something of recordings."""


def read_recordings(folder: Path, table: DataTable, options: RecordingTable, slots: int) -> Dataset:
    """The recordings in a folder.

    Args:
        folder: of the recordings and their targets.
        table: of the data.
        options: how they become examples.
        slots: equal parts of a window.

    Raises:
        InputError: what cannot be read, or cannot be trained on.
    """
    table.refuse(set(DataTable.model_fields) - OWN_ENTRIES, "these data are recordings")
    check_history(options.history, slots)
    if options.test:
        table.refuse({"test_share"}, "test names the recordings to test on")
    try:
        return _dataset(folder, options, table.test_share, slots)
    except InputError as error:
        message = str(error)
        raise InputError(message if str(folder) in message else f"{folder}: {message}") from None


def _dataset(folder: Path, options: RecordingTable, share: float, slots: int) -> Dataset:
    recordings = [_read(path, options) for path in _paths(folder, options)]
    size, told = _size([events for events, _ in recordings], options)
    check_copies([events for events, _ in recordings])
    _check_alike([truth for _, truth in recordings], [events.name for events, _ in recordings])
    windows = {events.name: windows_of(events, truth, options, slots, size) for events, truth in recordings}
    train, test = _by_recording(windows, options.test) if options.test else _by_time(windows, share)
    frames = [Frames(np.concatenate([one.counts for one in part]), torch.empty(0)) for part in (train, test)]
    scale = _full_scale(frames[0])
    names = recordings[0][1].names
    wanted = [np.concatenate([one.wanted for one in part]) for part in (train, test)]
    targets = _targets(wanted[0], wanted[1])
    height, width = (side // options.binning for side in size)
    notes = (
        f"{len(wanted[0])} windows to train on, {len(wanted[1])} to test on "
        + (f"({', '.join(options.test)})" if options.test else "(the end of each recording)"),
        f"camera of {size[1]} x {size[0]} pixels{told}; {scale} events in a slot stand for 1",
        f"to predict: {', '.join(names)}",
        *(events.note for events, _ in recordings),
        *chain.from_iterable(one.notes for one in windows.values()),
        *targets.notes,
    )
    return Dataset(
        folder.name,
        targets.outputs,
        (2 * (options.history + 1), height, width),
        Frames(frames[0].counts, targets.train).split(scale),
        Frames(frames[1].counts, targets.test).split(scale),
        duration=options.window,
        mean=targets.mean,
        unit=targets.unit,
        notes=notes,
        origin=str(folder),
        digest=digest_of(folder),
        velocities=wanted[0].ndim > 2,
        in_order=True,
    )


def _paths(folder: Path, options: RecordingTable) -> list[Path]:
    """Files of recordings."""
    suffixes = [suffix for one in FILES for suffix in one.suffixes]
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    paths = [path for path in files if path.suffix in suffixes and not path.name.endswith(SUFFIXES)]
    if not paths:
        raise InputError(
            f"{folder} holds no recordings; give a folder with files that end in {', '.join(suffixes)}, and with "
            f"NAME{SUFFIXES[0]} or NAME{SUFFIXES[1]} for each"
        )
    names = [path.stem for path in paths]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{folder} has several recordings {twice[0]}; rename one, with its targets")
    if unknown := sorted(set(options.test) - set(names)):
        raise InputError(f"test names {unknown[0]!r}, which is no recording; there are {', '.join(names)}")
    if set(options.test) == set(names):
        raise InputError("test names all recordings and leaves none to train on; name fewer")
    return paths


def _read(path: Path, options: RecordingTable) -> tuple[Events, Truth]:
    reader = next(one for one in FILES if path.suffix in one.suffixes)
    try:
        columns = reader.read(path, options.place)
    except InputError as error:
        raise InputError(str(error) if str(path) in str(error) else f"{path}: {error}") from None
    events = checked_events(path, columns, options)
    return events, truth_beside(path, events)


def _size(recordings: Sequence[Events], options: RecordingTable) -> tuple[tuple[int, int], str]:
    """Rows and columns of the camera, and how they are known."""
    said = {events.name: events.size for events in recordings if events.size}
    if options.size is not None:
        told = {name: size for name, size in said.items() if size != options.size}
        if told:
            name, (rows, columns) = next(iter(told.items()))
            raise InputError(f"{name} is of a camera of {columns} x {rows} pixels; correct width and height")
        size, how = options.size, ""
    elif len(said) == len(recordings) and len(set(said.values())) == 1:
        size, how = next(iter(said.values())), ", as the files say"
    elif said:
        raise InputError(
            f"recordings are of cameras of {said}; give those of one camera, or width and height"
        )
    else:
        size = tuple(max(side) for side in zip(*(events.reached for events in recordings), strict=True))
        how = ", by the largest column and row with an event; width and height say it for sure"
    if min(size) < options.binning:
        raise InputError(
            f"binning = {options.binning} is more than the camera has, {size[1]} x {size[0]} pixels"
        )
    return (size[0], size[1]), how


def _check_alike(truths: Sequence[Truth], names: Sequence[str]) -> None:
    for truth, name in zip(truths, names, strict=True):
        if truth.names != truths[0].names:
            raise InputError(
                f"targets of {names[0]} are {', '.join(truths[0].names)}, and of {name} {', '.join(truth.names)}; "
                "give the "
                "same ones, in the same order"
            )


def _by_recording(windows: dict[str, Windows], test: Sequence[str]) -> tuple[list[Windows], list[Windows]]:
    return [one for name, one in windows.items() if name not in test], [windows[name] for name in test]


def _by_time(windows: dict[str, Windows], share: float) -> tuple[list[Windows], list[Windows]]:
    """The beginning and the end of each recording; one window between them is left out, as it looks like both."""
    train, test = [], []
    for name, one in windows.items():
        last = max(1, round(share * len(one)))
        if len(one) < last + 2:
            raise InputError(
                f"{name} has {len(one)} windows with targets, too few for training and for the last {share:g} to "
                "test on; "
                "give a longer recording or a shorter window, or name recordings to test on with test"
            )
        train.append(one.part(slice(len(one) - last - 1)))
        test.append(one.part(slice(len(one) - last, None)))
    return train, test


def _full_scale(train: Frames) -> int:
    if not train.counts.any():
        raise InputError("the windows to train on have no event; look at time_unit and window")
    return train.full_scale


def _targets(train: NDArray[np.float64], test: NDArray[np.float64]) -> Targets:
    """Numbers in units of their own; flow in one unit, about zero."""
    if train.ndim == 2:
        return prepare_targets(train, test, "numbers", None)
    known = train[~np.isnan(train)]
    unit = float(np.sqrt(np.square(known).mean())) if known.size else 0.0
    if not unit:
        raise InputError("flow to train on is zero or unknown wherever there are events; look at its times")
    labels = [torch.from_numpy((part / unit).astype(np.float32)).flatten(1) for part in (train, test)]
    outputs = labels[0].shape[1]
    note = f"flow of each pixel with events, learned in units of its root mean square in training, {unit:.4g}"
    scale = torch.full((outputs,), unit, dtype=torch.float64)
    return Targets(labels[0], labels[1], outputs, (), torch.zeros_like(scale), scale, (note,))
