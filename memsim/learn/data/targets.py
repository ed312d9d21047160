"""What a network is to learn: classes, numbers, or a number at each time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.learn.data.inputs import LARGEST, averaged
from memsim.learn.data.raw import Array
from memsim.learn.data.table import Kind

SHOWN = 8
"""Classes that are named in a note."""


@dataclass(frozen=True)
class Targets:
    """Targets of examples to train on and to test on.

    Attributes:
        train, test: [n] of classes, [n, k] of numbers, [n, slots, k] of numbers at each time.
        outputs: neurons of the last layer: classes, or numbers of one example.
        names: of the classes in order.
        mean, unit: [k], of numbers, float64: the network learns (number - mean) / unit.
        notes: what was done.
    """

    train: Tensor
    test: Tensor
    outputs: int
    names: tuple[str, ...] = ()
    mean: Tensor | None = None
    unit: Tensor | None = None
    notes: tuple[str, ...] = ()


def kind_of(targets: Array, wanted: Kind | None) -> Kind:
    """Whether targets are classes or numbers.

    Raises:
        InputError: targets that cannot be what is asked for, or could be both.
    """
    if targets.dtype.kind not in "biufUS":
        raise InputError(f"labels are of type {targets.dtype}; allowed: whole numbers, numbers or texts")
    if targets.dtype.kind == "f" and not np.isfinite(targets).all():
        where = np.argwhere(~np.isfinite(targets))
        raise InputError(
            f"labels are not finite at {len(where)} place(s), the first at {where[0].tolist()}; remove these examples"
        )
    text = targets.dtype.kind in "US"
    if not text and targets.size and max(float(targets.max()), -float(targets.min())) > LARGEST:
        raise InputError(f"labels reach beyond {LARGEST:g}; give them in other units")
    if wanted == "numbers" and text:
        raise InputError(f"labels are texts such as {str(targets.flat[0])!r}, and targets = 'numbers'")
    if wanted == "numbers":
        return wanted
    whole = text or targets.dtype.kind != "f" or bool((targets == np.round(targets)).all())
    if wanted == "classes" and (not whole or targets.ndim != 1):
        what = f"have shape {targets.shape}" if whole else "are not whole"
        raise InputError(
            f"labels {what}, and targets = 'classes'; give a whole number or a text for each of n examples"
        )
    if wanted is not None:
        return wanted
    if whole and targets.ndim > 1:
        raise InputError(
            f"labels are whole numbers of shape {targets.shape}; give classes as [n], one-hot ones by argmax, "
            "or say targets = 'numbers'"
        )
    if whole and not text and 2 * len(np.unique(targets)) > len(targets) > 4:
        raise InputError(
            f"labels are {len(np.unique(targets))} different whole numbers in {len(targets)} examples; "
            "say targets = 'classes' or 'numbers'"
        )
    return "classes" if whole else "numbers"


def prepare_targets(train: Array, test: Array, kind: Kind, slots: int | None) -> Targets:
    """Targets for training.

    Args:
        train: of examples to train on, as they were found.
        test: of those to test on.
        kind: classes or numbers.
        slots: of a series that they belong to; None of other inputs.

    Raises:
        InputError: one class only, a class that is missing from training, shapes that differ, or constant numbers.
    """
    return _classes(train, test) if kind == "classes" else _numbers(train, test, slots)


def _classes(train: Array, test: Array) -> Targets:
    train, test = (
        np.char.decode(part, "latin-1") if part.dtype.kind == "S" else part for part in (train, test)
    )
    if train.ndim != 1 or test.ndim != 1 or (train.dtype.kind in "US") != (test.dtype.kind in "US"):
        raise InputError(
            f"classes are {train.dtype} of shape {train.shape} in training, and {test.dtype} of shape {test.shape} in "
            "test; allowed: [n], texts or whole numbers in both"
        )
    known = np.unique(train)
    unseen = sorted(set(np.unique(test).tolist()) - set(known.tolist()))
    if unseen:
        raise InputError(
            f"class {unseen[0]!r} of the test data is missing from training; add examples of it, or remove it"
        )
    if len(known) < 2:
        raise InputError(f"there is one class only, {known[0].item()!r}; give examples of at least two")
    numbers = [torch.from_numpy(np.searchsorted(known, part)).long() for part in (train, test)]
    names = tuple(str(int(name)) if known.dtype.kind == "f" else str(name) for name in known)
    listed = ", ".join(f"{k} = {name}" for k, name in enumerate(names[:SHOWN]))
    listed += f" and so on to {len(names) - 1} = {names[-1]}" if len(names) > SHOWN else ""
    plain = names == tuple(map(str, range(len(names))))
    notes = () if plain else (f"classes in sorted order: {listed}", *_alike(names))
    return Targets(numbers[0], numbers[1], len(names), names, notes=notes)


def _alike(names: tuple[str, ...]) -> list[str]:
    """What to say of names that may mean one class."""
    found: dict[str, str] = {}
    for name in names:
        other = found.setdefault(name.strip().casefold(), name)
        if other != name:
            return [f"warning: classes {other!r} and {name!r} differ in letter case or spaces only"]
    return []


def _numbers(train: Array, test: Array, slots: int | None) -> Targets:
    parts = [part[:, None] if part.ndim == 1 else part for part in (train, test)]
    steps = parts[0].ndim == 3
    if parts[0].ndim > 3 or parts[0].shape[2 if steps else 1 :] != parts[1].shape[2 if steps else 1 :]:
        raise InputError(
            f"numbers have shape {train.shape} in training and {test.shape} in test; allowed: [n], [n, k], or with "
            "series [n, time, k], the same k in both"
        )
    if steps and slots is None:
        raise InputError(
            f"numbers have shape {train.shape}, one at each time, and inputs are no series; allowed: [n] or [n, k]"
        )
    if slots is not None and steps:
        parts = [averaged(part.astype(np.float64), slots) for part in parts]
    others = tuple(range(parts[0].ndim - 1))
    exact = parts[0].astype(np.float64)
    mean, unit, still = exact.mean(axis=others), exact.std(axis=others), np.ptp(exact, axis=others) == 0
    if still.any():
        raise InputError(
            f"number {int(np.argmax(still))} to predict is the same in all training data; leave it out"
        )
    scaled = [torch.from_numpy(((part - mean) / unit).astype(np.float32)) for part in parts]
    note = (
        f"{len(mean)} number(s) to predict{f' in each of {slots} slots' if steps else ''}, "
        f"learned as (number - mean) / unit: mean {_listed(mean)}, unit {_listed(unit)}"
    )
    tensors = [torch.from_numpy(end) for end in (mean, unit)]
    return Targets(scaled[0], scaled[1], len(mean), (), tensors[0], tensors[1], (note,))


def _listed(values: Array) -> str:
    shown = ", ".join(f"{value:.4g}" for value in values[:SHOWN])
    return f"{shown}, ..." if len(values) > SHOWN else shown
