"""Which examples are for training and which for testing, so that no example is in both."""

from __future__ import annotations

import hashlib

import numpy as np

from memsim.errors import InputError
from memsim.learn.data.raw import Array, Examples, Values

LEAK = 0.01
"""Share of the test examples that may be found in training, and is only told."""


def divide(examples: Examples, share: float, seed: int, *, stratified: bool) -> tuple[Examples, Examples]:
    """A part to train on and the share to test on, the same at each call.

    Args:
        examples: all there are; those with the same input stay together.
        share: to test on.
        seed: of the draw.
        stratified: whether each class has that share.

    Raises:
        InputError: too few examples.
    """
    groups = _groups(examples.inputs)
    labels = examples.targets if stratified else np.zeros(len(examples))
    random = np.random.default_rng(seed)
    chosen: list[int] = []
    for label in np.unique(labels):
        # a group counts where its first example does
        own = np.array([group[0] for group in groups if labels[group[0]] == label])
        count = max(1, round(share * len(own)))
        if len(own) < 2 or count == len(own):
            what = f"class {label.item()!r} has" if stratified else "there are"
            raise InputError(
                f"{what} {_counted(len(own), int((labels == label).sum()))}, too few for training and for a share of "
                f"{share:g} to test on; give more, or a split of your own"
            )
        chosen += random.permutation(own)[:count].tolist()
    first = set(chosen)
    test = np.array(sorted(k for group in groups if group[0] in first for k in group))
    rest = np.setdiff1d(np.arange(len(examples)), test)
    return examples.part(rest), examples.part(test)


def check_leak(train: Values, test: Values, *, allowed: bool) -> tuple[str, ...]:
    """What to say of test examples that are also examples to train on.

    Raises:
        InputError: one in a hundred is, and that is not allowed.
    """
    known = {_key(one) for one in train}
    where = [number for number, one in enumerate(test) if _key(one) in known]
    if not where:
        return ()
    told = (
        f"{len(where)} of {len(test)} test inputs are also inputs to train on, the first is number {where[0]}"
    )
    if len(where) > LEAK * len(test) and not allowed:
        raise InputError(f"{told}; remove them, or say repeats = true where that is right")
    return (f"warning: {told}",)


def _counted(different: int, number: int) -> str:
    if different == number:
        return f"{different} different example(s)"
    equal = "all equal to each other" if different == 1 else f"of which {different} differ from each other"
    return f"{number} examples, {equal} (do files and columns hold what they should?)"


def _groups(inputs: Values) -> list[list[int]]:
    """Numbers of examples that are the same."""
    found: dict[bytes, list[int]] = {}
    for number, one in enumerate(inputs):
        found.setdefault(_key(one), []).append(number)
    return list(found.values())


def _key(example: Array) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(example).tobytes(), digest_size=16).digest()
