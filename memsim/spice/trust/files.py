"""A stranger's deck and the files it includes, read once and kept: what is checked is what ngspice gets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from memsim.errors import UntrustedDeckError
from memsim.spice.lines import DEEPEST, Line, encoded, logical_lines, read_included, split_lines

MOST_FILES = 1000
MOST_EXPANSIONS = 10_000
"""Times that files are included, each counted as often as ngspice would read it."""
MOST_REPEATED = 2_000_000
"""Bytes that ngspice would read more than once."""
_MEANT = re.compile(r"[^ -~]|[`$;|<>!~{}\\]")
_NAME = re.compile(r"(?:\"([\w./ +-]+)\"|'([\w./ +-]+)'|([\w./+-]+))(?: (\w+))?", re.ASCII)


@dataclass(eq=False)
class SourceFile:
    """One file of a deck.

    Attributes:
        name: under which ngspice finds it.
        source: how messages call it.
        text: its content.
        lines: logical lines without the title.
        included: file that the line of a number includes.
    """

    name: str
    source: str
    text: str
    lines: list[Line]
    included: dict[int, SourceFile] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """Physical lines."""
        return self.text.count("\n") + 1

    def expanded(self) -> Iterator[Line]:
        """The lines with the content of `.include` files in place."""
        for line in self.lines:
            if line.number in self.included and line.text.startswith(".inc"):
                yield from self.included[line.number].expanded()
            else:
                yield line


def refusal(source: str, number: int, line: str, reason: str) -> UntrustedDeckError:
    """The error that names a line and why it is refused."""
    shown = line.strip()[:120].encode("ascii", "backslashreplace").decode()
    return UntrustedDeckError(
        f"{source}, line {number}: {reason}: `{shown}`. "
        "If you know where this deck comes from, run it with `--trust` (in Python `trust=True`)."
    )


def gather(text: str, folder: Path, name: str) -> list[SourceFile]:
    """The deck, first, and all files in its folder that it includes, each once.

    Raises:
        UntrustedDeckError: an include that leaves the folder, or more of them than allowed.
        NetlistError: an included file does not exist or cannot be read.
    """
    gathering = _Gathering(folder.resolve())
    deck = SourceFile(name, "deck", text, logical_lines(text))
    gathering.follow(deck, folder, ())
    files = [deck, *gathering.files.values()]
    _check_size(files)
    return files


class _Gathering:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[Path, SourceFile] = {}

    def follow(self, file: SourceFile, folder: Path, above: tuple[Path, ...]) -> None:
        """Read what the lines of a file include, and what those files include in turn."""
        if len(above) > DEEPEST:
            raise refusal(file.source, 1, "", "includes are nested too deep")
        for line in file.lines:
            if not line.control and line.text.startswith((".inc", ".lib")):
                path = self._path(line, folder)
                if path is not None:
                    file.included[line.number] = self._file(path, line, above)

    def _file(self, path: Path, line: Line, above: tuple[Path, ...]) -> SourceFile:
        if path in above and line.text.startswith(".inc"):
            raise refusal(
                line.source, line.number, line.own, "includes are nested too deep, a file includes itself"
            )
        if path not in self.files:
            if len(self.files) >= MOST_FILES:
                raise refusal(line.source, line.number, line.own, f"more than {MOST_FILES} included files")
            text = read_included(path, line)
            name = f"include{len(self.files) + 1}_{re.sub(r'[^a-z0-9._-]', '_', path.name.lower())[-60:]}"
            lines = logical_lines(text, path.name, title=False)
            self.files[path] = SourceFile(name, path.name, text, lines)
            self.follow(self.files[path], path.parent, (*above, path))
        return self.files[path]

    def _path(self, line: Line, folder: Path) -> Path | None:
        """The file that a line names; None where a `.lib` begins a section."""
        keyword, _, rest = line.own.partition(" ")
        found = _NAME.fullmatch(rest)
        if keyword.lower() not in (".inc", ".include", ".lib") or found is None:
            raise refusal(
                line.source, line.number, line.own, "an include whose file name has special characters"
            )
        if keyword.lower() == ".lib" and not found[4]:
            if re.fullmatch(r"\w+", rest, re.ASCII):
                return None
            raise refusal(line.source, line.number, line.own, "a library file without a section")
        if keyword.lower() != ".lib" and found[4]:
            raise refusal(line.source, line.number, line.own, "an include of two words")
        return self._inside(Path(found[1] or found[2] or found[3]), line, folder)

    def _inside(self, name: Path, line: Line, folder: Path) -> Path:
        if name.is_absolute() or ".." in name.parts:
            raise refusal(line.source, line.number, line.own, "an include outside the deck's folder")
        path = folder / name
        # A link could point outside, and ngspice looks for nested includes beside the link, not its target.
        resolved = path.resolve()
        if resolved != Path(os.path.normpath(path.absolute())) or not resolved.is_relative_to(self.root):
            raise refusal(line.source, line.number, line.own, "an include through a symbolic link")
        return resolved


def _check_size(files: list[SourceFile]) -> None:
    expansions, size = _expanded_size(files[0], {})
    repeated = size - sum(len(file.text) for file in files)
    if expansions > MOST_EXPANSIONS or repeated > MOST_REPEATED:
        reason = (
            f"includes expand to {expansions} files, with {repeated} bytes more than once; "
            f"allowed are {MOST_EXPANSIONS} and {MOST_REPEATED}"
        )
        raise refusal(files[0].source, 1, split_lines(files[0].text)[0], reason)


def _expanded_size(file: SourceFile, known: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """How many files, and how many bytes, ngspice reads at an `.include` of this one; it reads a library only once."""
    if file.name not in known:
        below = [
            _expanded_size(file.included[line.number], known)
            for line in file.lines
            if line.number in file.included and line.text.startswith(".inc")
        ]
        count = 1 + sum(count for count, _ in below)
        known[file.name] = (count, len(file.text) + sum(size for _, size in below))
    return known[file.name]


def written(file: SourceFile, lines: Mapping[int, str], title: str) -> bytes:
    """The file as ngspice gets it: each accepted line in its place, comments and blank lines as `*`."""
    physical = ["*"] * file.length
    for number, text in lines.items():
        physical[number - 1] = text
    if title:
        physical[0] = title
    return encoded("\n".join([*physical, ""]))


def title_of(text: str) -> str:
    """First line of a deck as a comment without characters that mean something anywhere in ngspice."""
    line = split_lines(text)[0].strip(" \t*")
    return f"* {_MEANT.sub('?', line)[:200]}"
