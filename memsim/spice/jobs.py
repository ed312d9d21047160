"""What to simulate: a job as the caller gives it, and the decks it comes down to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PySpice.Spice.Netlist import Circuit

from memsim.errors import InputError
from memsim.spice.checks import stop_time
from memsim.spice.deck import deck
from memsim.spice.lines import absolute_includes, read_deck, split_lines
from memsim.spice.lint import lint
from memsim.spice.merge import saved_in
from memsim.spice.parts import split
from memsim.spice.trust import check_trust

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memsim.circuits.stimuli import Stimulus


@dataclass(frozen=True)
class Job:
    """One call of `simulate`; the fields are its arguments."""

    circuit_or_deck: Circuit | str | Path
    stimuli: Mapping[str, Stimulus] | None = None
    stop: float | None = None
    step: float | None = None
    options: Mapping[str, float | str | bool | None] | None = None
    save: Sequence[str] | None = None
    timeout: float = 60.0
    trust: bool = False
    engine: Literal["process", "shared"] = "process"
    keep: str | Path | None = None


@dataclass(frozen=True)
class Task:
    """A deck ready to run, and what its result must fulfil."""

    text: str
    name: str
    title: str
    saved: tuple[str, ...]
    stop: float | None
    bounds: Mapping[str, tuple[float, float]]


def tasks_of(job: Job) -> list[Task]:
    """The decks of a job, checked: one, or one for each uncoupled part of a circuit.

    Raises:
        InputError, UntrustedDeckError, NetlistError, SingularMatrixError: as in `simulate`.
    """
    _check_job(job)
    if isinstance(job.circuit_or_deck, Circuit):
        tasks = _circuit_tasks(job, job.circuit_or_deck)
    else:
        tasks = [_deck_task(job, job.circuit_or_deck)]
    for task in tasks:
        lint(task.text, Path.cwd())
    return tasks


def _circuit_tasks(job: Job, circuit: Circuit) -> list[Task]:
    from memsim.circuits import state_bounds  # a deck needs no devices

    if job.stop is None or job.step is None:
        raise InputError(
            "a circuit needs `stop` and `step`, the end time and the largest time step in seconds"
        )
    stimuli = {name.lower(): stimulus for name, stimulus in (job.stimuli or {}).items()}
    tasks = []
    parts = split(circuit)
    saves = saved_in(parts, job.save)
    for index, (part, save) in enumerate(zip(parts, saves, strict=True)):
        if save is not None and not save:
            continue
        sources = {element.name.lower() for element in part.elements}
        own = stimuli if len(parts) == 1 else {k: s for k, s in stimuli.items() if k in sources}
        text = deck(part, stimuli=own, stop=job.stop, step=job.step, options=job.options, save=save)
        name = "deck" if len(parts) == 1 else f"part{index}"
        tasks.append(Task(text, name, str(circuit.title), tuple(save or ()), job.stop, state_bounds(part)))
    return tasks


def _deck_task(job: Job, source: str | Path) -> Task:
    text, folder, name = _deck_text(source)
    if not job.trust:
        check_trust(text, folder)
    return Task(absolute_includes(text, folder), name, split_lines(text)[0].strip(), (), stop_time(text), {})


def _deck_text(source: str | Path) -> tuple[str, Path, str]:
    """Text of a deck, the folder where its includes start, and a name for its files."""
    if isinstance(source, Path):
        try:
            return read_deck(source), source.resolve().parent, source.stem
        except OSError as cause:
            raise InputError(
                f"deck {source} cannot be read ({cause.strerror}); give the path of a .cir file"
            ) from cause
    if "\n" not in source:
        raise InputError(f"deck {source!r} is a single line; for a file give a `pathlib.Path`")
    return source, Path.cwd(), "deck"


def _check_job(job: Job) -> None:
    if not job.timeout > 0:
        raise InputError(
            f"timeout = {job.timeout} s, but it must be positive; give the time limit in seconds"
        )
    if job.engine not in ("process", "shared"):
        raise InputError(f"engine = {job.engine!r}, but it must be 'process' or 'shared'")
    if job.engine == "shared" and job.keep is not None:
        raise InputError("keep needs engine='process': the shared library writes no files")
    if isinstance(job.circuit_or_deck, Circuit):
        if job.stop is None or job.step is None:
            raise InputError(
                "a circuit needs `stop` and `step`, the end time and the largest time step in seconds"
            )
        return
    given = [
        name for name in ("stimuli", "stop", "step", "options", "save") if getattr(job, name) is not None
    ]
    if given:
        raise InputError(f"{', '.join(given)} cannot be given with a deck: write them into the deck itself")
