"""Decks as ngspice gets them: read once, checked, with the files they include."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from memsim.errors import InputError
from memsim.spice.checks import stop_time
from memsim.spice.lines import absolute_includes, encoded, expand, read_deck, split_lines
from memsim.spice.lint import lint_lines
from memsim.spice.process import DECK
from memsim.spice.trust import confined
from memsim.spice.trust.files import gather
from memsim.spice.wall import warn_without_wall


@dataclass(frozen=True)
class Netlist:
    """A deck that passed every check.

    Attributes:
        files: content by name; the deck is `deck.cir`, and what it includes lies beside it.
        title: its first line.
        stop: end of its only transient [s]; None without one.
        confined: whether it comes from a stranger and runs behind a wall.
    """

    files: Mapping[str, bytes]
    title: str
    stop: float | None
    confined: bool

    @property
    def text(self) -> str:
        """The deck itself."""
        return self.files[DECK].decode("utf-8", errors="surrogateescape")

    def with_text(self, text: str) -> Netlist:
        """The same with another text of the deck, which differs in numbers alone."""
        return replace(self, files={**self.files, DECK: encoded(text)})


def read_netlist(source: str | Path, *, trust: bool = False) -> Netlist:
    """Read and check a deck.

    Args:
        source: text of a deck, or the path of one.
        trust: let it run shell commands and use files outside its folder.

    Raises:
        InputError: the deck cannot be read.
        UntrustedDeckError: it wants more than to simulate, and `trust` is False.
        NetlistError, SingularMatrixError: it has a mistake that ngspice would not report.
    """
    text, folder = _text_and_folder(source)
    title = split_lines(text)[0].strip()
    if trust:
        whole = absolute_includes(text, folder)
        lines = expand(whole, folder)
        lint_lines(lines)
        return Netlist({DECK: encoded(whole)}, title, stop_time(lines), confined=False)
    gathered = gather(text, folder, DECK)
    files = confined(gathered)
    lines = list(gathered[0].expanded())
    lint_lines(lines)
    warn_without_wall()
    return Netlist(files, title, stop_time(lines), confined=True)


def _text_and_folder(source: str | Path) -> tuple[str, Path]:
    """Text of a deck, and the folder where its includes start."""
    if isinstance(source, Path):
        try:
            return read_deck(source), source.resolve().parent
        except (OSError, ValueError) as cause:  # a name with a null byte is a ValueError
            reason = getattr(cause, "strerror", None) or cause
            raise InputError(
                f"deck {source} cannot be read ({reason}); give the path of a .cir file"
            ) from cause
    if "\n" not in source:
        raise InputError(f"deck {source!r} is a single line; for a file give a `pathlib.Path`")
    return source, Path.cwd()
