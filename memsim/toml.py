"""TOML files as checked tables: what cannot be used is named with its value and what is allowed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from memsim.errors import InputError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from pydantic import BaseModel

Model = TypeVar("Model", bound="BaseModel")

_LONGEST = 200
_MOST = 20


def read_toml(path: str | Path, what: str) -> dict[str, Any]:
    """Content of a TOML file.

    Args:
        path: of the file.
        what: it is, for messages: `study`, `hardware card`.

    Raises:
        InputError: no such file, not UTF-8, or not TOML.
    """
    name = f"{what} {str(path)!r}"
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{name} does not exist; give the path of a TOML file") from None
    except (OSError, ValueError) as error:  # a path with a null byte, or bytes that are no UTF-8
        raise InputError(f"{name} cannot be read: {error}; give the path of a TOML file in UTF-8") from None
    return parse_toml(text, name)


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """Content of a TOML text; `name` says in messages what it is.

    Raises:
        InputError: it is not TOML, or nested too deep.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name} cannot be read, it is not valid TOML: {error}") from None
    except RecursionError:
        raise InputError(f"{name} cannot be read, its tables are nested too deep") from None


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
    if name not in shipped_names(folder):
        raise InputError(
            f"unknown {what.removesuffix(' card')} {name!r}; known: {', '.join(shipped_names(folder))}; "
            "or give the path of a .toml file"
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

    try:
        return model.model_validate(content, strict=strict)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, item['loc'])) or name}{_given(item['input'])}: {item['msg']}"
            for item in error.errors()
        ]
        more = [f"and {len(problems) - _MOST} more"] if len(problems) > _MOST else []
        raise InputError("\n  ".join([f"{name} cannot be used:", *problems[:_MOST], *more])) from None


def _given(value: object) -> str:
    """The value of an entry; that of a whole table would only hide the message."""
    return "" if isinstance(value, Mapping) else f" = {repr(value)[:_LONGEST]}"
