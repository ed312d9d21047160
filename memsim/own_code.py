"""Objects of Python files that a study names: `my_policies.py:Tiring`.

A file runs its code, so that it is read only with trust, once in a process. Names that a run keeps are absolute and
carry a digest of the file behind an `@`: a file that has changed since is noticed before it runs.
"""

from __future__ import annotations

import hashlib
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from memsim.errors import CheckpointError, InputError, MemsimError
from memsim.files import write_text
from memsim.text import read_text

PIN = 16
"""Hexadecimal digits of a digest that stand in a name."""
_NAME = re.compile(r"(?P<file>.+?\.py):(?P<item>\w+)(?:@(?P<pin>[0-9a-f]+))?")
_RUN: dict[str, ModuleType] = {}
"""Files that have run, by path and digest."""
_KEPT: dict[str, str] = {}
"""Text of a file of its own that holds the same object, by full name."""


def names_code(entry: object) -> bool:
    """Whether an entry of a study is the name of an object in a Python file."""
    return isinstance(entry, str) and _NAME.fullmatch(entry) is not None


def load_object(
    name: str,
    what: str = "object",
    *,
    trust: bool = False,
    folder: Path | None = None,
    offers: Callable[[ModuleType], Iterable[str]] | None = None,
) -> tuple[str, Any]:
    """Full name and object of `FILE.py:NAME`.

    Args:
        name: of the object; relative paths start in `folder`.
        what: it is to be, for messages.
        trust: run the code of the file, which it needs once in a process, and again when it has changed.
        folder: where relative paths start, and where a file is looked for by its name alone if it is no longer at its
            absolute path; the current folder where left out.
        offers: names in a file that could have been meant; its own classes and functions where left out.

    Raises:
        InputError: no such file or object, no trust, or code that fails.
        CheckpointError: a file that is not what it was when the name was kept.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise InputError(f"{what} = {name!r} is no name of an object; give FILE.py:NAME")
    path, item = located(Path(found["file"]), folder), found["item"]
    text = read_text(path, f"{what} file {str(path)!r}", f"a Python file that has {item}")
    full = pinned(path, item, text, found["pin"], what)
    module = _module(path, text, trust)
    if item not in vars(module):
        known = ", ".join((offers or _own)(module)) or "nothing of that kind"
        raise InputError(f"{path} has no {item!r}; it has: {known}")
    keep(full, text)
    return full, vars(module)[item]


@contextmanager
def blamed(failure: str) -> Iterator[None]:
    """Turn whatever code of the user's raises into an InputError that begins with what failed."""
    try:
        yield
    except MemsimError:
        raise
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        raise InputError(
            f"{failure}: {type(error).__name__}: {error} ({Path(at.filename).name}, line {at.lineno}); correct it"
        ) from error


def located(path: Path, folder: Path | None) -> Path:
    """Where a file is: at its path, or beside what names it."""
    at = (folder or Path.cwd()) / path.expanduser()
    beside = (folder or Path.cwd()) / path.name
    return (beside if not at.exists() and beside.exists() else at).resolve()


def pinned(path: Path, item: str, text: str, pin: str | None, what: str) -> str:
    """The full name of an object in a file of that text.

    Raises:
        CheckpointError: the digest in its name is of another text.
    """
    now = digest(text)
    if pin and pin != now:
        raise CheckpointError(
            f"{path} has changed since {what} {item!r} was taken from it; put it back as it was "
            "(a run keeps a copy in its folder), or train anew"
        )
    return f"{path}:{item}@{now}"


def digest(text: str) -> str:
    """The hexadecimal digits of a text that stand in names."""
    return hashlib.sha256(text.encode()).hexdigest()[:PIN]


def keep(name: str, text: str) -> None:
    """Remember the text of a file that holds the object of a full name."""
    _KEPT[name] = text


def keep_files(names: Iterable[str], folder: Path) -> None:
    """Write the files that full names tell of into a folder, where they are found if they go elsewhere.

    Raises:
        InputError: two different files of one name.
    """
    texts: dict[str, tuple[Path, str]] = {}
    for name in names:
        if name not in _KEPT:
            continue
        path, text = Path(name.rpartition(":")[0]), _KEPT[name]
        other, known = texts.setdefault(path.name, (path, text))
        if known != text:
            raise InputError(
                f"{path} and {other} have the same name, and a run keeps a copy of both; rename one"
            )
        if path.parent != folder.resolve():
            write_text(folder / path.name, text)


def _module(path: Path, text: str, trust: bool) -> ModuleType:
    """What a file defines."""
    key = f"{path}@{digest(text)}"
    if key in _RUN:
        return _RUN[key]
    if not trust:
        raise InputError(
            f"{path} is code that would run; if you know where it comes from, let it with `--trust` (in Python "
            "`load_study(..., trust=True)`, or `memsim.own_code.load_object(..., trust=True)` before)"
        )
    module = ModuleType(f"{path.stem}_{digest(text)}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where dataclasses look for the names in annotations
    try:
        exec(compile(text, str(path), "exec"), module.__dict__)  # noqa: S102 - the user said so
    except Exception as error:
        at = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
        ]
        line = at[-1] if at else getattr(error, "lineno", None)
        raise InputError(
            f"{path} cannot be run: {type(error).__name__}: {error}" + (f" (line {line})" if line else "")
        ) from error
    return _RUN.setdefault(key, module)


def _own(module: ModuleType) -> list[str]:
    """Classes and functions that a file itself defines."""
    return [
        name
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    ]
