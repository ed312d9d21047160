"""Functions that leave generated equations on a tape, under the names by which generated torch code calls them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from memsim.surrogate.fused.operations import OPERATIONS
from memsim.surrogate.fused.tape import apply, power

_NAMES = {"max": "max", "min": "min", "logical_and": "and", "logical_or": "or", "logical_not": "not"}


def _clip(z: Any, limit: Any) -> Any:
    return apply("max", apply("min", z, limit), -limit)


def _ramp(z: Any) -> Any:
    return (z + apply("abs", z)) * 0.5


def _step(z: Any) -> Any:
    return (apply("sign", z) + 1.0) * 0.5


TAPE_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: partial(apply, name) for name in OPERATIONS if name.isidentifier()},
    **{name: partial(apply, operation) for name, operation in _NAMES.items()},
    "clip": _clip,
    "power": power,
    "ramp": _ramp,
    "step": _step,
    "pow": power,
}
