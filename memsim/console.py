"""Progress bars of long commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from memsim import sweep
    from memsim.learn import EpochRecord


def _bar() -> Progress:
    """A bar on standard error: standard output is for results, which other programs may read."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, transient=False, console=Console(stderr=True))


@contextmanager
def training_progress() -> Iterator[Callable[[int, int, EpochRecord | None], None]]:
    """Bar over batches with the last epoch's test accuracy beside it."""
    with _bar() as bar:
        task = bar.add_task("training")

        def show(done: int, total: int, record: EpochRecord | None) -> None:
            bar.update(task, completed=done, total=total)
            if record:
                bar.update(
                    task,
                    description=f"epoch {record.epoch}: loss {record.loss:.3f}, test {record.test_accuracy:.1%}",
                )

        yield show


@contextmanager
def counting_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Bar over runs."""
    with _bar() as bar:
        task = bar.add_task(what)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def sweep_progress() -> Iterator[Callable[[sweep.Progress], None]]:
    """Bar over the points of a sweep with the failed ones beside it, under the address of Dask's dashboard."""
    with _bar() as bar:

        def show(progress: sweep.Progress) -> None:
            if not bar.tasks:
                bar.add_task("sweep")
                if progress.dashboard:
                    bar.console.print(f"dashboard {progress.dashboard}")
            failed = f", {progress.failed} failed" if progress.failed else ""
            bar.update(
                bar.task_ids[0], completed=progress.done, total=progress.total, description=f"sweep{failed}"
            )

        yield show
