"""The figures in README.md are those of the saved results."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_readme_shows_the_saved_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    tables = importlib.import_module("tables")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert tables.measured(tables.headline()) in readme
    assert tables.methods() in readme


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 100
