"""The second wall: with the check of the deck switched off, nothing that a deck tries reaches beyond its folder."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from memsim.processes import GB, Limits, private_folder
from memsim.spice.process import DECK, run_ngspice
from memsim.spice.shared import behind_wall
from memsim.spice.wall import Wall, uncovered, wall

pytestmark = pytest.mark.spice

BODY = "v1 a 0 1\nr1 a 0 1k\n.op\n"
HIDDEN = "r9 secret_node 0 1\n"


@pytest.fixture(autouse=True)
def best() -> Wall:
    found = wall()
    if not found.rules:
        pytest.skip(f"this machine has no wall: {found.description}")
    return found


@pytest.fixture
def whole(best):
    """A wall that leaves nothing of /tmp, which takes a name space."""
    if not any(rule.startswith("cover=") for rule in best.rules):
        pytest.skip(f"this machine's wall leaves files that are in /tmp already: {best.description}")


@pytest.fixture(params=["best", "without a name space"])
def each(request, best, monkeypatch):
    """The best wall, and the one of machines that allow no name space."""
    if request.param != "best":
        lesser = Wall(uncovered(best.rules), request.param)
        monkeypatch.setattr("memsim.spice.process.wall", lambda: lesser)


def unchecked(deck, **kwargs):
    """Run a deck that nobody looked at."""
    settings = {"timeout": 20, "limits": Limits(GB, GB, single=True), "confined": True, **kwargs}
    return run_ngspice({DECK: deck.encode("utf-8", "surrogateescape")}, **settings)


def block(*lines, title="t", body=BODY):
    return "\n".join([title, body, ".control", *lines, "run", ".endc", ".end", ""])


EXPLOITS = {
    # those of the findings that led to the wall
    "block that ends for Python alone": lambda p: block(f"shell touch {p}").replace("shell", "\u00a0.endc\nshell"),
    "run with a file": lambda p: block(f"run {p}"),
    "line from a folder's name": lambda p: f't\n{BODY}.include "x"\n.control\nshell touch {p}\n.endc\n.end\n',
    # our own
    "shell": lambda p: block(f"shell touch {p}"),
    "back quotes": lambda p: block(f"echo `touch {p}`"),
    "title in back quotes": lambda p: block("echo $curplottitle", title=f"`touch {p}`"),
    "executed comment": lambda p: f"t\n{BODY}*# shell touch {p}\n.end\n",
    "before the deck": lambda p: block(f"pre_shell touch {p}"),
    "write": lambda p: block("run", f"write {p}"),
    "wrdata": lambda p: block("run", f"wrdata {p} v(a)"),
    "redirection": lambda p: block(f"echo pwned > {p}"),
    "print into a file": lambda p: block("run", f"print v(a) > {p}"),
    "another folder": lambda p: block(f"cd {p.parent}", "run", f"write {p.name}"),
    "snapshot": lambda p: block("run", f"snsave {p}"),
    "picture": lambda p: block("run", "set hcopydevtype=postscript", f"hardcopy {p} v(a)"),
    "raw file by a variable": lambda p: block(f"set rawfile={p}", "run"),
    "unix command": lambda p: block("set unixcom", f"touch {p}"),
    "gnuplot": lambda p: block("run", f"gnuplot {p} v(a)"),
    "program of its own": lambda p: block("shell printf x > evil", "shell chmod 755 evil", f"shell ./evil {p}"),
    "link and write": lambda p: block(f"shell ln -s {p} link", "run", "write link"),
}  # fmt: skip


@pytest.mark.usefixtures("each")
@pytest.mark.parametrize("name", EXPLOITS)
def test_nothing_is_written_outside(name, tmp_path):
    target = tmp_path / "pwned"
    unchecked(EXPLOITS[name](target))
    assert not target.exists()
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("whole")
def test_an_existing_file_is_not_overwritten(tmp_path):
    profile = tmp_path / ".profile"
    profile.write_text("mine")
    unchecked(block(f"run {profile}", f"write {profile}", f"echo x > {profile}"))
    assert profile.read_text() == "mine"


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize(
    "deck",
    [
        lambda p: f"t\n{BODY}.include {p}\n.end\n",
        lambda p: f"t\n{BODY}.lib {p} tt\n.end\n",
        lambda p: block(f"source {p}"),
        lambda p: block(f"shell cat {p}"),
        lambda p: block(f"echo `cat {p}`"),
        lambda p: f't\n{BODY}a1 %v([b]) m1\n.model m1 filesource(file="{p}")\n.end\n',
    ],
)
def test_nothing_is_read_outside(deck, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(HIDDEN)
    for path in (secret, Path("/etc/passwd"), Path("/proc/1/environ")):
        run = unchecked(deck(path))
        assert "secret_node" not in run.log
        assert "root:" not in run.log
        assert b"secret_node" not in bytes(run.raw)


@pytest.mark.usefixtures("each")
def test_no_program_starts():
    run = unchecked(block("shell echo it runs | tr a-z A-Z", "echo `echo it runs | tr a-z A-Z`"))
    assert "IT RUNS" not in run.log


CALLS = {
    "a connection": "import socket; socket.socket()",
    "a process": "os.fork()",
    "a program": "os.execv('/bin/true', ['true'])",
    "rights": "os.chmod(path, 0o777)",
    "rights by a young call": "raw(452, -100, path.encode(), 0o777, 0)",
    "times": "os.utime(path)",
    "length": "os.truncate(path, 0)",
    "attributes": "os.setxattr(path, 'user.memsim', b'x')",
    "a link": "os.link(path, 'link')",
    "a signal": "os.kill(os.getppid(), 0)",
    "limits of another process": "resource.prlimit(os.getppid(), resource.RLIMIT_CORE, (0, 0))",
    "its own limits": "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))",
    "priority of another process": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 5)",
    "a life of its own": "checked(libc.prctl(1, 0, 0, 0, 0))",
    "a file of memory": "os.memfd_create('x')",
    "shared memory": "checked(libc.shmget(0, 4096, 0o1600))",
    "a name space": "checked(libc.unshare(0x10000000))",
}
PRELUDE = """
import ctypes, os, resource, sys
libc, path = ctypes.CDLL(None, use_errno=True), sys.argv[1]
def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
def raw(*arguments):
    checked(libc.syscall(*arguments))
"""


@pytest.mark.parametrize("name", CALLS)
def test_calls_that_reach_outside_are_refused(name, tmp_path):
    """What code in the place of ngspice could do; Python stands in for it, behind a wall that lets it run."""
    target = tmp_path / "target"
    target.write_text("mine")
    before = target.stat()
    with private_folder() as folder:
        done = subprocess.run(
            [*behind_wall(), sys.executable, "-I", "-S", "-c", f"{PRELUDE}{CALLS[name]}\nprint('done')", str(target)],
            cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert "done" not in done.stdout
    assert "Error" in done.stderr
    assert target.stat() == before
    assert target.read_text() == "mine"


def test_a_deck_runs_behind_the_wall_as_before_it():
    inside, outside = (unchecked(block(), confined=confined) for confined in (True, False))
    assert bytes(inside.raw).partition(b"Variables")[2] == bytes(outside.raw).partition(b"Variables")[2]


def test_the_wall_costs_little():
    """In processor time, as the clock of a busy machine measures its load; the median of several runs."""

    def cost(confined):
        before = processor_seconds()
        unchecked(block(), confined=confined)
        return processor_seconds() - before

    unchecked(block())  # finds the wall
    with_wall, without = (statistics.median(cost(confined) for _ in range(15)) for confined in (True, False))
    assert with_wall - without < 0.02


def processor_seconds():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
