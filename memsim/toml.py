"""TOML files as checked tables: what cannot be used is named with its value and what is allowed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from memsim.errors import InputError
from memsim.text import meant, read_text

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from pydantic import BaseModel

Model = TypeVar("Model", bound="BaseModel")
DEEPEST = 100
"""Tables and lists within each other that are followed."""


def read_toml(path: str | Path, what: str) -> dict[str, Any]:
    """Content of a TOML file.

    Args:
        path: of the file.
        what: it is, for messages: `study`, `hardware card`.

    Raises:
        InputError: no such file, not UTF-8, or not TOML.
    """
    name = f"{what} {str(path)!r}"
    return parse_toml(read_text(path, name, "a TOML file"), name)


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """Content of a TOML text; `name` says in messages what it is.

    Raises:
        InputError: it is not TOML, or nested too deep.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name} cannot be read, it is not valid TOML: {error}") from None
    except ValueError:
        raise InputError(f"{name} cannot be read, it has a whole number of more than 64 bits") from None
    except RecursionError:
        raise InputError(f"{name} cannot be read, its tables are nested too deep") from None
    _check_values(content, name)
    return content


def _check_values(content: dict[str, Any], name: str) -> None:
    """Whole numbers of TOML have 64 bits; Python reads longer ones, and fails where it writes or converts them."""
    waiting: list[tuple[int, str, Any]] = [(1, *one) for one in content.items()]
    while waiting:
        depth, place, value = waiting.pop()
        if depth > DEEPEST:
            raise InputError(
                f"{name} cannot be read, its tables are nested too deep; allowed: {DEEPEST} levels"
            )
        if isinstance(value, dict):
            waiting += [(depth + 1, f"{place}.{key}", one) for key, one in value.items()]
        elif isinstance(value, list):
            waiting += [(depth + 1, place, one) for one in value]
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise InputError(f"{name}: {place} is a whole number of more than 64 bits; give a smaller one")


def shipped_names(folder: Traversable) -> list[str]:
    """Names of the TOML files that ship with memsim in a folder."""
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def read_shipped(name: str | Path, folder: Traversable, what: str) -> tuple[str, dict[str, Any]]:
    """Name and content of a TOML file that ships with memsim, or of another by its path, which ends in `.toml`.

    Raises:
        InputError: no such file, or one that cannot be read.
    """
    name = str(name)
    if name.endswith(".toml"):
        return Path(name).stem, read_toml(name, what)
    known = shipped_names(folder)
    if name not in known:
        raise InputError(
            f"unknown {what.removesuffix(' card')} {name!r}; known: {', '.join(known)}; "
            f"or give the path of a .toml file{meant(name, known)}"
        )
    text = (folder / f"{name}.toml").read_text(encoding="utf-8")
    return name, parse_toml(text, f"{what} {name!r}")


def checked(
    model: type[Model], content: Mapping[str, object], name: str, *, strict: bool | None = None
) -> Model:
    """A table as a model; `name` says in messages what it is, `strict` is pydantic's.

    Raises:
        InputError: names each entry that cannot be used, with its value and what is allowed.
    """
    from pydantic import ValidationError

    from memsim.validation import problems

    try:
        return model.model_validate(content, strict=strict)
    except ValidationError as error:
        wrong = problems(error, model, content, name)
        raise InputError("\n  ".join([f"{name} cannot be used:", *wrong])) from None
