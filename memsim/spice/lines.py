"""Deck text as lines: comments away, continuations joined, includes followed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from memsim.errors import NetlistError

INCLUDE = re.compile(r"^\s*\.(?:inc\w*|lib)\s+(?P<path>\"[^\"]*\"|'[^']*'|\S+)(?P<rest>.*)$", re.IGNORECASE)
COMPILED = re.compile(r"\s*pre_osdi\s+(?P<path>\S+)\s*", re.IGNORECASE)
DEEPEST = 20


@dataclass(frozen=True)
class Line:
    """One logical line of a deck.

    Attributes:
        text: the line in lower case without comments, continuations joined by a space.
        number: line number in its file, from 1.
        source: name of the file, `deck` for the deck itself.
        control: whether it stands between `.control` and `.endc`.
    """

    text: str
    number: int
    source: str
    control: bool

    @property
    def place(self) -> str:
        """Where the line is, for messages."""
        return f"{self.source}, line {self.number}: `{self.text[:120]}`"

    @property
    def words(self) -> list[str]:
        """The line split at white space, `=`, and commas; an assignment keeps no spaces around its `=`."""
        return re.sub(r"\s*=\s*", "=", self.text).split()


def split_lines(text: str) -> list[str]:
    """Physical lines as ngspice sees them: only line feeds end a line."""
    return [line.rstrip("\r") for line in text.split("\n")]


def read_deck(path: Path) -> str:
    """Text of a deck file, its line ends untouched: what ngspice takes for one line must stay one line."""
    return path.read_bytes().decode("utf-8", errors="replace")


def logical_lines(text: str, source: str = "deck") -> list[Line]:
    """Logical lines of a deck or include file without comments; a `.lib` section counts as plain lines."""
    lines: list[Line] = []
    control = False
    for number, physical in enumerate(split_lines(text), start=1):
        content = strip_comment(physical, control)
        if not content:
            continue
        if content.startswith("+") and lines:
            last = lines[-1]
            lines[-1] = Line(f"{last.text} {content[1:].strip()}", last.number, source, last.control)
            continue
        control = control or content.startswith(".control")
        lines.append(Line(content, number, source, control))
        control = control and not content.startswith(".endc")
    return lines


def strip_comment(physical: str, control: bool) -> str:
    """The line in lower case without its comment; a `$` in a control block begins a variable instead."""
    content = physical.strip().lower()
    if content.startswith("*"):
        return ""
    marks = r";|//" if control else r";|//|(?:^|(?<=[\s,]))\$(?=\s|$)"
    return re.split(marks, content, maxsplit=1)[0].strip()


def include_path(line: str) -> str | None:
    """The file that an `.include` or two-word `.lib` line names, in its own case; None for other lines."""
    found = INCLUDE.match(line)
    if found is None:
        return None
    is_section = line.strip().lower().startswith(".lib") and not found["rest"].strip()
    return None if is_section else found["path"].strip("\"'")


def expand(text: str, folder: Path, source: str = "deck", depth: int = 0) -> list[Line]:
    """Logical lines with the content of `.include` files in place; libraries are only checked to exist.

    Raises:
        NetlistError: an included file does not exist, cannot be read, or includes itself.
    """
    if depth > DEEPEST:
        raise NetlistError(
            f"{source}: includes are nested more than {DEEPEST} deep; does a file include itself?"
        )
    physical = split_lines(text)
    lines: list[Line] = []
    for line in logical_lines(text, source):
        name = include_path(physical[line.number - 1])
        if name is None:
            lines.append(line)
            continue
        path = folder / Path(name).expanduser()
        content = _read(path, line)
        if line.text.startswith(".inc"):
            lines += expand(content, path.parent, path.name, depth + 1)
    return lines


def _read(path: Path, line: Line) -> str:
    if not path.is_file():
        raise NetlistError(f"{line.place}: the file {path} does not exist")
    try:
        return read_deck(path)
    except OSError as cause:
        raise NetlistError(f"{line.place}: the file {path} cannot be read ({cause.strerror})") from cause


def absolute_includes(text: str, folder: Path) -> str:
    """The deck with relative paths of includes and compiled models made absolute, so that it runs from any folder."""
    return "\n".join(_absolute(line, folder) for line in split_lines(text))


def _absolute(line: str, folder: Path) -> str:
    compiled = COMPILED.fullmatch(line)
    if compiled is not None:  # ngspice takes no quotes here, and so no blanks
        return f"pre_osdi {(folder / Path(compiled['path']).expanduser()).absolute()}"
    name = include_path(line)
    found = INCLUDE.match(line)
    if name is None or found is None:
        return line
    path = (folder / Path(name).expanduser()).absolute()
    return f'{line.split(maxsplit=1)[0]} "{path}"{found["rest"]}'
