"""Progress bars of long commands."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from memsim import sweep
    from memsim.learn import EpochRecord

LONG, TIMED = 600.0, 1.0
"""Seconds from which work is called long before it is done, and for which its steps are timed."""


@contextmanager
def _bar(what: str) -> Iterator[Progress]:
    """A bar on standard error: standard output is for results, which other programs may read.

    It is drawn when work begins, by whichever thread begins first, so that what is wrong with the input is said
    without one.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, transient=False, console=Console(stderr=True))
    bar.add_task(what)
    try:
        yield bar
    finally:
        if bar.live.is_started:
            bar.stop()


class _Pace:
    """How long work takes at the pace of one step, once it is known: the first step compiles, the second is timed."""

    def __init__(self) -> None:
        self._began: tuple[int, float] | None = None
        self._done = False

    def told(self, done: int, total: int) -> str:
        """What to say after a step: nothing, or once the time of work that is long."""
        now = time.monotonic()
        if self._began is None:
            self._began = done, now
            return ""
        steps, seconds = done - self._began[0], now - self._began[1]
        if self._done or steps < 1 or seconds < TIMED:
            return ""
        self._done = True
        left = seconds / steps * (total - done)
        return f"about {_duration(left)} to go at this pace" if left > LONG else ""


def _duration(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.1f} hours" if hours >= 1 else f"{seconds / 60:.0f} minutes"


@contextmanager
def training_progress() -> Iterator[Callable[[int, int, EpochRecord | None], None]]:
    """Bar over batches with the last epoch's test accuracy beside it."""
    with _bar("training") as bar:
        pace = _Pace()

        def show(done: int, total: int, record: EpochRecord | None) -> None:
            bar.start()
            if told := pace.told(done, total):
                bar.console.print(told)
            bar.update(bar.task_ids[0], completed=done, total=total)
            if record:
                bar.update(
                    bar.task_ids[0],
                    description=f"epoch {record.epoch}: loss {record.loss:.3f}, test {record.test_accuracy:.1%}",
                )

        yield show


@contextmanager
def counting_progress(what: str, *, after: float = 0.0) -> Iterator[Callable[[int, int], None]]:
    """Bar over runs, drawn once they have taken as many seconds as `after`."""
    began = time.monotonic()
    with _bar(what) as bar:

        def show(done: int, total: int) -> None:
            if time.monotonic() - began < after:
                return
            bar.start()
            bar.update(bar.task_ids[0], completed=done, total=total)

        yield show


@contextmanager
def sweep_progress() -> Iterator[Callable[[sweep.Progress], None]]:
    """Bar over the points of a sweep with the failed ones beside it, under the address of Dask's dashboard."""
    with _bar("sweep") as bar:

        def show(progress: sweep.Progress) -> None:
            if not bar.live.is_started and progress.dashboard:
                bar.console.print(f"dashboard {progress.dashboard}")
            bar.start()
            failed = f", {progress.failed} failed" if progress.failed else ""
            bar.update(
                bar.task_ids[0], completed=progress.done, total=progress.total, description=f"sweep{failed}"
            )

        yield show
