"""The pages of the documentation show every model."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from memsim.devices import MODELS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def pictures(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(DOCS), *sys.path])
    return runpy.run_path(str(DOCS / "pictures.py"))


def test_every_model_has_a_picture_and_its_caption(pictures):
    assert set(pictures["SCENES"]) == set(MODELS)
    for name in MODELS:
        assert (DOCS / "models" / f"{name}.png").exists()
        assert "{" not in pictures["caption"](name)
    assert "sine of 250 mV at 100 Hz behind 1 Ω" in pictures["caption"]("metastable-switch")
