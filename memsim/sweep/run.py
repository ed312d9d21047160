"""Running the points of a sweep and keeping each result as it comes."""

from __future__ import annotations

import time
from asyncio import CancelledError
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from memsim.errors import EngineCrashedError, EngineNotFoundError, InputError, MemsimError
from memsim.sweep.cluster import cluster, has_dashboard
from memsim.sweep.decks import circuit_subject, deck_subject
from memsim.sweep.measures import measure
from memsim.sweep.networks import TrainedNetwork
from memsim.sweep.plan import Plan, make_plan
from memsim.sweep.store import Outcome, Store, opened
from memsim.sweep.study import Measure, SweepStudy
from memsim.sweep.subject import ShippedCircuit, Subject

if TYPE_CHECKING:
    import xarray as xr
    from distributed import Client, Future
    from PySpice.Spice.Netlist import Circuit

ATTEMPTS = 2
"""An engine that was killed is started once more; an error of the circuit would only come back."""
AHEAD = 4
"""Runs handed to the cluster for each that it can work on at a time."""
FOLD_SECONDS = 30.0


@dataclass(frozen=True)
class Progress:
    """How far a sweep is.

    Attributes:
        total: points.
        done: those that have an outcome.
        failed: those of them that failed.
        dashboard: address of Dask's dashboard; empty where bokeh is missing.
    """

    total: int
    done: int
    failed: int
    dashboard: str


def run_sweep(  # noqa: PLR0913 - study and place, and each choice of how to run by its name
    study: SweepStudy,
    out: str | Path,
    *,
    folder: str | Path = ".",
    circuit: Circuit | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    retry_failed: bool = False,
    trust: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> xr.Dataset:
    """Run every point of a study that has no result yet.

    A point that fails is recorded with its error. Each result is on disk as soon as it is there: a sweep that was
    killed is continued by the same call. In a script, call it under `if __name__ == "__main__":`, because worker
    processes import the script.

    Args:
        study: the sweep.
        out: netCDF file of the results.
        folder: where the study's deck or network lies, and its files of devices.
        circuit: PySpice circuit to run in place of the study's; its `circuit.parameter(...)` are the parameters.
        workers: processes on this machine, one for each core where left out; the numbers do not depend on it.
        scheduler: address of a Dask scheduler to use instead, such as `tcp://host:8786`.
        retry_failed: run points again that have failed.
        trust: let the deck run commands and reach other folders.
        progress: called at the start and after each point.

    Returns:
        Measures, status, error and seconds over the axes of the sweep.

    Raises:
        InputError: the study does not fit its circuit, or `out` cannot be used.
        UntrustedDeckError: the deck wants more than to simulate, and `trust` is False.
        EngineNotFoundError: ngspice is missing or too old, here or on a worker.
        EngineCrashedError: the scheduler was lost.
    """
    from memsim.processes import cores
    from memsim.spice import ngspice_version

    if workers is not None and workers < 1:
        raise InputError(f"workers = {workers}, but at least 1 is needed; leave it out for one per core")
    if workers is not None and scheduler is not None:
        raise InputError("the workers are those of the scheduler; leave out workers")
    subject = _subject(study, Path(folder), circuit, trust)
    if scheduler is None and subject.needs_ngspice:
        ngspice_version()
    plan = make_plan(study, subject.parameters(), Path(folder))
    with opened(Path(out), plan, study, subject.fingerprint()) as store:
        missing = store.missing(failed=retry_failed)
        if missing:
            with cluster(min(workers or cores(), len(missing)), scheduler) as client, _scheduler_kept():
                _Run(store, subject, client, progress).all(missing)
        return store.dataset()


def evaluate(subject: Subject, values: Mapping[str, float], measures: Mapping[str, Measure]) -> Outcome:
    """Run one point; what memsim refuses or cannot simulate is an outcome, too.

    Raises:
        EngineNotFoundError: ngspice is missing or does not start, which is no matter of the point.
    """
    start = time.monotonic()
    for attempt in range(ATTEMPTS):
        try:
            measured, error = measure(subject.run(values), measures), ""
        except EngineCrashedError as crash:
            measured, error = {}, _text(crash)
            if attempt + 1 < ATTEMPTS:
                continue
        except EngineNotFoundError:
            raise
        except MemsimError as failure:
            measured, error = {}, _text(failure)
        break
    return Outcome(measured, error, time.monotonic() - start)


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _subject(study: SweepStudy, folder: Path, circuit: Circuit | None, trust: bool) -> Subject:
    given = [one for one in (study.circuit, study.deck, study.network, circuit) if one is not None]
    if len(given) != 1:
        raise InputError("a sweep runs one thing; give circuit, deck or network, or a PySpice circuit")
    if circuit is not None:
        if study.stop is None or study.step is None:
            raise InputError("a PySpice circuit needs stop and step in the study, in seconds")
        return circuit_subject(circuit, study.timeout, stop=study.stop, step=study.step)
    if study.deck is not None:
        return deck_subject(folder / study.deck, study.timeout, trust=trust)
    if study.network is not None:
        return TrainedNetwork((folder / study.network).absolute(), study.images, trust)
    return ShippedCircuit(str(study.circuit), study.engine, study.stop, study.step, study.timeout)


class _Run:
    """The points of one call, a few at a time in the cluster."""

    def __init__(
        self, store: Store, subject: Subject, client: Client, progress: Callable[[Progress], None] | None
    ) -> None:
        self.store, self.subject, self.client, self.progress = store, subject, client, progress
        self.plan: Plan = store.plan
        self.folded = time.monotonic()

    def all(self, missing: list[int]) -> None:
        from distributed import as_completed

        for number in missing:  # failures that are run again
            self.store.outcomes.pop(number, None)
        self._report()
        points = iter(missing)
        threads = max(1, sum(self.client.nthreads().values()))
        running = {self._submit(number): number for number in islice(points, AHEAD * threads)}
        finished = as_completed(list(running))
        for future in finished:
            self.store.add(running.pop(future), _outcome(future))
            self._report()
            self._fold_sometimes()
            for number in islice(points, 1):
                following = self._submit(number)
                running[following] = number
                finished.add(following)

    def _submit(self, number: int) -> Future:
        values, measures = self.plan.point(number), dict(self.store.study.measure)
        return self.client.submit(evaluate, self.subject, values, measures, pure=False)

    def _fold_sometimes(self) -> None:
        if time.monotonic() - self.folded > FOLD_SECONDS:
            self.store.fold()
            self.folded = time.monotonic()

    def _report(self) -> None:
        if self.progress is not None:
            outcomes = self.store.outcomes.values()
            failed = sum(bool(one.error) for one in outcomes)
            self.progress(Progress(self.plan.size, len(outcomes), failed, _dashboard(self.client)))


def _dashboard(client: Client) -> str:
    return str(client.dashboard_link) if has_dashboard() else ""


def _outcome(future: Future) -> Outcome:
    """The outcome that a worker returned, or why it could not return one."""
    if future.cancelled():
        raise CancelledError
    error = future.exception()
    if isinstance(error, EngineNotFoundError):
        raise error
    return Outcome({}, _text(error), 0.0) if error is not None else future.result()


@contextmanager
def _scheduler_kept() -> Iterator[None]:
    try:
        yield
    except (OSError, CancelledError) as error:  # what Dask raises, by what it was doing at the moment
        raise EngineCrashedError(
            "the Dask scheduler was lost before the sweep ended",
            remedy="start it again, then the same command, which goes on where it stopped.",
        ) from error
