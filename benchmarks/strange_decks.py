"""Decks of strangers by the ten thousand: what passes the check must start no program and write no file elsewhere.

    python benchmarks/strange_decks.py --decks 50000          # writes results/strange_decks.json

Each deck is a real or a made one with an attack put into it, then bent: other blanks, line ends, cases, comments, quotes,
continuations, every Unicode and control character. Those that the check accepts run in ngspice *without* the sandbox,
under `strace`, which sees each file opened for writing and each program started.
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
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from common import save_result

from memsim.errors import MemsimError
from memsim.spice.lines import encoded
from memsim.spice.process import DECK
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

BODIES = (
    "v1 a 0 dc 1 ac 1 sin(0 1 1k)\nr1 a b 1k\nc1 b 0 1n\n.tran 10u 1m\n",
    "v1 a 0 1\nr1 a b {p}\nr2 b 0 2k\n.param p=1k\n.op\n",
    ".subckt cell p n g=1m\nr1 p n {1/g}\n.ends\nv1 a 0 1\nx1 a 0 cell g=2m\n.dc v1 0 1 0.1\n",
    "v1 a 0 pulse(0 1 0 1n 1n 1u 2u)\nb1 b 0 v=v(a)>0.5?1:0\nr1 b 0 1k\n.ic v(b)=0\n.tran 10n 1u uic\n",
    "v1 a 0 1\nd1 a b dmod\nr1 b 0 1k\n.model dmod d(is=1e-14)\n.options reltol=1e-4\n.op\n",
    "v1 a 0 1\na1 a b amp\nr1 b 0 1k\n.model amp gain(gain=2)\n.op\n.save v(b)\n",
    "v1 a 0 ac 1\nr1 a b 1k\nc1 b 0 1u\n.ac dec 3 1 1k\n.print ac vdb(b)\n.meas ac g max vdb(b)\n",
)
BLOCKS = (
    ("run",), ("run", "print v(a)"), ("op", "let p = v(a)*2", "echo $&p"), ("if $?batchmode", "else", "run", "end"),
    ("foreach r 1 2", "alter r1 = $r", "op", "end"), ("set temp=30", "run", "display"), (),
)  # fmt: skip
COMMANDS = (
    f"shell touch {CANARY}", f"!touch {CANARY}", f"echo `touch {CANARY}`", f"run {CANARY}", f"write {CANARY}",
    f"wrdata {CANARY} v(a)", f"print v(a) > {CANARY}", f"echo x >> {CANARY}", f"snsave {CANARY}", f"save {CANARY}",
    f"hardcopy {CANARY} v(a)", f"gnuplot {CANARY} v(a)", f"set c=shell\n$c touch {CANARY}", "echo $curplottitle",
    f"foreach c shell\n$c touch {CANARY}\nend", f"alias plot shell\nplot touch {CANARY}", f"source {CANARY}",
    f"set unixcom\ntouch {CANARY}", f"cd /\nwrite {CANARY}", f"plot v(a); shell touch {CANARY}", f"pre_shell touch {CANARY}",
    f"aspice x {CANARY}", f"edit {CANARY}", f"bug\nshell touch {CANARY}", f"define f(x) `touch {CANARY}`", "print $curplottitle",
    f"load {CANARY}", f"codemodel {CANARY}", f"altermod g file={CANARY}", f"set rawfile={CANARY}", f"set ngdebug\nreset",
    f"foreach curplottitle a\necho $curplottitle\nend", f"repeat 2\nshell touch {CANARY}\nend", f"op {CANARY}", f"tran 1u 1m > {CANARY}",
    f"set sourcepath=( {CANARY} )", f"wrs2p {CANARY}", f"iplot v(a)\nstop when time > 1 > {CANARY}", f"setcs x=`touch {CANARY}`",
    f"let x=1 ; shell touch {CANARY}", f"eprvcd a > {CANARY}", f"snload {CANARY} x", f"rspice {CANARY}", f"mc_source\n{CANARY}",
    f"dump > {CANARY}", f"meas tran x max v(a) > {CANARY}", f"echo {{a,`touch {CANARY}`}}", f"history\n!!\n!sh", f"where > {CANARY}",
)  # fmt: skip
CARDS = (
    f".control\nshell touch {CANARY}\n.endc", f"*# shell touch {CANARY}", f"*ng_script\nshell touch {CANARY}",
    f".title `touch {CANARY}`\n.control\nrun\necho $curplottitle\n.endc", f".exec touch {CANARY}", f".param p=`touch {CANARY}`",
    f".model s filesource(file={CANARY})", f".model s d_process(process_file=\"{CANARY}\")\na9 [d1] d2 null [d3] s",
    f".options rawfile={CANARY}", f".options ngdebug", f".csparam x=`touch {CANARY}`", f".include {CANARY}", f".lib {CANARY} tt",
    f".inc /etc/hostname", f".inc ../{CANARY}", f".if (1)\n.control\nshell touch {CANARY}\n.endc\n.endif",
    f".probe p(r1) > {CANARY}", f".print tran v(a) > {CANARY}", f".save v(a)`touch {CANARY}`", f".four 1k v(a) > {CANARY}",
    f"v9 z 0 pwl(file={CANARY})", f"r9 z 0 r='system(\"touch {CANARY}\")'", f"b9 z 0 v=`touch {CANARY}`", f".measure tran m param='`touch {CANARY}`'",
    f".model e {{\"d_\" \"state\"}}(state_file=\"{CANARY}\")", f".param s=\"file\"\n.model x d(is=1)", f".subckt q a\n.control\nshell touch {CANARY}\n.endc\n.ends",
    f"@\n.control\nshell touch {CANARY}\n.endc", f".func f(x) {{`touch {CANARY}`}}", f".width out={CANARY}", f".plot tran v(a) > {CANARY}",
)  # fmt: skip
TITLES = (
    "t", "* t", f"`touch {CANARY}`", f"x ; shell touch {CANARY}", f"x > {CANARY}", ".control", ".inc x", "*ng_script", "*#",
    f"{'x' * 4999}.control", f"{'x' * 4998}\t*# shell touch {CANARY}", ".title y", "+ z", f"$curplottitle `touch {CANARY}`", "",
)  # fmt: skip
MARKS = (
    ";", "$", "$ ", "//", "*", "#", "'", '"', "`", "{", "}", "|", ">", "<", "&", "!", "~", "\\", "\\\\\n", "\n+ ", "\n+", "+", "@", "=", ",",
    "(", ")", "\t", "  ", "\n*\n", "\n\n", "\r", "\r\n", "\n\t", ".", "%", "^", "?", ":", "\n.endc\n", "\n.control\n", ".control", ".endc",
    "\n.end\n", "pre_", "*#", "$&", "$?",
)  # fmt: skip
LOOKALIKES = str.maketrans({"s": "\u017f", "k": "\u212a", "i": "\u0131", "e": "\u212f", "l": "\uff4c", ".": "\uff0e", "c": "\u0441"})


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
    return text.replace(CANARY, draw.choice((CANARY, CANARY.lower(), f"../{CANARY}", f"/tmp/{CANARY}", f"a/{CANARY}")))  # noqa: S108


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
    return _insert(text, draw, draw.choice((" ", "x", "\t", "+")) * draw.choice((255, 511, 512, 4090, 4999, 5000, 8191)))


BENDS = (
    _with_comment, _with_comment, _with_comment, _with_mark, _with_mark, _with_character, _with_character, _with_other_blank, _with_other_case, _with_lookalikes,
    _with_lines_moved, _with_line_doubled, _with_padding,
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """What one deck did.

    Attributes:
        accepted: whether it passed the check.
        ran: whether ngspice ended it with a raw file.
        escapes: lines of the trace that start a program or touch a file elsewhere.
    """

    accepted: bool
    ran: bool = False
    escapes: tuple[str, ...] = ()


def try_deck(content: bytes) -> Seen:
    """Check a deck, and run it under the tracer where it is accepted."""
    with tempfile.TemporaryDirectory(prefix="strange-") as place:
        outside = Path(place)
        (outside / "deck").mkdir()
        try:
            files = confined(gather(content.decode("utf-8", errors="surrogateescape"), outside / "deck", DECK))
        except MemsimError:
            return Seen(accepted=False)
        return _traced(files, outside)


def _traced(files: dict[str, bytes], outside: Path) -> Seen:
    folder = outside / "private"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    command = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", str(outside / "trace"), "-e", f"trace={TRACED}"]
    engine = [ngspice_program(), "-n", "-b", "-r", "out.raw", "-o", "out.log", DECK]
    limits = ["prlimit", "--fsize=50000000", f"--cpu={SECONDS:.0f}", "--as=2000000000"]
    try:
        subprocess.run([*limits, *command, *engine], cwd=folder, capture_output=True, timeout=2 * SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        subprocess.run(["pkill", "-9", "-f", str(folder)], check=False)  # noqa: S607
    trace = (outside / "trace").read_text(errors="replace") if (outside / "trace").is_file() else ""
    return Seen(True, (folder / "out.raw").is_file(), tuple(_escapes(trace)))


def _escapes(trace: str) -> Iterator[str]:
    """Traced calls that leave the private folder: all its own paths are plain names."""
    for number, line in enumerate(trace.splitlines()):
        call = line.split(maxsplit=1)[-1]
        if call.startswith(("---", "+++", "<...")) or (number == 0 and call.startswith("execve")):
            continue
        name = call.partition("(")[0]
        path = re.search(r'"((?:[^"\\]|\\.)*)"', call)
        if name in ("open", "openat", "creat"):
            writes = name == "creat" or re.search(r"O_WRONLY|O_RDWR|O_CREAT", call)
            nameless = "O_TMPFILE" in call
            if writes and not nameless and path and (path[1].startswith(("/", "..")) and path[1] not in ("/dev/null", "/dev/tty")):
                yield line
        elif name in ("clone", "clone3") and "CLONE_THREAD" in call:
            continue
        elif name in ("unlink", "unlinkat") and path and not path[1].startswith(("/", "..")):
            continue
        else:
            yield line


def run(count: int, seed: int, workers: int) -> dict[str, object]:
    """Try many decks; the summary, with those that escaped."""
    start = time.monotonic()
    totals: Counter[str] = Counter()
    escaped = []
    with ProcessPoolExecutor(workers) as pool:
        for number, seen in enumerate(pool.map(partial(_numbered, seed), range(count), chunksize=50)):
            totals["accepted"] += seen.accepted
            totals["ran"] += seen.ran
            if seen.escapes:
                escaped.append({"number": number, "deck": ascii(deck(random.Random(f"{seed} {number}"))), "calls": seen.escapes})
                print("ESCAPED", json.dumps(escaped[-1], indent=1), flush=True)
            if number % 1000 == 999:
                print(number + 1, dict(totals), f"{time.monotonic() - start:.0f} s", flush=True)
    return {"decks": count, "seed": seed, **totals, "escaped": escaped, "seconds": round(time.monotonic() - start, 1)}


def _numbered(seed: int, number: int) -> Seen:
    return try_deck(deck(random.Random(f"{seed} {number}")))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decks", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(arguments)
    found = run(given.decks, given.seed, given.workers)
    save_result("strange_decks", f"python benchmarks/strange_decks.py --decks {given.decks} --seed {given.seed}", found)


if __name__ == "__main__":
    main()
