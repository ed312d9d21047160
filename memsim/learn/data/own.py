"""Data of the user's own: from files, or from what Python has."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from torch import Tensor

from memsim.errors import InputError
from memsim.learn.data.archives import INSTEAD
from memsim.learn.data.dataset import Dataset
from memsim.learn.data.formats import OF_SOME, read_data
from memsim.learn.data.inputs import check_values, layout_of, prepare_inputs
from memsim.learn.data.places import digest_of
from memsim.learn.data.raw import Array, Examples, Found
from memsim.learn.data.scene_table import SCENE_TARGETS
from memsim.learn.data.side_by_side import Widths, side_by_side
from memsim.learn.data.splits import check_leak, divide
from memsim.learn.data.table import MOST_SLOTS, DataTable, Kind
from memsim.learn.data.targets import kind_of, prepare_targets
from memsim.toml import checked

IN_PYTHON = "given in Python"
PAIR = "inputs", "targets"
NOT_DRAWN = {"test_share", "split_seed"}, "the data have test examples of their own"
DRAWN = {"repeats"}, "the data have no test examples of their own, and those drawn from them repeat none"
"""What says nothing where test examples are given, and where they are drawn, and why."""


def own_dataset(path: Path, table: DataTable, slots: int | None, parts: Sequence[str] = ()) -> Dataset:
    """The data in a file or folder; see memsim.learn.data.formats.

    Args:
        path: that exists.
        table: options.
        slots: time bins of series; their length, up to 32, where left out.
        parts: names of the inputs in order, where there are several.

    Raises:
        InputError: what cannot be read, or cannot be trained on; see memsim.learn.data.inputs and targets.
    """
    try:
        found = read_data(path, table, slots or MOST_SLOTS)
        found, widths = side_by_side(found, table, parts)
        return _dataset(found, table, slots, str(path), digest_of(path), widths)
    except InputError as error:
        message = str(error)
        raise InputError(message if str(path) in message else f"data {str(path)!r}: {message}") from None


def make_dataset(train: Any, test: Any = None, *, slots: int | None = None, **options: Any) -> Dataset:
    """Data that Python has, as a data set to train on.

    Args:
        train: a torch Dataset of pairs (input, target), or a pair (inputs, targets) of arrays or tensors; inputs are
            [n, features], [n, h, w] or [n, c, h, w], or [n, time, channels]; targets [n], [n, k] or [n, time, k]. In
            the place of an array of inputs, a dictionary of named ones that belong side by side, in order.
        test: the same to test on; a share of `train` where left out.
        slots: time bins of series; their length, up to 32, where left out.
        options: of memsim.learn.data.table.DataTable, such as `inputs="images"` or `centre=True`.

    Raises:
        InputError: an unknown option, or data that cannot be trained on.
    """
    table = checked(DataTable, {"name": IN_PYTHON, **options}, "the options of the data")
    table.refuse({*OF_SOME, "recordings", "graph"}, "Python has the data")
    first, second = (None if part is None else _examples(part) for part in (train, test))
    found = Found(_given(first), second)
    found, widths = side_by_side(found, table, tuple(found.train.apart))
    digest = hashlib.sha256()
    for part in (found.train, found.test):
        for values in (*part.inputs, part.targets) if part else ():
            digest.update(f"{values.dtype}{values.shape}".encode())
            digest.update(np.ascontiguousarray(values).tobytes())
    data = _dataset(found, table, slots, IN_PYTHON, digest.hexdigest(), widths)
    if slots is not None and not data.time_domain:
        raise InputError(f"slots = {slots} changes nothing, because these inputs are no series; leave it out")
    return data


def _dataset(  # noqa: PLR0917 - each used once
    found: Found, table: DataTable, slots: int | None, origin: str, digest: str, widths: Widths
) -> Dataset:
    given = {"train": found.train} | ({"test": found.test} if found.test is not None else {})
    for name, part in given.items():
        if not len(part):
            raise InputError(f"there are no examples to {name}; give at least one")
        check_values(name, part.inputs)
    table.refuse({"scenes"}, "these data are your own and not event-scenes")
    table.refuse({"recall"}, "these data are your own and not cue-recall")
    table.refuse({"diffusion"}, "these data are your own and not graph-diffusion")
    table.refuse({"descent"}, "these data are your own and not descent")
    table.refuse({"graph"}, "these data are your own and no graph")
    wanted = table.targets
    if wanted in SCENE_TARGETS:
        raise InputError(f"targets = {wanted!r} is of event-scenes; allowed here: classes, numbers")
    kind = common_kind(found, cast("Kind | None", wanted))
    if table.centre is None:
        table = table.model_copy(update={"centre": kind == "numbers" and table.range is None})
    layout, _ = layout_of(found, table)
    table.refuse(*(NOT_DRAWN if found.test is not None else DRAWN))
    train, test, told = divided(found, table, kind)
    notes = (told, *found.notes, *check_leak(train.inputs, test.inputs, allowed=table.repeats))
    inputs = prepare_inputs(Found(train, test, found.layout, found.range, found.duration), test, table, slots)
    bins = inputs.train.shape[1] if layout == "series" else None
    targets = prepare_targets(train.targets, test.targets, kind, bins)
    return Dataset(
        Path(origin).stem,
        targets.outputs,
        inputs.shape,
        inputs.split("train", targets.train),
        inputs.split("test", targets.test),
        duration=found.duration,
        names=targets.names,
        rails=inputs.rails,
        mean=targets.mean,
        unit=targets.unit,
        notes=(*notes, *inputs.notes, *targets.notes),
        origin=origin,
        digest=digest,
        parts=widths,
    )


def common_kind(found: Found, wanted: Kind | None) -> Kind:
    """Whether targets are classes or numbers.

    Raises:
        InputError: they cannot be what is asked for, or are of both kinds.
    """
    parts = [part for part in (found.train, found.test) if part is not None]
    kinds = {kind_of(part.targets, wanted) for part in parts}
    if len(kinds) > 1:
        raise InputError("labels are classes in one part and numbers in the other; say which with targets")
    return kinds.pop()


def divided(found: Found, table: DataTable, kind: Kind) -> tuple[Examples, Examples, str]:
    """Examples to train on and to test on, and what to say of them."""
    if found.test is not None:
        train, test = found.train, found.test
        return train, test, f"{len(train)} examples to train on, {len(test)} to test on"
    train, test = divide(found.train, table.test_share, table.split_seed, stratified=kind == "classes")
    return train, test, f"{len(train)} examples to train on, {len(test)} drawn from them to test on"


def _given(part: Examples | None) -> Examples:
    if part is None:
        raise InputError(
            "there are no data to train on; give a torch Dataset, or a pair of inputs and targets"
        )
    return part


def _examples(part: Any) -> Examples:
    """Of a pair of arrays, or of a torch Dataset."""
    if isinstance(part, tuple) and len(part) == 2:
        inputs, targets = _arrays(part[0]), _array(part[1])
    else:
        try:
            items = [part[number] for number in range(len(part))]
            pairs = [(_arrays(one), _array(target)) for one, target in items]
        except InputError:
            raise
        except (TypeError, ValueError, KeyError, IndexError):
            raise InputError(
                f"data of type {type(part).__name__} cannot be read; give a torch Dataset of pairs (input, target), "
                "or a pair of arrays (inputs, targets)"
            ) from None
        if not pairs:
            raise InputError("there are no examples in a part of the data; give at least one")
        inputs, targets = (
            _stacked(what, each) for what, each in zip(PAIR, zip(*pairs, strict=True), strict=True)
        )
    for one in inputs.values() if isinstance(inputs, Mapping) else [inputs]:
        if not one.ndim or not targets.ndim or len(one) != len(targets):
            raise InputError(
                f"inputs have shape {one.shape} and targets {targets.shape}; both begin with the number of examples"
            )
    return Examples.of(inputs, targets)


def _stacked(what: str, values: Sequence[Any]) -> Any:
    if isinstance(values[0], Mapping):
        return {name: _stacked(f"{what} {name!r}", [one[name] for one in values]) for name in values[0]}
    shapes = sorted({one.shape for one in values})
    if len(shapes) > 1:
        raise InputError(f"{what} have different shapes, {shapes[0]} and {shapes[1]}; give all the same")
    return np.stack(values)


def _arrays(values: Any) -> Any:
    """An array, or one for each of several inputs."""
    if isinstance(values, Mapping):
        return {str(name): _array(one) for name, one in values.items()}
    return _array(values)


def _array(values: Any) -> Array:
    try:
        array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    except ValueError:  # rows of unequal length
        array = np.empty(len(values), object)
    if array.dtype.hasobject:
        raise InputError(
            f"data hold Python objects, {array.shape} of them, where numbers or texts are wanted: {INSTEAD}"
        )
    return array
