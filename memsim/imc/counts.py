"""Numbers that count something: whole ones, whose kind Python would not tell apart before it is too late."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

from memsim.errors import InputError


def check_count(name: str, value: object, *, least: int = 1) -> None:
    """Raise InputError for what is no integer, or below the least."""
    if not (isinstance(value, Integral) and int(value) >= least):
        raise InputError(f"{name} = {value!r} is out of range; allowed: integers from {least}")


def check_shape(shape: object) -> None:
    """Raise InputError for what is no shape of a tensor."""
    if not isinstance(shape, Sequence):
        raise InputError(f"shape = {shape!r} is none; give the lengths of all axes, as of tensor.shape")
    for axis, length in enumerate(shape):
        check_count(f"shape[{axis}]", length)
