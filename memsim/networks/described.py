"""Objects that an entry of a study describes: a kind by its name, one of the user's in a file, or a table of settings.

    threshold = "learned"
    threshold = "my_policies.py:Tiring"
    threshold = {kind = "my_policies.py:Tiring", growth = 0.05}

Settings are the arguments of the kind itself: their names, and what they may be, are read from its signature.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Annotated, Any, TypeVar, get_args, get_origin

import torch
from pydantic import AfterValidator, BeforeValidator, ValidationInfo
from torch import Tensor

from memsim.errors import InputError
from memsim.own_code import blamed, load_object, names_code

KIND = "kind"
One = TypeVar("One")
Nested = Mapping[type, Callable[[Any, str], Any]]
"""How arguments of a type are made from what a table says of them, given that and their place."""
_WORDS = {
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    str: "text",
    Tensor: "a list of numbers",
    Callable: "FILE.py:FUNCTION",
}


def _as_in_files(value: Any, info: ValidationInfo) -> Any:
    """Lists for tuples and full names for objects of files, so that what comes back from a file is the same."""
    if isinstance(value, Mapping):
        return {name: _as_in_files(one, info) for name, one in value.items()}
    if names_code(value):
        return load_object(value, str(info.field_name))[0]
    return [_as_in_files(one, info) for one in value] if isinstance(value, list | tuple) else value


def _written(value: Any) -> Any:
    if value is not None and not isinstance(value, bool | int | float | str | list | dict):
        raise ValueError(
            f"{type(value).__name__} is an object of Python, which no file holds; give a number, a name or a table, "
            "or put it into a file and give FILE.py:NAME"
        )
    return value


Entry = Annotated[Any, BeforeValidator(_as_in_files), AfterValidator(_written)]
"""An entry of a table that describes an object."""


def described(
    entry: object,
    kinds: Mapping[str, Callable[..., One]],
    wanted: type[One],
    place: str,
    *,
    offered: Mapping[str, Any] | None = None,
    nested: Nested | None = None,
) -> One:
    """The object that an entry describes.

    Args:
        entry: name of a kind, or a table with `kind` and its settings.
        kinds: by name; others are `FILE.py:NAME`: a class or function that makes such an object, or one that is copied.
        wanted: what it must be.
        place: of the entry, for messages.
        offered: arguments for kinds that take them where the table does not give them.
        nested: see `Nested`.

    Raises:
        InputError: an unknown kind, settings that it does not have or take, or an object of another kind.
    """
    settings = {KIND: entry} if isinstance(entry, str) else dict(entry) if isinstance(entry, Mapping) else {}
    name = settings.pop(KIND, None)
    known = "; or ".join(
        [*([f"known: {', '.join(kinds)}"] if kinds else []), "name one of yours: FILE.py:NAME"]
    )
    if not isinstance(name, str):
        raise InputError(f"{place} = {entry!r} has no kind; give a name, or a table with kind; {known}")
    if names_code(name):
        maker = load_object(name, place)[1]
    elif name in kinds:
        maker = kinds[name]
    else:
        raise InputError(f"{place} = {name!r} is unknown; {known}")
    if isinstance(maker, wanted) and not (isinstance(maker, type) or inspect.isroutine(maker)):
        if settings:
            raise InputError(
                f"{place} = {name!r} is an object, which takes no settings such as {next(iter(settings))!r}; name its "
                "class, or leave them out"
            )
        return deepcopy(maker)
    made = called(maker, settings, place, offered=offered, nested=nested)
    if not isinstance(made, wanted):
        raise InputError(f"{place} = {name!r} is no {wanted.__name__}, but {type(made).__name__}; {known}")
    return made


def called(
    maker: Callable[..., One],
    settings: Mapping[str, Any],
    place: str,
    *,
    offered: Mapping[str, Any] | None = None,
    nested: Nested | None = None,
) -> One:
    """What a class or function makes of settings; arguments as for `described`.

    Raises:
        InputError: settings that it does not have, lacks or cannot take.
    """
    parameters = _parameters(maker, place)
    open_ended = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    own = {
        name: one
        for name, one in parameters.items()
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    }
    unknown = [name for name in settings if name not in own and not open_ended]
    if unknown:
        raise InputError(f"{place}.{unknown[0]}: there is no such entry; known: {', '.join(own) or 'none'}")
    given = {name: value for name, value in (offered or {}).items() if name in own}
    for name, value in settings.items():
        annotation = own[name].annotation if name in own else Any
        given[name] = _argument(value, annotation, f"{place}.{name}", nested or {})
    missing = [name for name, one in own.items() if one.default is one.empty and name not in given]
    if missing:
        raise InputError(f"{place}.{missing[0]} is missing; give it")
    with blamed(f"{place} cannot be made"):
        return maker(**given)


def _parameters(maker: Callable[..., Any], place: str) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(maker, eval_str=True).parameters
    except NameError:  # annotations that only a type checker knows
        return inspect.signature(maker).parameters
    except TypeError:
        raise InputError(
            f"{place} is {type(maker).__name__}, which makes nothing; name a class or a function"
        ) from None


def _argument(value: Any, annotation: Any, place: str, nested: Nested) -> Any:
    """A value of a table as an argument of that annotation."""
    kinds = {get_origin(kind) or kind for kind in get_args(annotation) or (annotation,)}
    for kind, make in nested.items():
        if kind in kinds:
            return make(value, place)
    if names_code(value):
        return load_object(value, place)[1]
    allowed = [word for kind, word in _WORDS.items() if kind in kinds]
    if allowed and not _fits(value, kinds):
        raise InputError(f"{place} = {value!r} cannot be used; give {' or '.join(allowed)}")
    return _tensor(value, place) if isinstance(value, list | tuple) and Tensor in kinds else value


def _fits(value: Any, kinds: set[Any]) -> bool:
    if isinstance(value, bool | str):
        return type(value) in kinds
    if isinstance(value, int):
        return bool({int, float, Tensor} & kinds)
    return bool({float, Tensor} & kinds) if isinstance(value, float) else Tensor in kinds


def _tensor(value: Any, place: str) -> Tensor:
    try:
        return torch.tensor(value, dtype=torch.get_default_dtype())
    except (TypeError, ValueError):
        raise InputError(f"{place} = {value!r} cannot be used; give a list of numbers") from None
