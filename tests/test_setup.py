"""What .ci/setup.sh says to a machine on which things are missing: everything at once, in the line to type."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = ("sh", "cat", "cksum", "echo", "sed", "grep", "head", "tail", "xargs", "mktemp", "rm")
ALL = "python3 python3-venv ngspice libngspice0"
LINE = f"apt-get update && apt-get install -y --no-install-recommends {ALL}"


class Machine:
    """A PATH with a few tools, an apt-get that fails, and an ordinary user."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.programs = folder, folder / "bin"
        self.programs.mkdir()
        for tool in TOOLS:
            (self.programs / tool).symlink_to(str(shutil.which(tool)))
        for name in ("pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, folder)
        self.install("uname", "echo Linux")
        self.install("id", "echo 1000")
        self.install("ldconfig", "exit 1")
        self.install("apt-get", f'echo "$*" >>{folder}/asked; exit 100')

    def install(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def setup(self) -> tuple[int, str]:
        """Exit code, and what it said."""
        done = subprocess.run(
            [str(self.programs / "sh"), str(ROOT / ".ci/setup.sh"), ".venv"],
            cwd=self.folder,
            env={"PATH": str(self.programs)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stderr

    def asked(self) -> list[str]:
        """Arguments that apt-get was called with."""
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_an_ordinary_user_is_told_everything_at_once(machine: Machine):
    code, said = machine.setup()
    assert code == 1
    assert f"please type as root:\n    {LINE}\n" in said
    assert "sudo" not in said
    assert machine.asked() == []


def test_a_user_who_has_sudo_is_told_to_use_it(machine: Machine):
    machine.install("sudo", "exit 1")  # it asks for a password
    code, said = machine.setup()
    assert code == 1
    assert f"please type:\n    {LINE.replace('apt-get', 'sudo apt-get')}\n" in said


def test_root_gets_everything_installed_or_the_line_to_type(machine: Machine):
    machine.install("id", "echo 0")
    code, said = machine.setup()
    assert code == 1
    assert machine.asked() == ["update"]
    assert f"please type:\n    {LINE}\n" in said
    machine.install("apt-get", f'echo "$*" >>{machine.folder}/asked')
    machine.setup()
    assert machine.asked() == ["update", *LINE.replace("apt-get ", "").split(" && ")]


@pytest.mark.spice
def test_a_machine_without_a_compiler_lacks_nothing(machine: Machine):
    """The packages bring one."""
    machine.install("python3", f'exec {sys.executable} "$@"')
    machine.install("ngspice", f'exec {shutil.which("ngspice")} "$@"')
    machine.install("ldconfig", "echo libngspice.so.0")
    python = machine.folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    shutil.copy(
        machine.programs / "id", python
    )  # says something whatever it is asked, so pip is there and succeeds
    code, said = machine.setup()
    assert code == 0
    assert "lacks" not in said
    assert machine.asked() == []
    assert machine.setup() == (0, "")


def test_windows_is_refused(machine: Machine):
    machine.install("uname", "echo MINGW64_NT-10.0-22631")
    sentence = "memsim does not run on Windows; run it in WSL, as on Ubuntu 24.04."
    assert machine.setup() == (1, f"memsim setup: {sentence}\n")


def test_without_apt_get_the_programs_are_named(machine: Machine):
    (machine.programs / "apt-get").unlink()
    code, said = machine.setup()
    assert code == 1
    assert "lacks python ngspice" in said
    assert "brew install python ngspice libngspice" in said
