"""Refuses decks that would reach beyond the simulation: shell commands, files, programs.

ngspice executes what stands in `.control` blocks, after `*#` and in `*ng_script` files, and reads any file
that an `.include` or a code model names. A stranger's deck is therefore read by an allow-list of cards and
commands: what is not known to be harmless is refused. The check works on physical lines, as ngspice itself
looks for these words before it joins continuations, and follows included files.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from memsim.errors import UntrustedDeckError
from memsim.spice.lines import logical_lines, read_deck, split_lines

CARDS = frozenset({
    "title", "param", "params", "func", "subckt", "ends", "macro", "eom", "model", "options", "option",
    "opt", "ic", "nodeset", "save", "print", "plot", "four", "meas", "measure", "probe", "tran", "op",
    "dc", "ac", "noise", "tf", "pz", "sens", "disto", "temp", "global", "if", "elseif", "else", "endif",
    "width", "include", "inc", "lib", "endl", "control", "endc", "end",
})  # fmt: skip
COMMANDS = frozenset({
    "ac", "alter", "alterparam", "break", "continue", "dc", "destroy", "display", "dowhile", "echo",
    "else", "end", "exit", "fft", "foreach", "fourier", "if", "let", "linearize", "meas", "noise", "op",
    "plot", "print", "quit", "repeat", "reset", "run", "save", "set", "setplot", "setscale", "show",
    "showmod", "status", "tf", "tran", "unlet", "unset", "version", "while",
})  # fmt: skip
VARIABLES = re.compile(
    r"(color\d+|xbrushwidth|xgridwidth|numdgt|width|height|noaskquit|nomoremode|noprintscale|units|curplot|temp|tnom)"
)
FILE_MODELS = re.compile(
    r"\b(file_?source|d_source|d_state|d_process|d_cosim|table2d|table3d|ndev|numd\w*|nbjt\w*|numos)\b"
)
FILE_PARAMETER = re.compile(r"\w*file\s*=|\bpwl\s*\(?\s*file\b|\bsimulation\s*=|\bprocess\w*\s*=")
PLAIN_MODEL = re.compile(r"\.model\s+[\w.:+-]+\s+[a-z_]\w*(?=\W|$)")
DEEPEST = 20


def check_trust(text: str, folder: str | Path) -> None:
    """Check that a deck from a stranger can only simulate.

    Args:
        text: the deck.
        folder: folder of the deck; files inside it may be included, and are checked too.

    Raises:
        UntrustedDeckError: the deck, or a file it includes, asks for more; names the line and the reason.
    """
    root = Path(folder).resolve()
    _check_file(text, root, root, "deck", 0)


def _check_file(text: str, folder: Path, root: Path, source: str, depth: int) -> None:
    if depth > DEEPEST:
        raise UntrustedDeckError(_message(source, 0, "", "includes are nested too deep"))
    control = False
    for number, line in enumerate(split_lines(text), start=1):
        content = line.strip().lower()
        reason = _reason(content, control, title=depth == 0 and number == 1)
        if reason is None and content.startswith((".inc", ".lib")):
            reason = _follow(line.strip(), folder, root, depth)
        if reason is not None:
            raise UntrustedDeckError(_message(source, number, line, reason))
        control = (control or content.startswith(".control")) and not content.startswith(".endc")
    if control:
        raise UntrustedDeckError(_message(source, number, line, "a control block without its .endc"))
    _check_joined(text, source)


def _check_joined(text: str, source: str) -> None:
    """Models and sources once more with their continuations, which can part a word from its `=`."""
    for line in logical_lines(text, source):
        reason = None if line.control or line.number == 1 else _element_reason(line.text)
        if reason is None and line.text.startswith(".model") and not PLAIN_MODEL.match(line.text):
            reason = "a model whose type is not a plain word"
        if reason is not None:
            raise UntrustedDeckError(_message(source, line.number, line.text, reason))


def _message(source: str, number: int, line: str, reason: str) -> str:
    return (
        f"{source}, line {number}: {reason}: `{line.strip()[:120]}`. "
        "If you know where this deck comes from, run it with `--trust` (in Python `trust=True`)."
    )


def _reason(content: str, control: bool, title: bool) -> str | None:
    """Why a physical line (stripped, lower case) is refused, or None."""
    hidden = _hidden_reason(content)
    if hidden is not None or content.startswith("*") or not content:
        return hidden
    if control and not content.startswith(".endc"):
        return _command_reason(content)
    if content.startswith("."):
        return _card_reason(content)
    return None if title else _element_reason(content)


def _hidden_reason(content: str) -> str | None:
    """Why a line may be something else than it seems, or None."""
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]", content):
        return "control characters can hide commands"
    if content.startswith(("*#", "*ng_script")):
        return "a comment that ngspice executes"
    if content.endswith("\\\\") and not content.startswith("*"):
        return "a continuation by `\\\\` can hide commands"
    return None


def _card_reason(content: str) -> str | None:
    found = re.match(r"\.([a-z_]+)(?=\s|\(|$)", content)
    if found is None or found[1] not in CARDS:
        return "a card that is not known to be harmless"
    return None if found[1] == "title" else _element_reason(content)


def _element_reason(content: str) -> str | None:
    if "`" in content:
        return "a back quote runs a shell command"
    if FILE_MODELS.search(content) or FILE_PARAMETER.search(content):
        return "a model or source that reads or writes a file or runs a program"
    return None


def _command_reason(content: str) -> str | None:
    """Why a line of a control block is refused, or None."""
    if content.startswith("+"):
        return "a continuation line in a control block can hide commands"
    if re.search(r"[`;|<>!\\~]|&(?<!\$&)", content):
        return "redirection, shell and command separators are not allowed in a control block"
    found = re.match(r"([a-z]+)(?=\s|$)", content)
    if found is None or found[1] not in COMMANDS:
        return "a command that is not known to be harmless"
    if found[1] in ("set", "unset"):
        return _set_reason(content)
    return None


def _set_reason(content: str) -> str | None:
    found = re.fullmatch(r"(?:un)?set\s+([a-z_]\w*)(\s*=\s*[^\s=]+)?", content)
    if found is None or not VARIABLES.fullmatch(found[1]):
        return "a variable that is not known to be harmless"
    return None


def _follow(line: str, folder: Path, root: Path, depth: int) -> str | None:
    """Check the file that an include line names; the reason to refuse, or None."""
    words = line.split(maxsplit=1)
    if len(words) < 2:
        return "an include without a file name"
    found = re.fullmatch(r"(\"[\w./ +-]+\"|'[\w./ +-]+'|[\w./+-]+)\s*(\w*)\s*([;$*].*)?", words[1])
    if found is None:
        return "an include whose file name has special characters"
    if line.lower().startswith(".lib") and not found[2]:
        return None if re.fullmatch(r"\w+", found[1]) else "a library file without a section"
    name = Path(found[1].strip("\"'"))
    if name.is_absolute() or ".." in name.parts:
        return "an include outside the deck's folder"
    path = folder / name
    # A link could point outside, and ngspice looks for nested includes beside the link, not its target.
    if path.resolve() != Path(os.path.normpath(path)) or not path.resolve().is_relative_to(root):
        return "an include through a symbolic link"
    if path.is_file():
        _check_file(read_deck(path), path.parent, root, name.name, depth + 1)
    return None
