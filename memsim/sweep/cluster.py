"""Where the runs of a sweep go: processes of this machine, or any Dask cluster."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from memsim.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 10
# A point whose worker dies this often is recorded as failed: it is the point that kills workers.
ALLOWED_FAILURES = 2


@contextmanager
def cluster(workers: int, scheduler: str | None = None) -> Iterator[Client]:
    """A Dask client.

    Args:
        workers: processes of a local cluster, one run at a time each.
        scheduler: address of a scheduler that runs already, such as `tcp://host:8786`; its workers need memsim.

    Raises:
        InputError: no scheduler answers there.
    """
    import dask
    from distributed import Client, LocalCluster

    settings: dict[str, Any] = {
        "distributed.scheduler.allowed-failures": ALLOWED_FAILURES,
        "distributed.comm.timeouts.connect": CONNECT_SECONDS,
        "distributed.admin.tick.limit": "1h",  # a busy machine is no news
    }
    with dask.config.set(settings):
        if scheduler is not None:
            with _quiet(), _connected(scheduler) as client:
                yield client
            return
        local = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        )
        with local, Client(local) as client:
            yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Dask's own reports: what counts ends in an outcome or in an error of memsim."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _connected(scheduler: str) -> Client:
    from distributed import Client

    if not re.fullmatch(r"(\w+://)?[\w.\-\[\]:]+:\d+", scheduler):
        raise InputError(
            f"{scheduler!r} is no address of a Dask scheduler; write one such as tcp://localhost:8786"
        )
    try:
        return Client(scheduler, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {scheduler!r} ({error}); "
            "start one with `dask scheduler` and give the address that it prints"
        ) from None


def has_dashboard() -> bool:
    """Whether Dask can draw its dashboard, which takes bokeh."""
    return find_spec("bokeh") is not None
