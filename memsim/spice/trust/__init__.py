"""Decks of strangers: an allow-list that reads as ngspice reads, and writes what ngspice then gets.

ngspice executes what stands in `.control` blocks, after `*#` and in `*ng_script` files, and reads any file that an
`.include` or a code model names. A stranger's deck is therefore taken apart into logical lines (`lines.py`), each of
which must be an element, a card or a command that is known to be harmless, with its arguments. ngspice gets those
lines and nothing else: a deck written anew from what was understood, its included files beside it under names of our
own. Comments do not reach it, so that no difference between its reading and ours can make one of them a command.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path

from memsim.errors import DeckWarning
from memsim.spice.lines import Line, encoded, split_lines
from memsim.spice.trust import cards, commands
from memsim.spice.trust.files import SourceFile, gather, refusal, title_of, written
from memsim.spice.trust.vocabulary import WITHOUT_EFFECT

__all__ = ["check_trust", "confined"]

DECK = "deck.cir"
LONGEST_TITLE = 4000
NO_EFFECT = re.compile(rf"\.(?:title|{'|'.join(WITHOUT_EFFECT)})\b")
_STRANGE = re.compile(r"[^\t\n\r -~]")
_EXECUTED = re.compile(r"[ \t]*\*(?:#|ng_script)", re.IGNORECASE)
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]")
_SUSPICIOUS = re.compile(
    rf"^[ \t]*\*(?:#|ng_script)|\r(?!\n|\Z)|(?!\r){_HIDDEN.pattern}", re.IGNORECASE | re.MULTILINE
)


def check_trust(text: str, folder: str | Path) -> None:
    """Check that a deck from a stranger can only simulate.

    Args:
        text: the deck.
        folder: folder of the deck; files inside it may be included, and are checked too.

    Raises:
        UntrustedDeckError: the deck, or a file it includes, asks for more; names the line and the reason.
        NetlistError: an included file does not exist or cannot be read.
    """
    confined(gather(text, Path(folder), DECK))


def confined(files: list[SourceFile]) -> Mapping[str, bytes]:
    """Files as ngspice gets them, by name, the deck first; UntrustedDeckError as in `check_trust`."""
    for file in files:
        _check_physical(file)
    netlist = [line.text for file in files for line in file.lines if not line.control]
    control = [line.text for file in files for line in file.lines if line.control]
    defined = frozenset(name for name in map(cards.functions, netlist) if name)
    known = commands.variables(control)
    result = {}
    for number, file in enumerate(files):
        accepted = _Accepting(file, defined, known).lines()
        result[file.name] = written(file, accepted, "" if number else title_of(file.text))
    return result


def _check_physical(file: SourceFile) -> None:
    """What cannot be told from logical lines: comments that ngspice executes, and characters that hide in them."""
    if file.source == "deck":
        _check_title(split_lines(file.text)[0])
    if not _SUSPICIOUS.search(file.text):
        return
    for number, line in enumerate(file.text.split("\n"), start=1):
        if _EXECUTED.match(line):
            raise refusal(file.source, number, line, "a comment that ngspice executes")
        if _HIDDEN.search(line.removesuffix("\r")):
            raise refusal(file.source, number, line, "control characters can hide commands")


def _check_title(line: str) -> None:
    if len(encoded(line)) > LONGEST_TITLE:
        raise refusal(
            "deck", 1, line, f"a title of more than {LONGEST_TITLE} bytes, whose end ngspice would obey"
        )
    if line.strip(" \t").lower().startswith((".control", ".inc", ".lib")):
        raise refusal("deck", 1, line, "the first line of a deck is its title; put this one below a title")


class _Accepting:
    """The lines of one file, each checked in its place."""

    def __init__(self, file: SourceFile, defined: frozenset[str], known: frozenset[str]) -> None:
        self.file, self.defined, self.known = file, defined, known
        self.plain = _STRANGE.search(file.text) is None
        self.block = False
        self.pictures: list[Line] = []

    def lines(self) -> dict[int, str]:
        """What ngspice gets of each logical line, by number; UntrustedDeckError for what it may not have.

        Commands are looked at first: what they ask for says more of a deck than what follows from it.
        """
        control = [line for line in self.file.lines if line.control]
        netlist = [line for line in self.file.lines if not line.control]
        for line in (*control, *netlist):
            reason = self._reason(line)
            if reason is not None:
                raise refusal(line.source, line.number, line.own, reason)
        if self.block:
            last = self.file.lines[-1]
            raise refusal(last.source, last.number, last.own, "a control block without its .endc")
        texts = {line.number: line.text for line in netlist} | {line.number: line.own for line in control}
        return texts | self._rewritten()

    def _reason(self, line: Line) -> str | None:
        strange = None if self.plain else _STRANGE.search(line.own)
        if strange is not None:
            return f"the character {strange[0]!a} outside of a comment; decks are plain ASCII"
        if not line.control:
            if line.text.startswith(".title") or line.number in self.file.included:
                return None
            if line.text[0] == ".":
                cards.check_known(line.text, line.place)
            return cards.reason(line.text, self.defined)
        if line.text == (".endc" if self.block else ".control"):
            self.block = not self.block
            return None
        if commands.draws(line.text):
            self.pictures.append(line)
            return None
        return commands.reason(line.text, self.known)

    def _rewritten(self) -> dict[int, str]:
        """Lines that name files, which lie under names of our own; and those without effect, which nobody checked."""
        texts = {
            line.number: "*" for line in self.file.lines if line.text[0] == "." and NO_EFFECT.match(line.text)
        }
        texts |= {line.number: "*" for line in self.pictures}
        drawn = [line for line in self.pictures if not line.text.startswith("set ")]
        if drawn:
            warnings.warn(
                f"{drawn[0].place}: pictures of a deck are left out; memsim draws with --plot",
                DeckWarning,
                stacklevel=2,
            )
        for line in self.file.lines:
            child = self.file.included.get(line.number)
            if child is not None:
                keyword, _, rest = line.text.partition(" ")
                section = [rest.rpartition(" ")[2]] if keyword == ".lib" else []
                texts[line.number] = " ".join([keyword, child.name, *section])
        return texts
