"""Verilog-A modules compiled by OpenVAF into OSDI libraries, which ngspice and other simulators load.

A library is a program: a deck that loads one with `pre_osdi` runs only when it is trusted.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from memsim.errors import CompilerError, EngineNotFoundError, InputError
from memsim.files import replacing
from memsim.processes import execute, private_folder
from memsim.processes.children import CONSOLE

PROGRAMS = ("openvaf-r", "openvaf")
VARIABLE = "MEMSIM_OPENVAF"
INSTALL = (
    "install OpenVAF-reloaded (https://github.com/arpadbuermen/OpenVAF) so that `openvaf-r` is on the PATH, "
    f"or name the compiler in the environment variable {VARIABLE}"
)
TIMEOUT = 300.0
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
DIAGNOSTIC = re.compile(
    r"^error[^:]*: (?P<problem>.+)\n\s*(?:-->|┌─) (?P<file>.+):(?P<line>\d+):\d+", re.MULTILINE
)


def openvaf_program() -> str:
    """Full path of the Verilog-A compiler: what MEMSIM_OPENVAF names, else `openvaf-r` or `openvaf` on the PATH.

    Raises:
        EngineNotFoundError: there is none.
    """
    named = os.environ.get(VARIABLE)
    for name in [named] if named else PROGRAMS:
        program = shutil.which(name)
        if program is not None:
            return program
    if named:
        raise EngineNotFoundError(f"{VARIABLE} = {named} is not a program; {INSTALL}")
    raise EngineNotFoundError(f"no Verilog-A compiler was found: {INSTALL}")


def compile_verilog_a(source: str | Path, *, timeout: float = TIMEOUT) -> Path:
    """Compile `name.va` into `name.osdi` beside it.

    Args:
        source: the module; files that it includes are looked for beside it.
        timeout: time limit [s].

    Returns:
        Path of the library. An older one is replaced when all went well, and else left as it was.

    Raises:
        InputError: there is no such file, or its folder cannot be written to.
        EngineNotFoundError: no compiler is installed, or it does not start.
        CompilerError: the compiler refused the module, crashed, or took too long; names file and line where it did.
    """
    source, program = Path(source).absolute(), openvaf_program()
    if not source.is_file():
        raise InputError(f"{source} does not exist; give the path of a Verilog-A file")
    target = source.with_suffix(".osdi")
    with private_folder() as folder, replacing(target) as temporary:
        library = folder / target.name
        try:
            code, timed_out, _ = execute([program, str(source), "-o", str(library)], folder, timeout)
        except OSError as cause:
            raise EngineNotFoundError(f"`{program}` does not start ({cause}): {INSTALL}") from cause
        said = COLOURS.sub("", (folder / CONSOLE).read_text(encoding="utf-8", errors="replace"))
        # exit code 0 is not enough: a compiler that found no linker ends with it
        if timed_out or code != 0 or not library.is_file():
            raise _failure(source, said, code, timeout if timed_out else None)
        shutil.copyfile(library, temporary)
    return target


def _failure(source: Path, said: str, code: int, limit: float | None) -> CompilerError:
    log = [line for line in said.splitlines() if line.strip()]
    found = DIAGNOSTIC.search(said)
    if limit is not None:
        return CompilerError(
            f"{source.name} was not compiled within {limit:g} s", remedy="raise `timeout`.", log=log
        )
    if found is not None:
        file, line = Path(found["file"]).name, found["line"]
        return CompilerError(f"{file}, line {line}: {found['problem']}", log=log)
    how = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code} and wrote no library"
    return CompilerError(
        f"{source.name} was not compiled: the compiler {how}",
        remedy="the lines above are the compiler's; it needs a linker (`ld` or `cc`) on the PATH.",
        log=log,
    )
