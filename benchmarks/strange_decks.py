"""Decks of strangers by the ten thousand: what passes the check must start no program and write no file elsewhere.

    python benchmarks/strange_decks.py --decks 50000          # writes results/strange_decks.json

Each deck is a real or a made one with an attack put into it, then bent: other blanks, line ends, cases, comments,
quotes, continuations, every Unicode and control character. Those that the check accepts run in ngspice *without* the
sandbox, under `strace`, which sees each file opened for writing and each program started.

What ngspice gets is the deck as memsim understood it. Where a deck holds no attack, ngspice also gets its own bytes,
and must find the same waveforms: else memsim and ngspice read it differently.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import xarray as xr
from common import save_result

from memsim.errors import BadResultError, MemsimError
from memsim.spice.lines import encoded
from memsim.spice.process import DECK
from memsim.spice.rawfile import read_plots, to_dataset
from memsim.spice.trust import confined
from memsim.spice.trust.files import gather
from memsim.spice.version import ngspice_program

ROOT = Path(__file__).parent.parent
CANARY = "PWNED"
TRACED = (
    "execve,execveat,fork,vfork,clone,clone3,open,openat,creat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,"
    "link,linkat,symlink,symlinkat,truncate,chmod,fchmodat,socket,connect"
)
SECONDS = 5.0
LARGEST = 20_000

PARTS = tomllib.loads((ROOT / "benchmarks/strange_decks.toml").read_text(encoding="utf-8"))
BODIES, BLOCKS, COMMANDS, CARDS, MARKS = (
    PARTS[name] for name in ("bodies", "blocks", "commands", "cards", "marks")
)
TITLES = [*PARTS["titles"], f"{'x' * 4999}.control", f"{'x' * 4998}\t*# shell touch {CANARY}"]
PADDINGS = (255, 511, 512, 4090, 4999, 5000, 8191)
"""Lengths near those of buffers in ngspice."""
LOOKALIKES = str.maketrans("skiel.c", "\u017f\u212a\u0131\u212f\uff4c\uff0e\u0441")


@cache
def characters() -> tuple[str, ...]:
    """Every control, format and blank character of Unicode, and those whose case or shape is near a letter of ASCII."""
    odd = (
        c
        for c in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(c) in ("Cc", "Cf", "Zs", "Zl", "Zp")
        or (not c.isascii() and (c.lower().isascii() or unicodedata.normalize("NFKC", c).isascii()))
    )
    return tuple(odd)


@cache
def real_decks() -> tuple[str, ...]:
    """The decks that ship with memsim, where they are small enough to run by the thousand."""
    found = sorted((ROOT / "netlists").glob("*.cir"))
    return tuple(text for text in map(Path.read_text, found) if len(text) < LARGEST)


def deck(draw: random.Random) -> bytes:
    """One strange deck."""
    text = draw.choice(real_decks()) if draw.random() < 0.15 else _made(draw)
    for _ in range(draw.choice((0, 1, 1, 2, 3, 6))):
        text = draw.choice(BENDS)(text, draw)
    content = encoded(text)
    for _ in range(draw.choice((0, 0, 0, 1, 3))):
        place = draw.randrange(len(content) + 1)
        content = content[:place] + bytes([draw.randrange(256)]) + content[place + draw.randrange(2) :]
    return content


def _made(draw: random.Random) -> str:
    lines = draw.choice(BODIES).splitlines()
    block = [*draw.choice(BLOCKS)]
    attack = draw.random()
    if attack < 0.3:
        block.insert(draw.randrange(len(block) + 1), _target(draw.choice(COMMANDS), draw))
    if 0.2 < attack < 0.5:
        lines.insert(draw.randrange(len(lines) + 1), _target(draw.choice(CARDS), draw))
    if block:
        lines += [".control", *block, ".endc"]
    return "\n".join([_target(draw.choice(TITLES), draw) if draw.random() < 0.4 else "t", *lines, ".end", ""])


def _target(text: str, draw: random.Random) -> str:
    places = (CANARY, CANARY.lower(), f"../{CANARY}", f"/tmp/{CANARY}", f"a/{CANARY}")  # noqa: S108 - must not appear
    return text.replace(CANARY, draw.choice(places))


def _insert(text: str, draw: random.Random, piece: str) -> str:
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    place = draw.choice(starts) if draw.random() < 0.5 else draw.randrange(len(text) + 1)
    return text[:place] + piece + text[place:]


def _with_mark(text: str, draw: random.Random) -> str:
    return _insert(text, draw, draw.choice(MARKS))


def _with_character(text: str, draw: random.Random) -> str:
    return _insert(text, draw, draw.choice(characters()))


def _with_other_blank(text: str, draw: random.Random) -> str:
    blanks = [found.start() for found in re.finditer(r"[ \n]", text)] or [0]
    place = draw.choice(blanks)
    return text[:place] + draw.choice(characters()) + text[place + 1 :]


def _with_other_case(text: str, draw: random.Random) -> str:
    return "".join(c.upper() if draw.random() < 0.3 else c for c in text)


def _with_lookalikes(text: str, draw: random.Random) -> str:
    lines = text.split("\n")
    place = draw.randrange(len(lines))
    lines[place] = lines[place].translate(LOOKALIKES)
    return "\n".join(lines)


def _with_lines_moved(text: str, draw: random.Random) -> str:
    lines = text.split("\n")
    line = lines.pop(draw.randrange(len(lines)))
    lines.insert(draw.randrange(len(lines) + 1), line)
    return "\n".join(lines)


def _with_line_doubled(text: str, draw: random.Random) -> str:
    lines = text.split("\n")
    lines.insert(draw.randrange(len(lines) + 1), draw.choice(lines))
    return "\n".join(lines)


def _with_comment(text: str, draw: random.Random) -> str:
    lines = text.split("\n")
    place = draw.randrange(1, len(lines)) if len(lines) > 1 else 0
    words = draw.choice((*COMMANDS, *CARDS)).replace("\n", " ") + draw.choice(characters())
    mark = draw.choice(("* ", "*", "  * ", "$ ", "; ", "// ", "*\t"))
    if draw.random() < 0.5:
        lines.insert(place, mark + words)
    else:
        lines[place] += " " + draw.choice(("; ", "$ ", "// ")) + words
    return "\n".join(lines)


def _with_padding(text: str, draw: random.Random) -> str:
    return _insert(text, draw, draw.choice((" ", "x", "\t", "+")) * draw.choice(PADDINGS))


BENDS = (
    *(3 * [_with_comment]), *(2 * [_with_mark]), *(2 * [_with_character]), _with_other_blank, _with_other_case,
    _with_lookalikes, _with_lines_moved, _with_line_doubled, _with_padding,
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """What one deck did.

    Attributes:
        accepted: whether it passed the check.
        ran: whether ngspice found waveforms.
        compared: whether it ran as it was written, too; what memsim leaves out can crash ngspice, a long title for one.
        same: whether both gave the same waveforms.
        escapes: lines of the trace that start a program or touch a file elsewhere.
    """

    accepted: bool
    ran: bool = False
    compared: bool = False
    same: bool = True
    escapes: tuple[str, ...] = ()


def try_deck(content: bytes) -> Seen:
    """Check a deck, and run it under the tracer where it is accepted."""
    with tempfile.TemporaryDirectory(prefix="strange-") as place:
        outside = Path(place)
        (outside / "deck").mkdir()
        try:
            files = confined(
                gather(content.decode("utf-8", errors="surrogateescape"), outside / "deck", DECK)
            )
        except MemsimError:
            return Seen(accepted=False)
        waves, escapes = traced(files, outside / "private")
        if not waves or escapes or CANARY.lower() in content.decode("latin-1").lower():
            return Seen(True, bool(waves), escapes=escapes)
        as_written, escapes = traced({DECK: content}, outside / "written")
        same = len(waves) == len(as_written) and all(map(xr.Dataset.equals, waves, as_written))
        return Seen(True, True, bool(as_written), same or not as_written, escapes)


def traced(files: Mapping[str, bytes], folder: Path) -> tuple[list[xr.Dataset], tuple[str, ...]]:
    """Run a deck in a new folder; its waveforms, and what it did outside of the folder."""
    folder.mkdir()
    trace = folder.with_suffix(".trace")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    limits = ["prlimit", "--fsize=50000000", f"--cpu={SECONDS:.0f}", "--as=2000000000"]
    tracer = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", str(trace), "-e", f"trace={TRACED}"]
    engine = [ngspice_program(), "-n", "-b", "-r", "out.raw", "-o", "out.log", DECK]
    try:
        words = [*limits, *tracer, *engine]
        subprocess.run(words, cwd=folder, capture_output=True, timeout=2 * SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:  # the limit of processor time ends what is left
        pass
    raw = folder / "out.raw"
    waves: list[xr.Dataset] = []
    with suppress(BadResultError, FileNotFoundError):
        waves = [to_dataset(plot) for plot in read_plots(raw.read_bytes())]
    return waves, tuple(_escapes(trace.read_text(errors="replace") if trace.is_file() else ""))


def _escapes(trace: str) -> Iterator[str]:
    """Traced calls that leave the private folder, whose own files have plain names."""
    for number, line in enumerate(trace.splitlines()):
        call = line.split(maxsplit=1)[-1]
        own_start = number == 0 and call.startswith("execve")
        if not own_start and not call.startswith(("---", "+++", "<...")) and not _is_harmless(call):
            yield line


def _is_harmless(call: str) -> bool:
    name = call.partition("(")[0]
    path = re.search(r'"((?:[^"\\]|\\.)*)"', call)
    elsewhere = path is None or (path[1].startswith(("/", "..")) and path[1] not in ("/dev/null", "/dev/tty"))
    if name in ("open", "openat", "creat"):
        writes = name == "creat" or re.search(r"O_WRONLY|O_RDWR|O_CREAT", call)
        return not writes or not elsewhere or "O_TMPFILE" in call
    if name in ("clone", "clone3"):
        return "CLONE_THREAD" in call
    return name in ("unlink", "unlinkat") and not elsewhere


def run(count: int, seed: int, workers: int) -> dict[str, object]:
    """Try many decks; the summary, with those that escaped."""
    start = time.monotonic()
    totals: Counter[str] = Counter()
    escaped, different = [], []
    with ProcessPoolExecutor(workers) as pool:
        for number, seen in enumerate(pool.map(partial(_try_numbered, seed), range(count), chunksize=50)):
            totals["accepted"] += seen.accepted
            totals["ran"] += seen.ran
            totals["compared"] += seen.compared
            if not seen.same:
                different.append({"number": number, "deck": ascii(_numbered(seed, number))})
                print("DIFFERENT", json.dumps(different[-1]), flush=True)
            if seen.escapes:
                escaped.append(
                    {"number": number, "deck": ascii(_numbered(seed, number)), "calls": seen.escapes}
                )
                print("ESCAPED", json.dumps(escaped[-1], indent=1), flush=True)
            if number % 1000 == 999:
                print(number + 1, dict(totals), f"{time.monotonic() - start:.0f} s", flush=True)
    seconds = round(time.monotonic() - start, 1)
    return {
        "decks": count,
        "seed": seed,
        **totals,
        "escaped": escaped,
        "different": different,
        "seconds": seconds,
    }


def _numbered(seed: int, number: int) -> bytes:
    return deck(random.Random(f"{seed} {number}"))  # noqa: S311 - nothing secret


def _try_numbered(seed: int, number: int) -> Seen:
    return try_deck(_numbered(seed, number))


def main(arguments: Sequence[str] | None = None) -> None:
    """Try decks and keep the summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--decks", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(arguments)
    found = run(given.decks, given.seed, given.workers)
    save_result("strange_decks", f"python benchmarks/strange_decks.py --decks {given.decks}", found)


if __name__ == "__main__":
    main()
