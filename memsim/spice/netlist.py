"""Decks as ngspice gets them: read once, checked, with the files they include."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from memsim.errors import InputError
from memsim.spice import analyses
from memsim.spice.checks import stop_time
from memsim.spice.compat import mode_of, translated
from memsim.spice.control import without_lines, writing
from memsim.spice.lines import absolute_includes, encoded, expand, logical_lines, read_deck, split_lines
from memsim.spice.lint import lint_lines
from memsim.spice.measures import DeckMeasure, measures_of
from memsim.spice.process import DECK, RAW
from memsim.spice.traps import warn_of_traps
from memsim.spice.trust import NO_EFFECT, confined
from memsim.spice.trust.cards import check_known
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
        writes: whether it writes its results itself, by commands at its end.
        measures: that it takes of its analyses.
        compat: dialect that ngspice reads it in; None for its own.
        cards: kind and line number of each analysis card of a deck that takes measures.
    """

    files: Mapping[str, bytes]
    title: str
    stop: float | None
    confined: bool
    writes: bool = False
    measures: tuple[DeckMeasure, ...] = ()
    cards: tuple[tuple[str, int], ...] = ()
    compat: str | None = None

    @property
    def text(self) -> str:
        """The deck itself."""
        return self.files[DECK].decode("utf-8", errors="surrogateescape")

    def with_text(self, text: str) -> Netlist:
        """The same with another text of the deck, which differs in numbers alone."""
        return replace(self, files={**self.files, DECK: encoded(text)})

    def separate(self) -> list[Netlist]:
        """One for each kind of analysis where it takes measures, which ngspice does of the last kind alone."""
        kinds = dict.fromkeys(kind for kind, _ in self.cards)
        if len(kinds) < 2:
            return [self]
        return [
            replace(
                self.with_text(
                    without_lines(self.text, [number for other, number in self.cards if other != kind])
                ),
                measures=tuple(measure for measure in self.measures if measure.kind == kind),
                cards=(),
            )
            for kind in kinds
        ]


def read_netlist(source: str | Path, *, trust: bool = False, compat: str | None = None) -> Netlist:
    """Read and check a deck.

    Args:
        source: text of a deck, or the path of one.
        trust: let it run shell commands and use files outside its folder.
        compat: dialect of another simulator: `lt`, `ps` or `hs`.

    Raises:
        InputError: the deck cannot be read, or no such dialect.
        UntrustedDeckError: it wants more than to simulate, and `trust` is False.
        NetlistError, SingularMatrixError: it has a mistake that ngspice would not report.

    Warns:
        DeckWarning: it says what SPICE often reads otherwise than it was meant.
    """
    text, folder = _text_and_folder(source)
    mode_of(compat)
    text = translated(text, compat)
    title = split_lines(text)[0].strip()
    if trust:
        idle = [line.number for line in logical_lines(text) if NO_EFFECT.match(line.text)]
        whole = absolute_includes(without_lines(text, idle), folder)
        own, lines = logical_lines(whole), expand(whole, folder)
        for line in lines:
            if line.text[0] == "." and not line.control:
                check_known(line.text, line.place)
        files: Mapping[str, bytes] = {DECK: encoded(whole)}
    else:
        gathered = gather(text, folder, DECK)
        files = confined(gathered)
        own, lines = gathered[0].lines, list(gathered[0].expanded())
    lint_lines(lines, compat)
    warn_of_traps(title, lines)
    if not trust:
        warn_without_wall()
    commands, measures = analyses.commanded(lines), measures_of(lines)
    netlist = Netlist(
        files, title, None if commands else stop_time(lines), not trust, measures=measures, compat=compat
    )
    if not (commands or measures):
        return netlist
    cards = () if commands else tuple((kind, line.number) for kind, line in analyses.cards(own))
    written = writing(netlist.text, own, RAW, run=not commands)
    return replace(netlist.with_text(written), writes=True, cards=cards)


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
