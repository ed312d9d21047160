"""The wall around a stranger's deck: what ngspice may still read, and whether this machine has one.

The check of the deck is the first wall. This is the second, built by the kernel (`processes/launch.py`): ngspice can
read its own files and the deck's, write into its private folder, and start nothing.
"""

from __future__ import annotations

import functools
import glob
import os
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from memsim.processes import Limits, execute, private_folder
from memsim.spice.version import ngspice_program

_SYSTEM = (
    "/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache", "/usr/share/ngspice",
    "/usr/local/share/ngspice", "/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/sys/devices/system/cpu",
    "/dev/urandom",
)  # fmt: skip
_LOADERS = ("/lib*/ld-*.so*", "/usr/lib*/ld-*.so*", "/lib/*/ld-*.so*")
_VARIABLES = ("SPICE_LIB_DIR", "SPICE_SCRIPTS")
_KEPT = ("PATH", "LD_LIBRARY_PATH", "TZ", *_VARIABLES)
SCRATCH = "/tmp"  # noqa: S108 - where ngspice's C library makes nameless files, whatever TMPDIR says
_PATIENCE = 30.0


@dataclass(frozen=True)
class Wall:
    """What keeps a deck in.

    Attributes:
        rules: for `processes.execute`; empty where there is no wall.
        description: what it is, or why there is none.
    """

    rules: tuple[str, ...]
    description: str


def wall() -> Wall:
    """The best wall that this machine has for its ngspice, found by trying once for each program."""
    return _wall(ngspice_program())


def uncovered(rules: Iterable[str]) -> tuple[str, ...]:
    """Rules of a wall that leaves SCRATCH where it is: for programs in it, or where no name space can be made."""
    return (*(rule for rule in rules if not rule.startswith("cover=")), f"open={SCRATCH}")


def confined_environment() -> dict[str, str]:
    """What a confined ngspice sees of the user's environment; without a home it crashes."""
    return {"HOME": "."} | {name: os.environ[name] for name in _KEPT if name in os.environ}


def warn_without_wall() -> None:
    """Say once for each program that the check of the deck is all there is."""
    found = wall()
    if not found.rules:
        warnings.warn(
            f"decks run without a sandbox here ({found.description}); the check of the deck is the only protection "
            "from decks of strangers, see SECURITY.md",
            RuntimeWarning,
            stacklevel=2,
        )


@functools.cache
def _wall(program: str) -> Wall:
    if sys.platform != "linux":
        return Wall((), "it needs Linux")
    with open(program, "rb") as file:  # noqa: PTH123 - of which only the start is read
        if file.read(2) == b"#!":
            return Wall((), f"{program} is a script, which would need a shell")
    rules = _rules(program)
    problem = _problem(program, (f"cover={SCRATCH}", *rules))
    if problem is None:
        return Wall(
            (f"cover={SCRATCH}", *rules), "files: Landlock and a name space; processes, network: seccomp"
        )
    if _problem(program, uncovered(rules)) is None:
        return Wall(
            uncovered(rules),
            f"files: Landlock, except files that are in {SCRATCH} already ({problem}); processes, network: seccomp",
        )
    return Wall((), problem)


def _rules(program: str) -> tuple[str, ...]:
    path = Path(program).resolve()
    own = [path.parent.parent / name for name in ("lib", "share/ngspice")]
    named = [os.environ[name] for name in _VARIABLES if os.environ.get(name)]
    loaders = {str(Path(one).resolve()) for pattern in _LOADERS for one in glob.glob(pattern)}  # noqa: PTH207
    return (
        *(f"read={one}" for one in (*_SYSTEM, *own, *named)),
        "write=.",
        "open=/dev/null",
        *(f"execute={one}" for one in (str(path), *sorted(loaders))),
    )


def _problem(program: str, rules: tuple[str, ...]) -> str | None:
    """Why ngspice does not simulate behind a wall, or None."""
    with private_folder() as folder:
        (folder / "probe.cir").write_text("* probe\nv1 a 0 1\nr1 a 0 1\n.op\n.end\n", encoding="ascii")
        try:
            command = [program, "-n", "-b", "-r", "probe.raw", "probe.cir"]
            code, timed_out, _ = execute(
                command, folder, _PATIENCE, limits=Limits(), wall=rules, environment=confined_environment()
            )
        except OSError as error:
            return str(error)
        if timed_out or code != 0 or not (folder / "probe.raw").is_file():
            return "ngspice does not run behind one"
    return None
