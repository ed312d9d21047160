from __future__ import annotations

import os
from collections.abc import Iterator

import matplotlib as mpl
import pytest
from hypothesis import settings

mpl.use("Agg")

# Shared machines stall for seconds: a deadline would test the machine. Derandomised, failures repeat.
settings.register_profile("memsim", deadline=None, derandomize=True)
settings.load_profile("memsim")

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def scheduler() -> Iterator[str]:
    """Address of a Dask scheduler with one worker, both threads of this process: it starts in no time."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=":0"
    ) as one:
        yield one.scheduler_address
