"""Progress bars of long commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from memsim.learn import EpochRecord


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, transient=False)


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
