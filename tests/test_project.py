from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import memsim

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "memsim"

# What a room must not know. `memsim.errors`, `memsim.files` and `memsim.units` are open to all.
ABOVE_ALL = {
    "cli",
    "console",
    "demo",
    "interop",
    "netlists",
    "plots",
    "report",
    "run_report",
    "sweep",
    "verify",
}
FORBIDDEN = {
    "devices": ABOVE_ALL | {"circuits", "spice", "surrogate", "crossbar", "learn", "imc"},
    "circuits": ABOVE_ALL | {"spice", "surrogate", "crossbar", "learn", "imc"},
    "spice": ABOVE_ALL | {"surrogate", "crossbar", "learn", "imc"},
    "surrogate": ABOVE_ALL | {"spice", "learn", "imc"},
    "crossbar": ABOVE_ALL | {"learn", "imc"},
    "learn": ABOVE_ALL | {"spice", "imc"},
    "imc": ABOVE_ALL | {"spice"},
    "errors": {
        *ABOVE_ALL,
        "devices",
        "circuits",
        "spice",
        "surrogate",
        "crossbar",
        "learn",
        "imc",
        "files",
        "units",
    },
    "files": {*ABOVE_ALL, "devices", "circuits", "spice", "surrogate", "crossbar", "learn", "imc"},
    "units": {*ABOVE_ALL, "devices", "circuits", "spice", "surrogate", "crossbar", "learn", "imc"},
}
COMMANDS = {
    "cli",
    "cli_fit",
    "cli_kinetics",
    "cli_plot",
    "cli_run",
    "data_report",
    "demo",
    "imc_report",
    "run_report",
    "report",
    "__main__",
}


def imports() -> Iterator[tuple[Path, str]]:
    """Every import of memsim's own rooms that runs: file, and room imported."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in running(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module == "memsim":
                names = [f"memsim.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            yield from ((path, name.split(".")[1]) for name in names if name.startswith("memsim."))


def running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below `node`, without those that only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from running(child)


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_no_import_runs_upward() -> None:
    found = [(str(path), name) for path, name in imports() if name in FORBIDDEN.get(room(path), set())]
    assert found == []


def test_pictures_and_pages_are_seen_by_commands_only() -> None:
    users = {room(path) for path, name in imports() if name in {"plots", "report"}}
    assert users - {"plots"} <= COMMANDS


def test_nothing_imports_the_command() -> None:
    assert {room(path) for path, name in imports() if name == "cli"} <= {"__main__"}


def test_there_are_imports_to_judge() -> None:
    assert {"circuits", "spice", "surrogate", "learn"} <= {room(path) for path, _ in imports()}


def test_import_is_quick_and_light() -> None:
    program = (
        "import sys, time; start = time.process_time(); import memsim; "
        "print(time.process_time() - start, *{'torch', 'PySpice', 'matplotlib'} & set(sys.modules))"
    )
    seconds, *heavy = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert heavy == []
    assert float(seconds) < 1  # the promise; processor time, as a loaded machine says nothing about memsim


def test_windows_is_refused_in_one_sentence() -> None:
    program = "import sys; sys.platform = 'win32'; import memsim.spice"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    *_, last = done.stderr.splitlines()
    assert last == "ImportError: memsim does not run on Windows; run it in WSL, as on Ubuntu 24.04."
    assert last.partition(": ")[2] in (ROOT / ".ci/setup.sh").read_text()


def test_public_names_load_on_use() -> None:
    for name in memsim.__all__:
        assert getattr(memsim, name) is not None
    assert set(memsim.__all__) <= set(dir(memsim))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = memsim.nothing


def test_version_is_that_of_the_project() -> None:
    assert memsim.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 100


@pytest.mark.spice
def test_readme_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    peak_in_ngspice, peak_of_twin = map(float, done.stdout.split())
    # The published spike peaks at 45.39 mV; the README promises four digits of it, from both engines.
    assert peak_in_ngspice == pytest.approx(45.39e-3, abs=0.01e-3)
    assert peak_of_twin == pytest.approx(45.39e-3, abs=0.01e-3)
