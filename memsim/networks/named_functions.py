"""Functions that an entry of a study names: one of memsim's, or one of the user's in a file."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from torch import Tensor

from memsim.errors import InputError
from memsim.own_code import blamed, load_object, names_code


def check_function(entry: str, name: Any, known: Collection[str]) -> str:
    """The full name of a function.

    Args:
        entry: of the study, for messages.
        name: one of those known, or `FILE.py:FUNCTION`.
        known: names of memsim's own.

    Raises:
        InputError: an unknown name, or code that cannot be used.
    """
    if names_code(name):
        return load_object(name, entry)[0]
    if name not in known:
        raise InputError(
            f"{entry} = {name!r} is unknown; known: {', '.join(known)}; or name one of yours: FILE.py:FUNCTION"
        )
    return str(name)


def own_function(
    entry: str, name: str, arguments: tuple[Any, ...], wanted: tuple[str, tuple[int, ...]]
) -> Tensor:
    """What a function of the user's gives.

    Args:
        entry: of the study, for messages.
        name: of the function, `FILE.py:FUNCTION`.
        arguments: for it.
        wanted: axes of what it must give in words, and their lengths.

    Raises:
        InputError: it fails, or gives anything else.
    """
    function: Callable[..., Any] = load_object(name, entry)[1]
    with blamed(f"{entry} {name!r} failed"):
        found = function(*arguments)
    axes, shape = wanted
    if not isinstance(found, Tensor) or found.shape != shape:
        given = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise InputError(f"{entry} {name!r} gives {given}; it must give [{axes}], {shape}")
    return found
