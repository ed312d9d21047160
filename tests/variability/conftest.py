from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def folder() -> Path:
    """The measured arrays; only for tests that are skipped without MEMSIM_DATA."""
    return Path(os.environ["MEMSIM_DATA"]) / "devices"
