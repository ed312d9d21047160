"""Inputs that were given in several parts, put side by side as the channels of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from memsim.errors import InputError
from memsim.learn.data.inputs import CHANNEL_AXIS, DIMENSIONS, in_layout, layout_of
from memsim.learn.data.raw import Array, Examples, Found
from memsim.learn.data.table import DataTable, Layout

Widths = dict[str, int]
"""Channels of each part, in order."""


def side_by_side(found: Found, table: DataTable, order: Sequence[str]) -> tuple[Found, Widths]:
    """Examples whose parts are one input, and the channels of each; examples of one part as they are.

    Args:
        found: what a format has read.
        table: options.
        order: names of the parts.

    Raises:
        InputError: other parts than those named, or shapes that do not go side by side.
    """
    if not found.train.apart:
        return found, {}
    layout, _ = layout_of(found, table)
    train, widths = _joined(found.train, order, layout)
    test = None if found.test is None else _joined(found.test, order, layout)[0]
    return replace(found, train=train, test=test), widths


def _joined(examples: Examples, order: Sequence[str], layout: Layout) -> tuple[Examples, Widths]:
    parts = examples.apart
    if sorted(parts) != sorted(order):
        raise InputError(
            f"the data have the inputs {', '.join(sorted(parts))}, and the study names {', '.join(order) or 'none'}; "
            "name all of them, in order, in its table inputs"
        )
    axis, arrays = CHANNEL_AXIS[layout], dict[str, Array]()
    for name in order:
        if parts[name].ndim not in DIMENSIONS[layout]:
            raise InputError(
                f"input {name!r} has shape {parts[name].shape}; as {layout} it has other dimensions"
            )
        arrays[name] = cast("Array", in_layout(parts[name], layout))
    others = {name: (*one.shape[:axis], *one.shape[axis + 1 :]) for name, one in arrays.items()}
    differing = [name for name in order if others[name] != others[order[0]]]
    if differing:
        raise InputError(
            f"inputs {order[0]!r} and {differing[0]!r} have shapes {parts[order[0]].shape} and "
            f"{parts[differing[0]].shape}; they may differ in channels alone"
        )
    widths = {name: one.shape[axis] for name, one in arrays.items()}
    return Examples(np.concatenate(list(arrays.values()), axis=axis), examples.targets), widths
