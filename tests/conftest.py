from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import matplotlib as mpl
import pytest
from hypothesis import settings

mpl.use("Agg")

# Shared machines stall for seconds: a deadline would test the machine. Derandomised, failures repeat.
settings.register_profile("memsim", deadline=None, derandomize=True)
settings.load_profile("memsim")

os.environ.setdefault("OMP_NUM_THREADS", "1")


INTERNALS = (
    "function-", "constrained-", "pydantic", "<= inf", "Value error", "Input should", "Extra inputs",
    "Field required", "[type=", "object at 0x", "numpy.", "<class",
)  # fmt: skip
"""What no message shows: words of the code, not of whoever uses it."""


@pytest.fixture(scope="session")
def assert_clear() -> Callable[[str], None]:
    """A message is there, in the words of the user, and short enough to read."""

    def check(message: str) -> None:
        assert message.strip()
        assert "Traceback" not in message
        if "Usage: " in message:  # typer's own words
            return
        assert not [word for word in INTERNALS if word in message], message
        assert len(message) < 5000, message

    return check


@pytest.fixture(scope="session")
def scheduler() -> Iterator[str]:
    """Address of a Dask scheduler with one worker, both threads of this process: it starts in no time."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=":0"
    ) as one:
        yield one.scheduler_address
