"""Every code block of the documentation runs as printed, page by page, and the site builds without a warning."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from memsim.cli import app
from memsim.devices import MODELS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SLOW = {
    "layers.md",
    "own-device.md",
    "own-network-on-arrays.md",
    "own-neuron.md",
    "self-firing.md",
    "sense-amplifier.md",
    "train.md",
}
"""A fit, trainings, many decisions."""


def pages() -> list[Path]:
    return [
        path for path in sorted([*DOCS.rglob("*.md"), *DOCS.glob("*.txt")]) if BLOCK.search(path.read_text())
    ]


def marked(path: Path) -> object:
    slow = [pytest.mark.slow] if path.name in SLOW else []
    return pytest.param(path, id=path.stem, marks=[pytest.mark.spice, *slow])


def run_commands(text: str) -> None:
    for line in text.splitlines():
        program, *arguments = shlex.split(line, comments=True) or ["memsim", "--help"]
        assert program == "memsim"
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, f"{line}\n{result.output}"


@pytest.mark.parametrize("path", [marked(path) for path in pages()])
def test_blocks_run_as_printed(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for language, text in BLOCK.findall(path.read_text(encoding="utf-8")):
        if language == "sh":
            run_commands(text)
        else:
            exec(compile(text, str(path), "exec"), names)  # noqa: S102 - our own documentation


def _write_loop(path: Path) -> None:
    """A period of a device that switches slowly, as measured without a resistor."""
    phase = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    voltage, state = 0.3 * np.sin(phase), 0.5 - 0.4 * np.cos(phase)
    rows = [f"{v:.6g},{v * (1e-4 + 1e-3 * x):.6g}" for v, x in zip(voltage, state, strict=True)]
    path.write_text("\n".join(["voltage [V],current [A]", *rows]) + "\n")


@pytest.mark.slow
@pytest.mark.spice
def test_commands_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "notebooks" / "studies", tmp_path / "notebooks" / "studies")
    (tmp_path / "my.cir").write_text("* rc\nv1 a 0 1\nr1 a b 1k\nc1 b 0 1n ic=0\n.tran 10n 5u uic\n.end\n")
    _write_loop(tmp_path / "loop.csv")
    blocks = [text for language, text in BLOCK.findall((ROOT / "README.md").read_text()) if language == "sh"]
    (commands,) = [text for text in blocks if text.startswith("memsim")]
    run_commands(commands)


def test_the_site_builds_without_warnings_and_needs_no_network(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    for name in MODELS:
        page = (tmp_path / f"models/{name}/index.html").read_text(encoding="utf-8")
        assert '<math display="block">' in page
        fetched = re.findall(r'<(?:script|img|link rel="stylesheet")[^>]*(?:src|href)="(https?:[^"]*)"', page)
        assert fetched == []


def test_every_model_has_its_loop() -> None:
    assert {path.stem for path in (DOCS / "models").glob("*.png")} == set(MODELS)
