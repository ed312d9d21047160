"""Which ngspice is installed and what it can do."""

from __future__ import annotations

import functools
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from memsim.errors import EngineNotFoundError
from memsim.processes import Limits, execute, private_folder
from memsim.processes.children import CONSOLE

OLDEST = 39
PATIENCE = 30.0
LONGEST_BANNER = 1_000_000
"""Bytes that an ngspice may print about itself; others are none."""
INSTALL = (
    "install it with `apt-get install ngspice libngspice0` (Debian, Ubuntu) or `brew install ngspice` (macOS)"
)


@dataclass(frozen=True)
class NgspiceVersion:
    """Version of the `ngspice` program on the path.

    Attributes:
        major: release number, 39 or more.
        klu: whether the KLU sparse solver was compiled in.
    """

    major: int
    klu: bool


def ngspice_program() -> str:
    """Full path of the `ngspice` program; EngineNotFoundError when there is none."""
    program = shutil.which("ngspice")
    if program is None:
        raise EngineNotFoundError(f"the program `ngspice` is not on the PATH: {INSTALL}")
    return program


def ngspice_version() -> NgspiceVersion:
    """Version and abilities of the installed ngspice, asked once for each program.

    Raises:
        EngineNotFoundError: ngspice is missing or older than release 39.
    """
    program = ngspice_program()
    status = Path(program).stat()
    return _version(program, (status.st_ino, status.st_mtime_ns, status.st_size))


@functools.lru_cache(maxsize=8)
def _version(program: str, _identity: tuple[int, int, int]) -> NgspiceVersion:
    with private_folder() as folder:
        try:
            _, timed_out, _ = execute(
                [program, "--version"], folder, PATIENCE, limits=Limits(disk=LONGEST_BANNER)
            )
        except OSError as cause:
            raise EngineNotFoundError(
                f"`{program} --version` does not answer ({cause}): {INSTALL}"
            ) from cause
        said = (folder / CONSOLE).read_bytes()[:LONGEST_BANNER].decode("utf-8", errors="replace")
    if timed_out:
        raise EngineNotFoundError(f"`{program} --version` does not answer within {PATIENCE:g} s: {INSTALL}")
    return parse_version(said)


def parse_version(text: str) -> NgspiceVersion:
    """Read the banner of `ngspice --version`; EngineNotFoundError when older than 39 or not ngspice."""
    found = re.search(r"ngspice-(\d+)", text)
    if found is None:
        raise EngineNotFoundError(f"`ngspice --version` does not print a version: {INSTALL}")
    major = int(found[1])
    if major < OLDEST:
        raise EngineNotFoundError(f"ngspice {major} is too old, {OLDEST} or newer is needed: {INSTALL}")
    return NgspiceVersion(major, klu="compiled with klu" in text.lower())
