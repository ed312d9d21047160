"""Run circuits and decks in ngspice, one or many, and hand back waveforms that passed every check."""

from __future__ import annotations

import re
import signal
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PySpice.Spice.Netlist import Circuit

from memsim.errors import (
    BadResultError,
    DeckWarning,
    EngineCrashedError,
    InputError,
    NetlistError,
    ResourceLimitError,
    SimulationError,
    SimulationTimeoutError,
)
from memsim.memory import available_memory, format_bytes
from memsim.processes import GB, MAKE_ROOM, Limits, cores
from memsim.spice.analyses import by_kind
from memsim.spice.checks import check_result
from memsim.spice.compat import mode_of
from memsim.spice.jobs import Job, Task, tasks_of
from memsim.spice.log import cited, classify, complaints, tail
from memsim.spice.measures import with_measures
from memsim.spice.merge import merge
from memsim.spice.process import Run, run_ngspice
from memsim.spice.rawfile import Raw, read_plots
from memsim.spice.version import ngspice_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import xarray as xr

    from memsim.circuits.stimuli import Stimulus
    from memsim.spice.netlist import Netlist

MEMORY_OF_A_DECK = 200
"""Bytes that ngspice may take for each byte of a deck."""
OUT_OF_MEMORY = "can't allocate|cannot allocate|out of memory|bad_alloc"


def simulate(  # noqa: PLR0913  (the fields of Job, for a call in one line)
    circuit_or_deck: Circuit | Netlist | str | Path,
    *,
    stimuli: Mapping[str, Stimulus] | None = None,
    stop: float | None = None,
    step: float | None = None,
    options: Mapping[str, float | str | bool | None] | None = None,
    save: Sequence[str] | None = None,
    timeout: float = 60.0,
    trust: bool = False,
    compat: str | None = None,
    engine: Literal["process", "shared"] = "process",
    keep: str | Path | None = None,
    memory: float | None = None,
    disk: float | None = None,
) -> xr.Dataset:
    """Simulate a circuit or a deck in ngspice.

    A circuit in several electrically uncoupled parts runs as several decks side by side. Their waveforms come
    back on the time grid of the part with the most points, the others interpolated linearly; the current of a
    source that several parts share is the sum over the parts.

    Args:
        circuit_or_deck: PySpice circuit; or the text of a deck; or the path of a `.cir` file; or what
            `read_netlist` made of one. A deck has its own analysis card, sources and options.
        stimuli: stimulus for each source of the circuit to be replaced, by element name (`iin`).
        stop: end time [s] of a circuit's transient.
        step: largest internal time step [s] of a circuit's transient; ngspice takes shorter ones, and returns them,
            where a stimulus or the circuit moves faster.
        options: ngspice options of a circuit over the defaults of `memsim.spice.deck.OPTIONS`.
        save: variables to keep of a circuit, e.g. `v(mem)`, `v(xm1.x)`; all when not given.
        timeout: time limit [s] for each deck.
        trust: let a deck run shell commands and use files outside its folder. Circuits are trusted.
        compat: dialect of a deck of another simulator: `lt` (LTspice), `ps` (PSpice) or `hs` (HSPICE).
        engine: `process`, one ngspice process per deck; or `shared`, PySpice's library in a worker process.
        keep: folder that receives the decks, logs and raw files (`process` only).
        memory: what each ngspice may take [byte]; 1 GB and what the deck needs where left out (`process` only).
        disk: what each ngspice may write [byte]; 1 GB where left out (`process` only).

    Returns:
        Waveforms over `time` [s] (or `frequency`, `sweep`, scalars), named as ngspice names them.

    Raises:
        InputError: an argument cannot be used.
        UntrustedDeckError: the deck wants shell or file access and `trust` is False.
        EngineNotFoundError: ngspice is missing or too old.
        SimulationError: the run gave no result that can be believed; the sub-class says why.
    """
    return run_job(
        Job(
            circuit_or_deck,
            stimuli,
            stop,
            step,
            options,
            save,
            timeout,
            trust,
            compat,
            engine,
            keep,
            memory,
            disk,
        ),
    )


def run_job(job: Job) -> xr.Dataset:
    """Simulate one job; see `simulate`."""
    parts, about = _run_all(job)
    if isinstance(job.circuit_or_deck, Circuit):
        return merge([part["tran"] for part in parts]).assign_attrs(about)
    found = _together(parts)
    *others, last = found
    if others:
        warnings.warn(
            f"the deck has {len(found)} analyses, and this is the result of `{last}`; run_deck() gives "
            f"{', '.join(others)}, too",
            DeckWarning,
            stacklevel=3,
        )
    return found[last].assign_attrs(about)


def run_deck(
    deck: Netlist | str | Path,
    *,
    timeout: float = 60.0,
    trust: bool = False,
    compat: str | None = None,
    keep: str | Path | None = None,
    memory: float | None = None,
    disk: float | None = None,
) -> dict[str, xr.Dataset]:
    """Run a deck in ngspice and get the result of every analysis in it.

    Args:
        deck: its text, or the path of a `.cir` file, or what `read_netlist` made of one.
        timeout: time limit [s] of each of its runs.
        trust: let it run shell commands and use files outside its folder.
        compat: dialect of another simulator: `lt` (LTspice), `ps` (PSpice) or `hs` (HSPICE).
        keep: folder that receives the deck, its log and raw file.
        memory: what ngspice may take [byte]; 1 GB and what the deck needs where left out.
        disk: what ngspice may write [byte]; 1 GB where left out.

    Returns:
        Waveforms by kind of analysis: `tran` over `time` [s], `ac` and `noise` over `frequency` [Hz], `dc` over
        `sweep`, `op` as numbers; further ones of a kind as `tran-2`. Measures of the deck are numbers in that of
        their analysis.

    Raises:
        As in `simulate`.
    """
    parts, about = _run_all(
        Job(deck, timeout=timeout, trust=trust, compat=compat, keep=keep, memory=memory, disk=disk)
    )
    return {name: data.assign_attrs(about) for name, data in _together(parts).items()}


def _run_all(job: Job) -> tuple[list[dict[str, xr.Dataset]], dict[str, object]]:
    """Analyses of each deck of a job, and what is said of all of them."""
    start = time.monotonic()
    version = ngspice_version()
    tasks = tasks_of(job)
    if len(tasks) == 1:
        parts = [_run_task(tasks[0], job)]
    else:
        with ThreadPoolExecutor(min(cores(), len(tasks))) as pool:
            parts = list(pool.map(lambda task: _run_task(task, job), tasks))
    about = {
        "title": tasks[0].netlist.title,
        "engine": f"ngspice-{version.major}",
        "wall_seconds": time.monotonic() - start,
    }
    return parts, about


def _together(parts: Sequence[Mapping[str, xr.Dataset]]) -> dict[str, xr.Dataset]:
    """Analyses of decks that each have kinds of their own."""
    return {name: data for part in parts for name, data in part.items()}


def simulate_many(
    jobs: Iterable[Job],
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[xr.Dataset | SimulationError]:
    """Simulate many jobs side by side.

    Args:
        jobs: the jobs; one that fails does not stop the others.
        workers: how many at a time, all cores when not given.
        progress: called as `progress(done, total)` after each job, from the worker threads.

    Returns:
        For each job, in order, its waveforms or its SimulationError.

    Raises:
        InputError, UntrustedDeckError, EngineNotFoundError: as in `simulate`; these are mistakes of the call.
    """
    listed = list(jobs)
    count = cores() if workers is None else workers
    if count < 1:
        raise InputError(f"workers = {workers}, but at least 1 is needed; leave it out for one per core")
    done: list[int] = []

    def run(job: Job) -> xr.Dataset | SimulationError:
        result: xr.Dataset | SimulationError
        try:
            result = run_job(job)
        except SimulationError as error:
            result = error
        done.append(1)
        if progress is not None:
            progress(len(done), len(listed))
        return result

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, listed))


def limits_of(job: Job, netlist: Netlist) -> Limits:
    """What one run may take: 1 GB of disk and, beside what its deck needs to be held, 1 GB of memory.

    A deck of the user's own may have half of the free memory, where that is more.
    """
    memory = job.memory
    if memory is None:
        memory = GB + MEMORY_OF_A_DECK * sum(map(len, netlist.files.values()))
        memory = memory if netlist.confined else max(memory, available_memory() / 2)
    return Limits(int(memory), int(GB if job.disk is None else job.disk), single=netlist.confined)


def _run_task(task: Task, job: Job) -> dict[str, xr.Dataset]:
    netlist = task.netlist
    if job.engine == "shared":
        from memsim.spice.shared import run_shared  # PySpice's library is only wanted here

        found, log = run_shared(netlist, timeout=job.timeout), ""
    else:
        limits = limits_of(job, netlist)
        keep = None if job.keep is None else Path(job.keep)
        run = run_ngspice(
            netlist.files,
            timeout=job.timeout,
            limits=limits,
            confined=netlist.confined,
            writes=netlist.writes,
            mode=mode_of(netlist.compat),
            keep=keep,
            name=task.name,
        )
        found, log = _found(run, job.timeout, limits, netlist), run.log
        said = complaints(log) if netlist.writes else []
        if said:
            warnings.warn(f"a command of the deck failed: {' '.join(said)}", DeckWarning, stacklevel=4)
    for dataset in found.values():
        _check(task, dataset)
    return with_measures(found, netlist.measures, log)


def _check(task: Task, dataset: xr.Dataset) -> None:
    lost = [name for name in task.saved if not any(name in str(found) for found in dataset)]
    if lost:
        raise NetlistError(f"save asks for {lost}, which ngspice does not know", partial=dataset)
    check_result(dataset, stop=task.netlist.stop, bounds=task.bounds)
    for name in task.bounds:
        if name in dataset:
            dataset[name].attrs.update(units="1", long_name=f"state {name[2:-1]}")


def _found(run: Run, timeout: float, limits: Limits, netlist: Netlist) -> dict[str, xr.Dataset]:
    """Waveforms of a finished run, or the error that its log, code or raw file shows."""
    found: dict[str, xr.Dataset] = {}
    failure = _failure(run, timeout, limits, netlist)
    try:
        plots = read_plots(run.raw)
        found = by_kind(plots)
        if not plots[-1].complete:
            raise BadResultError(
                f"the analysis stopped before its end, after {len(plots[-1].data)} points, without a reason",
                remedy="take `stop` commands out of the deck, or make room on the disk.",
            )
    except BadResultError as damage:
        failure = failure or damage
    if failure is not None or not found:
        failure = failure or BadResultError("the raw file is empty")
        failure.partial = found[list(found)[-1]] if found else None
        raise failure
    return found


def _failure(run: Run, timeout: float, limits: Limits, netlist: Netlist) -> SimulationError | None:
    if run.timed_out:
        return SimulationTimeoutError(
            f"ngspice was killed at its time limit of {timeout:g} s", log=tail(run.log)
        )
    if run.returncode != 0 and re.search(OUT_OF_MEMORY, run.log):
        return ResourceLimitError(
            f"ngspice reached its limit of {format_bytes(limits.memory or 0)} of memory",
            remedy="simulate less at once, or raise the limit: `--memory`, in Python `memory=`.",
            log=cited(run.log, OUT_OF_MEMORY),
        )
    error = classify(run.log, run.returncode, netlist.text)
    if run.disk_full and (run.returncode != 0 or _is_cut_off(run.raw)):
        return EngineCrashedError(
            f"ngspice had no room for its results in {tempfile.gettempdir()}",
            remedy=MAKE_ROOM,
            log=tail(run.log),
        )
    if run.returncode == -signal.SIGXFSZ:
        return ResourceLimitError(
            f"ngspice was stopped at its limit of {format_bytes(limits.disk or 0)} on the disk, "
            f"{format_bytes(limits.file or 0)} a file",
            remedy="save fewer variables, take longer steps, or raise the limit: `--disk`, in Python `disk=`.",
            log=tail(run.log),
        )
    if error is None and not run.raw:
        return EngineCrashedError(
            "ngspice ended without a result",
            remedy="remove `quit` and other commands that end ngspice before the analysis from the deck.",
            log=tail(run.log),
        )
    return error


def _is_cut_off(raw: Raw) -> bool:
    try:
        return not read_plots(raw)[-1].complete
    except BadResultError:
        return True
