"""Inputs of the user's own, made into what word lines can carry: numbers in [0, 1].

A signed value x has two word lines, one for each sign: max(x, 0) and max(-x, 0), whose difference is x. A series is
averaged over equal slots of its length; its rails are averaged each for themselves, so that their difference is the
average of x and their sum that of |x|: an oscillation that averages to nothing still drives its lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from memsim.errors import InputError
from memsim.learn.data.dataset import Split
from memsim.learn.data.raw import Array, Examples, Found, Values
from memsim.learn.data.table import MOST_SLOTS, DataTable, Layout
from memsim.memory import check_memory

Numbers = NDArray[np.floating]
BYTE = 255.0
LARGEST = 1e30
"""Of what single precision can still add up."""
AT_ONCE = 256
"""Series that are averaged at once."""
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
    parts = [_in_layout(part.inputs, layout) for part in (found.train, test)]
    _check_same(parts[0], parts[1], layout)
    if layout == "images" and _are_bytes(parts) and table.range is None and not (table.centre or table.rails):
        return _bytes(parts, said)
    axis = CHANNEL_AXIS[layout]
    mean = _mean(parts[0], axis) if table.centre else np.zeros(1, np.float32)
    signed = _is_signed(parts[0], mean) if table.rails is None else table.rails
    length = min(_length(parts[0]), MOST_SLOTS) if slots is None else slots
    bins = length if layout == "series" else None
    _check_fits(parts, signed, bins)
    values = [_reduced(part, mean, axis, signed=signed, slots=bins) for part in parts]
    given = table.range or (None if table.centre else found.range)
    apart = layout != "images" if table.by_channel is None else table.by_channel
    ranges = _ranges(values[0], axis, table.quantile, given, signed=signed, apart=apart)
    notes = [*said, *_told(parts[0], layout, length, signed=signed, centred=bool(table.centre))]
    scaled = [_scaled(part, axis, *ranges) for part in values]
    notes += [_range_told(*ranges), *_clipped(values, axis, *ranges)]
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
        if one.dtype.kind == "f" and max(one.max(), -one.min()) > LARGEST:
            raise InputError(
                f"inputs ({name}) reach {max(one.max(), -one.min()):.3g}; allowed: up to {LARGEST:g}, in other units"
            )


def _in_layout(values: Values, layout: Layout) -> Values:
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


def _check_fits(parts: Sequence[Values], signed: bool, slots: int | None) -> None:
    size = 0
    for part in parts:
        kept = part[0].size if slots is None else slots * part[0].shape[-1]
        size += len(part) * kept * (2 if signed else 1)
    check_memory(f"{sum(map(len, parts))} inputs as numbers", 12.0 * size, "take fewer examples or slots")


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


def _pieces(values: Values) -> Iterator[Array]:
    """Some examples at a time, in one array each."""
    if isinstance(values, np.ndarray):
        for start in range(0, len(values), AT_ONCE):
            yield values[start : start + AT_ONCE]
    else:
        for one in values:
            yield one[None]


def _length(values: Values) -> int:
    """Samples of the longest series."""
    return max(one.shape[0] for one in values)


def _mean(values: Values, axis: int) -> Numbers:
    """Of each channel, in a shape that can be taken off."""
    total, count = np.float64(0), 0
    for piece in _pieces(values):
        others = tuple(k for k in range(piece.ndim) if k != axis)
        total = total + piece.sum(axis=others, dtype=np.float64, keepdims=True)
        count += piece.size // piece.shape[axis]
    return np.asarray(total / count, np.float32)


def _is_signed(values: Values, mean: Numbers) -> bool:
    lows, highs = zip(
        *(((piece - mean).min(), (piece - mean).max()) for piece in _pieces(values)), strict=True
    )
    return bool(min(lows) < 0 < max(highs))


def _reduced(values: Values, mean: Numbers, axis: int, *, signed: bool, slots: int | None) -> Numbers:
    """Centred, on rails where signed, and averaged into slots where there are some."""
    done = []
    for piece in _pieces(values):
        centred = piece.astype(np.float32) - mean
        split = rails(centred, axis) if signed else centred
        done.append(split if slots is None else averaged(split, slots))
    return np.concatenate(done)


def _ranges(
    values: Numbers,
    axis: int,
    quantile: float,
    given: tuple[float, float] | None,
    *,
    signed: bool,
    apart: bool,
) -> tuple[Numbers, Numbers]:
    """Values that become 0 and 1, of each channel along `axis`."""
    channels = values.shape[axis]
    if given is not None:
        low, high = (0.0, max(map(abs, given))) if signed else given
        return np.full(channels, low, np.float32), np.full(channels, high, np.float32)
    columns = np.moveaxis(values, axis, 0).reshape(channels, -1)
    if signed:  # both rails of a channel share its range
        columns = np.concatenate(np.split(columns, 2), axis=1)
    ends = [
        _ends(column, quantile, signed=signed) for column in (columns if apart else columns.reshape(1, -1))
    ]
    repeats = channels // len(ends)
    lows, highs = (np.tile(np.array(end, np.float32), repeats) for end in zip(*ends, strict=True))
    return lows, highs


def _ends(values: Numbers, quantile: float, *, signed: bool) -> tuple[float, float]:
    """Lowest and highest but for outliers: what is mostly at rest is judged by the rest."""
    low = 0.0 if signed else float(np.quantile(values, 1 - quantile))
    above = values[values > low]
    return low, float(np.quantile(above, quantile)) if len(above) else low


def _along(ends: Numbers, values: Numbers, axis: int) -> Numbers:
    return ends.reshape([-1 if k == axis else 1 for k in range(values.ndim)])


def _scaled(values: Numbers, axis: int, low: Numbers, high: Numbers) -> Numbers:
    span = np.where(high > low, high - low, 1)
    low, span = _along(low, values, axis), _along(span, values, axis)
    return (np.clip(values - low, 0, span) / span).astype(np.float32)


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


def _range_told(low: Numbers, high: Numbers) -> str:
    lows, highs = (
        f"{ends.min():.4g}" if ends.min() == ends.max() else f"{ends.min():.4g} to {ends.max():.4g}"
        for ends in (low, high)
    )
    still = int((high <= low).sum())
    constant = f"; {still} channel(s) are constant in training, and stay 0" if still else ""
    return f"inputs: 0 stands for {lows}, 1 for {highs}{constant}"


def _clipped(values: Sequence[Numbers], axis: int, low: Numbers, high: Numbers) -> list[str]:
    notes = []
    for name, part in zip(("training", "test"), values, strict=True):
        outside = int(((part < _along(low, part, axis)) | (part > _along(high, part, axis))).sum())
        if outside:
            notes.append(
                f"{outside} of {part.size} {name} values ({outside / part.size:.2%}) lie outside and are clipped"
            )
    return notes
