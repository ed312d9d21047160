"""Inputs of the user's own, made into what word lines can carry: numbers in [0, 1].

A signed value x has two word lines, one for each sign: max(x, 0) and max(-x, 0), whose difference is x. A series is
averaged over equal slots of its length; its rails are averaged each for themselves, so that their difference is the
average of x and their sum that of |x|: an oscillation that averages to nothing still drives its lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch

from memsim.errors import InputError
from memsim.learn.data.dataset import Split
from memsim.learn.data.precision import Float, working_type
from memsim.learn.data.ranges import Numbers, Ranges
from memsim.learn.data.raw import Array, Examples, Found, Values, pieces
from memsim.learn.data.table import MOST_SLOTS, DataTable, Layout
from memsim.memory import check_memory

BYTE = 255.0
LARGEST = 1e30
"""Of what single precision can still add up."""
FAINT = 0.01
"""Share of its range that a channel should vary by at least."""
OF_MEASURED = {"quantile", "by_channel"}
"""Entries that say how a range is measured."""
CHANNEL_AXIS: dict[Layout, int] = {"static": 1, "images": 1, "series": 2}
DIMENSIONS: dict[Layout, tuple[int, ...]] = {"static": (2,), "images": (3, 4), "series": (2, 3)}
FORMS: dict[Layout, str] = {
    "static": "[n, features]",
    "images": "[n, h, w] or [n, c, h, w]",
    "series": "[n, time, channels] or [n, time]",
}


@dataclass(frozen=True)
class Inputs:
    """What inputs have become.

    Attributes:
        train, test: compact values; see Split.
        full_scale: the value that stands for 1.
        shape: of one input, or of one slot of it.
        rails: word lines of each channel: 2 where the sign has a line of its own.
        notes: what was done.
    """

    train: torch.Tensor
    test: torch.Tensor
    full_scale: float
    shape: tuple[int, ...]
    rails: int
    notes: tuple[str, ...]

    def split(self, part: str, targets: torch.Tensor) -> Split:
        """Inputs of `train` or `test` with their targets."""
        return Split(getattr(self, part), targets, self.full_scale)


def prepare_inputs(found: Found, test: Examples, table: DataTable, slots: int | None) -> Inputs:
    """Inputs in [0, 1]; everything that is measured is measured on those to train on.

    Args:
        found: examples to train on, and what their format knows.
        test: examples to test on.
        table: options.
        slots: of a series; its length, up to 32, where left out.

    Raises:
        InputError: inputs of a shape that cannot be, or that differ in shape.
    """
    layout, said = layout_of(found, table)
    parts = [in_layout(part.inputs, layout) for part in (found.train, test)]
    _check_same(parts[0], parts[1], layout)
    if layout == "images":
        _check_one_kind(parts[0], parts[1])
    if layout == "images" and _are_bytes(parts) and table.range is None and not (table.centre or table.rails):
        table.refuse(OF_MEASURED, "bytes from 0 to 255 become 0 to 1")
        return _bytes(parts, said)
    axis = CHANNEL_AXIS[layout]
    work = working_type(parts[0], axis)
    mean = _mean(parts[0], axis, work) if table.centre else np.zeros(1, work)
    signed = _is_signed(parts[0], mean) if table.rails is None else table.rails
    length = min(_length(parts[0]), MOST_SLOTS) if slots is None else slots
    bins = length if layout == "series" else None
    _check_fits(parts, signed, bins, work)
    values = [_reduced(part, mean, axis, signed=signed, slots=bins) for part in parts]
    given = table.range or (None if table.centre else found.range)
    if given is not None:
        table.refuse(
            OF_MEASURED, "all channels have the range" + (" of this format" if table.range is None else "")
        )
        ranges = Ranges.given(values[0], axis, given, signed=signed)
    else:
        apart = layout != "images" if table.by_channel is None else table.by_channel
        ranges = Ranges.measured(values[0], axis, table.quantile, signed=signed, by_channel=apart)
    notes = [*said, *_told(parts[0], layout, length, signed=signed, centred=bool(table.centre)), str(ranges)]
    notes += [*ranges.outside(values[0], "training"), *ranges.outside(values[1], "test")]
    scaled = [ranges.scaled(part) for part in values]
    notes += _faint(scaled[0], axis, 2 if signed else 1, centred=bool(table.centre))
    shape = _shape(scaled[0], layout)
    flat = [part if layout == "series" else part.reshape(len(part), -1) for part in scaled]
    tensors = [torch.from_numpy(np.ascontiguousarray(part)) for part in flat]
    return Inputs(tensors[0], tensors[1], 1.0, shape, 2 if signed else 1, tuple(notes))


def rails(values: Array, axis: int) -> Array:
    """Each channel as two, all of the positive parts before all of the negative ones; their difference is `values`."""
    return np.concatenate([np.maximum(values, 0), np.maximum(-values, 0)], axis=axis)


def averaged(series: Array, slots: int) -> Array:
    """Averages over equal parts of the length, [n, slots, channels] of [n, time, channels].

    Samples that lie across the border of two slots count in both by their share, so that the average over all slots is
    that over all samples, whatever their numbers.
    """
    ends = np.arange(series.shape[1] + 1) * (slots / series.shape[1])
    slot = np.arange(slots)[:, None]
    share = np.clip(np.minimum(ends[1:], slot + 1) - np.maximum(ends[:-1], slot), 0, None)
    return share.astype(np.result_type(series, np.float32)) @ series


def layout_of(found: Found, table: DataTable) -> tuple[Layout, list[str]]:
    """How inputs are arranged, and what to say about it.

    Raises:
        InputError: dimensions that fit no arrangement, or not the one that is asked for.
    """
    inputs = found.train.inputs
    dimensions = np.ndim(inputs) if isinstance(inputs, np.ndarray) else 1 + np.ndim(inputs[0])
    wanted = table.inputs or found.layout
    if wanted is not None:
        if dimensions not in DIMENSIONS[wanted]:
            raise InputError(
                f"inputs have {dimensions} dimensions, and {wanted} have {FORMS[wanted]}; give the other kind with "
                "`inputs`, or change their shape"
            )
        return wanted, []
    if not isinstance(inputs, np.ndarray):
        return "series", []
    if dimensions == 2:
        return "static", []
    if dimensions == 3 and not _are_bytes([inputs]):
        return "series", ['inputs are read as series [n, time, channels]; for images say inputs = "images"']
    if dimensions in {3, 4}:
        return "images", ["inputs are read as images"]
    raise InputError(
        f"inputs have {dimensions} dimensions; allowed: {', '.join(FORMS.values())}, n examples first"
    )


def _are_bytes(parts: Sequence[Values]) -> bool:
    return all(isinstance(part, np.ndarray) and part.dtype == np.uint8 for part in parts)


def check_values(name: str, values: Values) -> None:
    """Raise InputError unless all values of the part of that name are real, finite numbers."""
    for number, one in enumerate([values] if isinstance(values, np.ndarray) else values):
        if one.dtype.kind not in "biuf":
            raise InputError(f"inputs ({name}) are of type {one.dtype}; allowed: real numbers")
        if not one.size:
            raise InputError(
                f"inputs ({name}) of shape {one.shape} hold nothing; give at least one value each"
            )
        if one.dtype.kind == "f" and not np.isfinite(one).all():
            where = np.argwhere(~np.isfinite(one))
            place = where[0].tolist() if isinstance(values, np.ndarray) else [number, *where[0].tolist()]
            raise InputError(
                f"inputs ({name}) are not finite at {len(where)} place(s), the first at {place}; "
                "remove these examples, or fill the gaps"
            )
        largest = max(float(one.max()), -float(one.min()))
        if largest > LARGEST:
            raise InputError(
                f"inputs ({name}) reach {largest:.3g}; allowed: up to {LARGEST:g}, in other units"
            )


def in_layout(values: Values, layout: Layout) -> Values:
    """Images and series with a dimension of channels."""
    if not isinstance(values, np.ndarray):
        return [one if one.ndim == 2 else one[:, None] for one in values]
    if layout == "images" and values.ndim == 3:
        return values[:, None]
    return values[..., None] if layout == "series" and values.ndim == 2 else values


def _check_same(train: Values, test: Values, layout: Layout) -> None:
    """Refuse test inputs of another shape; series may differ in length."""
    from_axis = 1 if layout == "series" else 0
    shapes = [{one.shape[from_axis:] for one in part} for part in (train, test)]
    if len(shapes[0]) > 1 or shapes[0] != shapes[1]:
        listed = [", ".join(str(shape) for shape in sorted(found)) for found in shapes]
        raise InputError(
            f"one input has shape {listed[0]} in training and {listed[1]} in test"
            f"{' at each time' if layout == 'series' else ''}; give all the same shape"
        )


def _check_one_kind(train: Values, test: Values) -> None:
    """Refuse images of bytes beside others: a byte of 1 is black, and a number of 1 may be white."""
    kinds = [part[0].dtype for part in (train, test)]
    if _are_bytes([train]) != _are_bytes([test]):
        raise InputError(
            f"images are of type {kinds[0]} in training and {kinds[1]} in test; give all in one type"
        )


def _check_fits(parts: Sequence[Values], signed: bool, slots: int | None, work: Float) -> None:
    size = 0
    for part in parts:
        kept = part[0].size if slots is None else slots * part[0].shape[-1]
        size += len(part) * kept * (2 if signed else 1)
    check_memory(
        f"{sum(map(len, parts))} inputs as numbers",
        3.0 * np.dtype(work).itemsize * size,
        "take fewer examples or slots",
    )


def _bytes(parts: Sequence[Values], said: list[str]) -> Inputs:
    """Images of bytes stay as they are."""
    images = [cast("Array", part) for part in parts]
    flat = [torch.from_numpy(np.ascontiguousarray(part).reshape(len(part), -1)) for part in images]
    return Inputs(
        flat[0],
        flat[1],
        BYTE,
        _shape(images[0], "images"),
        1,
        (*said, "inputs: 0 and 1 stand for bytes of 0 and 255"),
    )


def _shape(values: Array, layout: Layout) -> tuple[int, ...]:
    """Of one input, or of one slot of it; grey images need no dimension for colours."""
    shape = values.shape[2:] if layout == "series" else values.shape[1:]
    return shape[1:] if layout == "images" and shape[0] == 1 else shape


def _length(values: Values) -> int:
    """Samples of the longest series."""
    return max(one.shape[0] for one in values)


def _mean(values: Values, axis: int, work: Float) -> Numbers:
    """Of each channel, in a shape that can be taken off; of a constant one that value itself."""
    total, count, lows, highs = np.float64(0), 0, [], []
    for piece in pieces(values):
        others = tuple(k for k in range(piece.ndim) if k != axis)
        total = total + piece.sum(axis=others, dtype=np.float64, keepdims=True)
        count += piece.size // piece.shape[axis]
        lows.append(piece.min(axis=others, keepdims=True))
        highs.append(piece.max(axis=others, keepdims=True))
    low, high = np.min(lows, axis=0), np.max(highs, axis=0)
    return np.asarray(np.where(low == high, low, total / count), work)


def _is_signed(values: Values, mean: Numbers) -> bool:
    lows, highs = zip(
        *(((piece - mean).min(), (piece - mean).max()) for piece in pieces(values)), strict=True
    )
    return bool(min(lows) < 0 < max(highs))


def _reduced(values: Values, mean: Numbers, axis: int, *, signed: bool, slots: int | None) -> Numbers:
    """Centred, on rails where signed, and averaged into slots where there are some."""
    done = []
    for piece in pieces(values):
        centred = piece.astype(mean.dtype) - mean
        split = rails(centred, axis) if signed else centred
        done.append(split if slots is None else averaged(split, slots))
    return np.concatenate(done)


def _faint(scaled: Numbers, axis: int, lines: int, *, centred: bool) -> list[str]:
    """What to say of channels that hardly vary beside an offset that their range begins without."""
    others = tuple(k for k in range(scaled.ndim) if k != axis)
    span = (scaled.max(axis=others) - scaled.min(axis=others)).reshape(lines, -1).max(axis=0)
    faint = np.flatnonzero((span > 0) & (span < FAINT))
    remedy = (
        "by_channel = true, or give a range"
        if centred
        else "centre = true or by_channel = true, or give a range"
    )
    told = f"warning: {len(faint)} channel(s) vary by less than {FAINT:.0%} of their range"
    return [f"{told}, the first is number {faint[0]} from 0; say {remedy}"] if len(faint) else []


def _told(values: Values, layout: Layout, slots: int, *, signed: bool, centred: bool) -> list[str]:
    notes = []
    if layout == "series":
        lengths = {len(one) for one in values}
        long = str(lengths.pop()) if len(lengths) == 1 else f"{min(lengths)} to {max(lengths)}"
        notes.append(f"series of {long} times are averaged into {slots} slots")
    if centred:
        notes.append("the mean of each channel in training is taken off")
    if signed:
        notes.append("inputs are signed: each has two word lines, one for each sign")
    return notes
