"""What to simulate: a job as the caller gives it, and the decks it comes down to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PySpice.Spice.Netlist import Circuit

from memsim.errors import InputError
from memsim.spice.deck import deck
from memsim.spice.merge import saved_in
from memsim.spice.netlist import Netlist, read_netlist
from memsim.spice.parts import split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memsim.circuits.stimuli import Stimulus


LEAST = 64e6
"""Bytes of memory that ngspice needs at least, and of disk that make a limit worth setting."""
MOST = 1e18
"""Bytes that no machine has."""


@dataclass(frozen=True)
class Job:
    """One call of `simulate`; the fields are its arguments."""

    circuit_or_deck: Circuit | Netlist | str | Path
    stimuli: Mapping[str, Stimulus] | None = None
    stop: float | None = None
    step: float | None = None
    options: Mapping[str, float | str | bool | None] | None = None
    save: Sequence[str] | None = None
    timeout: float = 60.0
    trust: bool = False
    compat: str | None = None
    engine: Literal["process", "shared"] = "process"
    keep: str | Path | None = None
    memory: float | None = None
    disk: float | None = None


@dataclass(frozen=True)
class Task:
    """A deck ready to run, and what its result must fulfil."""

    netlist: Netlist
    name: str
    saved: tuple[str, ...] = ()
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def tasks_of(job: Job) -> list[Task]:
    """The decks of a job, checked: one, or one for each uncoupled part of a circuit.

    Raises:
        InputError, UntrustedDeckError, NetlistError, SingularMatrixError: as in `simulate`.
    """
    _check_job(job)
    source = job.circuit_or_deck
    if isinstance(source, Circuit):
        return _circuit_tasks(job, source)
    netlist = (
        source if isinstance(source, Netlist) else read_netlist(source, trust=job.trust, compat=job.compat)
    )
    name = source.stem if isinstance(source, Path) else "deck"
    runs = netlist.separate()
    return [
        Task(one, f"{name}{number}" if len(runs) > 1 else name) for number, one in enumerate(runs, start=1)
    ]


def _circuit_tasks(job: Job, circuit: Circuit) -> list[Task]:
    from memsim.circuits import state_bounds  # a deck needs no devices
    from memsim.circuits.sources import warn_of_steps

    if job.stop is None or job.step is None:
        raise InputError(
            "a circuit needs `stop` and `step`, the end time and the largest time step in seconds"
        )
    stimuli = {name.lower(): stimulus for name, stimulus in (job.stimuli or {}).items()}
    warn_of_steps(circuit, stimuli, step=job.step)
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
        netlist = replace(read_netlist(text, trust=True), title=str(circuit.title), stop=job.stop)
        tasks.append(Task(netlist, name, tuple(save or ()), state_bounds(part)))
    return tasks


def _check_job(job: Job) -> None:
    if not job.timeout > 0:
        raise InputError(
            f"timeout = {job.timeout} s, but it must be positive; give the time limit in seconds"
        )
    for name, value in (("memory", job.memory), ("disk", job.disk)):
        if value is not None and not LEAST <= value <= MOST:
            raise InputError(
                f"{name} = {value:g} bytes, but it must be at least {LEAST:g}; 1 GB is 1e9, and at most {MOST:g}"
            )
        if value is not None and job.engine == "shared":
            raise InputError(f"{name} needs engine='process': the shared library runs without such limits")
    _check_engine(job)
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


def _check_engine(job: Job) -> None:
    if job.engine not in ("process", "shared"):
        raise InputError(f"engine = {job.engine!r}, but it must be 'process' or 'shared'")
    for name in ("keep", "compat"):
        if job.engine == "shared" and getattr(job, name) is not None:
            raise InputError(f"{name} needs engine='process', which the shared library is not")
    if job.compat is not None and not isinstance(job.circuit_or_deck, str | Path):
        raise InputError("compat is the dialect of a deck as it is read; a circuit and a Netlist have theirs")
