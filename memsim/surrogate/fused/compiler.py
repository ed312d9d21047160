"""Finding a C compiler, and keeping what it compiled."""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from memsim.errors import InputError
from memsim.files import replacing
from memsim.processes import execute, private_folder
from memsim.processes.children import CONSOLE

# no flag that lets arithmetic on infinities go wrong: exponentials may overflow
_FLAGS = ("-O3", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-w")
# a compiler takes the first wishes that it knows
_WISHES = (("-march=native", "-fopenmp-simd"), ("-fopenmp-simd",), ("-march=native",), ())
_TIMEOUT = 120.0


@dataclass(frozen=True)
class Compiler:
    """A C compiler.

    Attributes:
        command: program, and arguments that make it a C compiler.
        packaged: whether it came with memsim, as the package ziglang.
    """

    command: tuple[str, ...]
    packaged: bool = False

    def __str__(self) -> str:
        return " ".join(self.command)

    def environment(self, folder: Path) -> dict[str, str]:
        """What it runs in, when it compiles in a folder."""
        if not self.packaged:
            return dict(os.environ)
        # the parts of its library that it makes once; the rest goes with the folder
        caches = {"ZIG_GLOBAL_CACHE_DIR": str(_folder() / "zig"), "ZIG_LOCAL_CACHE_DIR": str(folder / "zig")}
        return {**os.environ, **caches}


@cache
def find_compiler() -> Compiler | None:
    """A C compiler: the variable CC if set, else cc, gcc, clang, or the package ziglang; None where there is none."""
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and (path := shutil.which(name)) and _has_headers(path):
            return Compiler((path,))
    package = find_spec("ziglang")
    if package is None or package.origin is None:
        return None
    return Compiler((str(Path(package.origin).with_name("zig")), "cc"), packaged=True)


def _has_headers(path: str) -> bool:
    """Whether a compiler finds the C library, whose headers Debian has in a package of their own."""
    command, text = [path, "-E", "-x", "c", "-"], "#include <math.h>"
    return not subprocess.run(command, input=text, capture_output=True, text=True, check=False).returncode  # noqa: S603


def load(source: str) -> ctypes.CDLL:
    """The shared library of a C source, compiled now or found where an earlier process left it.

    Raises:
        InputError: there is no compiler, or it refuses the source.
    """
    compiler = find_compiler()
    if compiler is None:
        raise InputError(
            'there is no C compiler; install gcc or clang, or the Python package ziglang, or use engine="fused"'
        )
    key = hashlib.sha256("\n".join((source, str(compiler), version(compiler), _processor())).encode())
    library = _folder() / f"{key.hexdigest()[:32]}.so"
    if not library.exists():
        _build(compiler, source, library)
    return ctypes.CDLL(str(library))


def _folder() -> Path:
    """Where compiled kernels are kept; its owner alone may write there."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "memsim" / "kernels"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return _temporary_folder()
    return folder if os.access(folder, os.W_OK) else _temporary_folder()


@cache
def _temporary_folder() -> Path:
    """A folder for as long as this process lives."""
    kept = ExitStack()
    atexit.register(kept.close)
    return kept.enter_context(private_folder())


def _build(compiler: Compiler, source: str, library: Path) -> None:
    with private_folder() as folder:
        (folder / "kernel.c").write_text(source, encoding="utf-8")
        environment = compiler.environment(folder)
        for wishes in _WISHES:
            command = [*compiler.command, *_FLAGS, *wishes, "kernel.c", "-o", "kernel.so", "-lm"]
            code, timed_out, _ = execute(command, folder, _TIMEOUT, environment=environment)
            if code == 0 and not timed_out:
                with replacing(library) as temporary:
                    shutil.copyfile(folder / "kernel.so", temporary)
                return
        said = (folder / CONSOLE).read_text(encoding="utf-8", errors="replace")
    raise InputError(f'{compiler} cannot compile a kernel; use engine="fused". It says:\n{said[-2000:]}')


@cache
def version(compiler: Compiler) -> str:
    """What a compiler says of itself."""
    command = [*compiler.command, "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603


@cache
def _processor() -> str:
    """What native code depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
