from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

DECK = """* rc
.param rload=1k cload={1n}
+ vin = 1
v1 a 0 {vin}
r1 a b {rload}
c1 b 0 {cload} ic=0
.tran 10n 5u uic
.end
"""


@pytest.fixture(scope="session")
def scheduler() -> Iterator[str]:
    """Address of a scheduler with one worker, both threads of this process: it starts in no time."""
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
    ) as one:
        yield one.scheduler_address


@pytest.fixture
def rc(tmp_path: Path) -> Path:
    """A folder with the deck of a low-pass."""
    (tmp_path / "rc.cir").write_text(DECK)
    return tmp_path
