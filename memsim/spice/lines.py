"""Deck text as lines, read as ngspice reads it: comments away, continuations joined, includes followed.

ngspice splits a file at line feeds alone, drops carriage returns, and takes only blanks and tabs for white space.
A comment begins with `*`, `;`, `$` or `//` at the start of a line; with `;`, `//`, or a `$` after a blank or comma
inside of it; in a control block with `//` or `$` and a blank. (inpcom.c: readline, inp_stripcomments_line,
inp_stitch_continuation_lines.) A `;` in a control block separates commands in other versions, and stays.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from memsim.errors import NetlistError
from memsim.memory import check_memory, format_bytes
from memsim.text import decoded

BLANKS = " \t"
INCLUDE = re.compile(
    r"^[ \t]*\.(?:inc\w*|lib)[ \t]+(?P<path>\"[^\"]*\"|'[^']*'|\S+)(?P<rest>.*)$", re.IGNORECASE
)
COMPILED = re.compile(r"[ \t]*pre_osdi[ \t]+(?P<path>\S+)[ \t]*", re.IGNORECASE)
DEEPEST = 20
MEMORY_OF_A_BYTE = 30
"""Bytes that reading takes for each byte of a deck; 21 measured on a crossbar of 27 MB."""
_COMMENT = re.compile(r";|//|(?<=[ \t,])\$")
_COMMENT_IN_CONTROL = re.compile(r"//|\$(?= )")
_NO_CARD = ("*", ";", "$", "//")
_NO_COMMAND = ("*", ";", "$ ", "//")
_MICRO = re.compile(r"(?<=[\d.])[\u00b5\u03bc]")
_UNSAFE_IN_PATHS = re.compile(r"[\x00-\x1f\x7f\"']")


class Line(NamedTuple):
    """One logical line of a deck.

    Attributes:
        text: the line in lower case without comments, continuations joined, its words one blank apart.
        own: the same in the case that it was written in.
        number: line number in its file, from 1.
        source: name of the file, `deck` for the deck itself.
        control: whether it stands between `.control` and `.endc`.
    """

    text: str
    own: str
    number: int
    source: str
    control: bool

    @property
    def place(self) -> str:
        """Where the line is, for messages."""
        return f"{self.source}, line {self.number}: `{self.text[:120]}`"

    @property
    def words(self) -> list[str]:
        """The line split at white space; an assignment keeps no spaces around its `=`."""
        text = self.text
        return (text.replace(" =", "=").replace("= ", "=") if "=" in text else text).split()


def split_lines(text: str) -> list[str]:
    """Physical lines as ngspice sees them: only line feeds end a line."""
    return [line.rstrip("\r") for line in text.split("\n")] if "\r" in text else text.split("\n")


def read_deck(path: Path) -> str:
    """Text of a deck file, as of its content; its line ends are untouched.

    Raises:
        OSError: it cannot be read.
        InputError: it does not fit into memory.
    """
    size = path.stat().st_size
    check_memory(
        f"{path.name}, a deck of {format_bytes(size)},", MEMORY_OF_A_BYTE * size, "give a smaller one"
    )
    return deck_text(path.read_bytes())


def deck_text(content: bytes) -> str:
    """Text of a deck in any encoding, with `u` where a number has the micro sign."""
    return _MICRO.sub("u", decoded(content))


def encoded(text: str) -> bytes:
    """Bytes of a deck as ngspice gets them."""
    return text.encode("utf-8", errors="surrogateescape")


def logical_lines(text: str, source: str = "deck", *, title: bool = True) -> list[Line]:
    """Logical lines of a deck without comments; a `.lib` section counts as plain lines.

    A line that begins with `+` and continues nothing, as in a control block, is a line of its own.

    Args:
        text: of the deck or of an included file.
        source: its name.
        title: whether the first line is the title of a deck, which is left out.
    """
    lines: list[Line] = []
    parts: list[str] = []
    number, control, inside = 0, False, False

    def finish() -> None:
        if parts:
            own = parts[0] if len(parts) == 1 else " ".join(parts)
            if "\t" in own or "  " in own:
                own = _with_single_blanks(own)
            lines.append(Line(own.lower(), own, number, source, inside))
            parts.clear()

    for here, physical in enumerate(split_lines(text), start=1):
        content = physical.strip(BLANKS)
        if not content or (title and here == 1):
            continue
        if content[0] in "*;$/" and content.startswith(_NO_COMMAND if control else _NO_CARD):
            continue
        if content[0] == "+" and parts and not inside:
            parts.append(strip_comment(content, control)[1:].strip(BLANKS))
            continue
        finish()
        number = here
        if content[0] == ".":
            begins = content[:8].lower()
            inside = control or begins == ".control"
            control = inside and begins[:5] != ".endc"
        else:
            inside = control
        parts.append(strip_comment(content, inside))
    finish()
    return lines


def _with_single_blanks(text: str) -> str:
    text = text.replace("\t", " ")
    while "  " in text:
        text = text.replace("  ", " ")
    return text


def strip_comment(content: str, control: bool) -> str:
    """A line without the comment at its end; `control` tells whether it stands in a control block."""
    if ";" in content or "$" in content or "//" in content:
        return (_COMMENT_IN_CONTROL if control else _COMMENT).split(content, maxsplit=1)[0].strip(BLANKS)
    return content


def include_path(line: str) -> str | None:
    """The file that an `.include` or two-word `.lib` line names, in its own case; None for other lines."""
    found = INCLUDE.match(line)
    if found is None:
        return None
    is_section = line.strip(BLANKS).lower().startswith(".lib") and not found["rest"].strip(BLANKS)
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
    lines: list[Line] = []
    for line in logical_lines(text, source, title=depth == 0):
        name = include_path(line.own) if line.text.startswith((".inc", ".lib")) else None
        if name is None:
            lines.append(line)
            continue
        path = folder / Path(name).expanduser()
        content = read_included(path, line)
        if line.text.startswith(".inc"):
            lines += expand(content, path.parent, path.name, depth + 1)
    return lines


def read_included(path: Path, line: Line) -> str:
    """Text of a file that a line includes; NetlistError where there is none or it cannot be read."""
    try:
        if path.is_file():
            return read_deck(path)
    except OSError as cause:  # a name that is too long is one, too
        raise NetlistError(f"{line.place}: the file cannot be read ({cause.strerror})") from cause
    raise NetlistError(f"{line.place}: the file {path} does not exist")


def absolute_includes(text: str, folder: Path) -> str:
    """The deck with relative paths of includes and compiled models made absolute, so that it runs from any folder.

    Raises:
        NetlistError: a path with quotes or control characters, which would end the line or the name in it.
    """
    lines = split_lines(text)
    return "\n".join(
        _absolute(line, folder, number) if "." in line or "pre_osdi" in line else line
        for number, line in enumerate(lines, start=1)
    )


def _absolute(line: str, folder: Path, number: int) -> str:
    compiled = COMPILED.fullmatch(line)
    if compiled is not None:  # ngspice takes no quotes here, and so no blanks
        return f"pre_osdi {_plain((folder / Path(compiled['path']).expanduser()).absolute(), number)}"
    name = include_path(line)
    found = INCLUDE.match(line)
    if name is None or found is None:
        return line
    path = _plain((folder / Path(name).expanduser()).absolute(), number)
    return f'{line.split(maxsplit=1)[0]} "{path}"{found["rest"]}'


def _plain(path: Path, number: int) -> Path:
    if _UNSAFE_IN_PATHS.search(str(path)):
        raise NetlistError(
            f"deck, line {number}: the path {str(path)!r} has quotes or control characters, which no deck can hold",
            remedy="rename the folder or the file.",
        )
    return path
