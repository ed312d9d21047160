"""Whether a run stayed within what is physical, and what to do where it did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import torch
import xarray as xr
from PySpice.Spice.Netlist import Netlist
from torch import Tensor

from memsim.circuits.flatten import flatten
from memsim.circuits.nodal import NodalEquations
from memsim.errors import ConvergenceError
from memsim.surrogate.frames import DEEPEST, UNRESOLVED
from memsim.surrogate.run import Run

ABSURD_VOLTAGE = 1e6
"""No circuit of memristors reaches a megavolt; a step that diverges does."""
OVERSHOOT = 0.05
"""Share of its range by which an unknown may overshoot: explicit steps at their stability limit ring by less."""
ROUNDING = 1e-9
"""Distance from a limit [V, or units of a state] that counts as none."""


@dataclass(frozen=True)
class Limits:
    """What the waveforms of a circuit can be.

    Attributes:
        states: physical range of each state, by waveform.
        potentials: names of all others.
        given: those of them that sources alone determine.
        held: whether no potential can leave the range of the given ones, ground, and what all started from: devices
            and resistors only draw potentials together. Current sources, capacitors between free nodes or to a source
            that moves, and sources between free nodes may push them further.
    """

    states: Mapping[str, tuple[float, float]]
    potentials: tuple[str, ...]
    given: tuple[str, ...]
    held: bool


def limits_of(circuit: Netlist, equations: NodalEquations) -> Limits:
    """Limits of the waveforms of a circuit with these equations."""
    unknowns, states = set(equations.unknowns), {symbol.name: b for symbol, b in equations.bounds.items()}
    potentials = {name: expr for name, expr in equations.waveforms.items() if name not in states}
    given = tuple(name for name, expr in potentials.items() if not expr.free_symbols & unknowns)
    free = [expr for name, expr in potentials.items() if name not in given]
    rates = set(equations.input_rates)
    held = (
        not any(element.kind == "CurrentSource" for element in flatten(circuit))
        and all(row == column for row, column in equations.mass)
        and all(expr in unknowns for expr in free)
        and not any(flow.free_symbols & rates for flow in equations.flow)
    )
    return Limits(states, tuple(potentials), given, held)


class Violation(NamedTuple):
    """The first value of a waveform that cannot be.

    Attributes:
        name: of the waveform.
        step: number of the sample.
        lane: where in the batch, one number for each of its dimensions.
        value: there.
        low, high: what would be possible.
    """

    name: str
    step: int
    lane: tuple[int, ...]
    value: float
    low: float
    high: float


def violation(waveforms: Mapping[str, Any], limits: Limits) -> Violation | None:
    """The first value, in time, that is outside what is physical, or no number; None where there is none.

    Args:
        waveforms: by name, [T, batch...] each, arrays or tensors. Potentials are held against those of the sources only
            where all are among them.
        limits: of the circuit.
    """
    columns = {name: torch.as_tensor(column) for name, column in waveforms.items()}
    hull = _hull(columns, limits)
    first: Violation | None = None
    for name, column in columns.items():
        low, high = limits.states.get(name, hull)
        margin = OVERSHOOT * (high - low) + ROUNDING
        bad = ~((column >= low - margin) & (column <= high + margin))
        if not bool(bad.any()):
            continue
        step, *lane = torch.nonzero(bad)[0].tolist()
        if first is None or step < first.step:
            here = [float(torch.as_tensor(end).expand(column.shape[1:])[tuple(lane)]) for end in (low, high)]
            first = Violation(name, step, tuple(lane), float(column[step, *lane]), *here)
    return first


def _hull(columns: Mapping[str, Tensor], limits: Limits) -> tuple[Any, Any]:
    """Lowest and highest potential that can be, [batch...] each or numbers."""
    if not limits.held or not all(name in columns for name in limits.potentials):
        return -ABSURD_VOLTAGE, ABSURD_VOLTAGE
    starts = [columns[name][:1] for name in limits.potentials]
    known = torch.cat([*starts, *(columns[name] for name in limits.given)])
    return known.amin(0).clamp(max=0.0), known.amax(0).clamp(min=0.0)


def unphysical(
    found: Violation, times: Sequence[float], remedy: str, partial: xr.Dataset | None = None
) -> ConvergenceError:
    """The error that names a violation.

    Args:
        found: the violation.
        times: of the samples [s].
        remedy: what helps.
        partial: waveforms up to there.
    """
    where = f" (sample {found.lane} of the batch)" if found.lane else ""
    return ConvergenceError(
        f"{found.name} = {found.value:g} at t = {float(times[found.step]):g} s{where} lies outside {found.low:g} to "
        f"{found.high:g}, which no such circuit can leave",
        remedy=remedy,
        partial=partial,
    )


def check_physical(
    waveforms: Mapping[str, Any], times: Sequence[float], limits: Limits, *, remedy: str
) -> None:
    """Raise ConvergenceError where a waveform is outside what is physical, or no number; see `violation`."""
    found = violation(waveforms, limits)
    if found is not None:
        raise unphysical(found, times, remedy)


def check_resolved(run: Run, stepper: str) -> None:
    """Raise ConvergenceError where a step could not be divided finely enough.

    Args:
        run: what a circuit did.
        stepper: name of the integrator.
    """
    if not len(run.h) or int(run.levels.max()) != UNRESOLVED:
        return
    step, *sample = torch.nonzero(run.levels == UNRESOLVED)[0].tolist()
    time, size = [0.0, *accumulate(run.h)][step], run.h[step]
    raise ConvergenceError(
        f"{stepper} cannot follow the circuit from t = {time:g} s on: the step of {size:g} s fails in "
        f"{2**DEEPEST} parts, too" + (f" (sample {tuple(sample)} of the batch)" if sample else ""),
        remedy=f"shorten the step to {size / 10:g} s, or check the values of the circuit and of its sources.",
    )
