from __future__ import annotations

from pathlib import Path

import pytest

DECK = """* rc
.param rload=1k cload={1n}
+ vin = 1
v1 a 0 {vin}
r1 a b {rload}
c1 b 0 {cload} ic=0
.tran 10n 5u uic
.end
"""


@pytest.fixture
def rc(tmp_path: Path) -> Path:
    """A folder with the deck of a low-pass."""
    (tmp_path / "rc.cir").write_text(DECK)
    return tmp_path
