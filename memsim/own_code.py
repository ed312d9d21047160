"""Objects of Python files that a study names: `my_policies.py:Tiring`.

A file runs its code, so that it is read only with trust, once in a process. While it runs, it may import files beside
it. Names that a run keeps are absolute and carry a digest of the file behind an `@`: a file that has changed since is
noticed before it runs. Behind a `+` follows a digest of the files beside it that it imports, if it does.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from memsim.errors import CheckpointError, InputError, MemsimError
from memsim.files import ensure_folder, write_text
from memsim.text import read_text

PIN = 16
"""Hexadecimal digits of a digest that stand in a name."""
_NAME = re.compile(r"(?P<file>.+?\.py):(?P<item>\w+)(?:@(?P<pin>[0-9a-f]+)(?:\+(?P<beside>[0-9a-f]+))?)?")


@dataclass(frozen=True)
class _Ran:
    """What a file defines, and the texts of those beside it that it imported, by path relative to its folder."""

    module: ModuleType
    beside: dict[str, str] = field(default_factory=dict)

    def unchanged_in(self, folder: Path) -> bool:
        """Whether the files beside it still are what they were."""
        return all(_text_of(folder / name) == text for name, text in self.beside.items())


_RUN: dict[str, _Ran] = {}
"""Files that have run, by path and digest."""
_KEPT: dict[str, dict[str, str]] = {}
"""Texts of the files that hold the object of a full name, by path relative to the folder of the file that it names."""


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
    ran = _module(path, text, trust)
    if item not in vars(ran.module):
        known = ", ".join((offers or _own)(ran.module)) or "nothing of that kind"
        raise InputError(f"{path} has no {item!r}; it has: {known}")
    full += _pin_of(ran, found["beside"], f"{what} {item!r} was taken from {path}")
    keep(full, text, ran.beside)
    return full, vars(ran.module)[item]


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


def _pin_of(ran: _Ran, pin: str | None, since: str) -> str:
    """What stands in a full name for the files that a file imports from beside it."""
    now = (
        digest("".join(f"{name}\n{text}\n" for name, text in sorted(ran.beside.items())))
        if ran.beside
        else None
    )
    if pin and pin != now:
        raise CheckpointError(
            f"what it imports from beside it, {', '.join(sorted(ran.beside)) or 'nothing now'}, has changed since "
            f"{since}; put it back as it was (a run keeps a copy in its folder), or train anew"
        )
    return f"+{now}" if now else ""


def digest(text: str) -> str:
    """The hexadecimal digits of a text that stand in names."""
    return hashlib.sha256(text.encode()).hexdigest()[:PIN]


def keep(name: str, text: str, beside: Mapping[str, str] | None = None) -> None:
    """Remember the text of a file that holds the object of a full name, and those of files beside it that it needs."""
    _KEPT[name] = {Path(name.rpartition(":")[0]).name: text, **(beside or {})}


def keep_as(name: str, known: str) -> None:
    """Remember under another full name what is kept under one."""
    _KEPT[name] = _KEPT[known]


def keep_files(names: Iterable[str], folder: Path) -> None:
    """Write the files that full names tell of into a folder, where they are found if they go elsewhere.

    Raises:
        InputError: two different files of one name.
    """
    texts: dict[str, tuple[Path, str]] = {}
    for name in names:
        home = Path(name.rpartition(":")[0]).parent
        for file, text in _KEPT.get(name, {}).items():
            other, known = texts.setdefault(file, (home / file, text))
            if known != text:
                raise InputError(
                    f"{home / file} and {other} have the same name, and a run keeps a copy of both; rename one"
                )
            if home != folder.resolve():
                ensure_folder((folder / file).parent)
                write_text(folder / file, text)


def _module(path: Path, text: str, trust: bool) -> _Ran:
    """What a file defines."""
    key = f"{path}@{digest(text)}"
    if key in _RUN and _RUN[key].unchanged_in(path.parent):
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
        with _importing_from(path.parent) as beside:
            exec(compile(text, str(path), "exec"), module.__dict__)  # noqa: S102 - the user said so
    except Exception as error:
        at = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
        ]
        line = at[-1] if at else getattr(error, "lineno", None)
        raise InputError(
            f"{path} cannot be run: {type(error).__name__}: {error}" + (f" (line {line})" if line else "")
        ) from error
    _RUN[key] = _Ran(module, beside)
    return _RUN[key]


@contextmanager
def _importing_from(folder: Path) -> Iterator[dict[str, str]]:
    """Let files of a folder be imported, and forget them after, so that those of another folder can have their names.

    Gives their texts, by path relative to the folder, once it is left.
    """
    before, wrote, texts = dict(sys.modules), sys.dont_write_bytecode, dict[str, str]()
    importlib.invalidate_caches()
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True  # which would hide a change within a second
    try:
        yield texts
    finally:
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = wrote
        tops = {name.partition(".")[0] for name in before}
        new = {name: module for name, module in sys.modules.items() if name.partition(".")[0] not in tops}
        for name, file in ((name, _file_of(module)) for name, module in new.items()):
            if not file.is_relative_to(folder) or "site-packages" in file.parts:
                continue
            del sys.modules[name]
            if file.suffix == ".py":
                texts[file.relative_to(folder).as_posix()] = _text_of(file) or ""


def _file_of(module: ModuleType) -> Path:
    """Of a module, or the folder of a package without a file."""
    spec = getattr(module, "__spec__", None)
    folders = list(getattr(spec, "submodule_search_locations", None) or ())
    return Path(getattr(module, "__file__", None) or (folders or ["/"])[0])


def _text_of(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return None


def _own(module: ModuleType) -> list[str]:
    """Classes and functions that a file itself defines."""
    return [
        name
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    ]
