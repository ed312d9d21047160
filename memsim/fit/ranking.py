from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

import numpy as np

from memsim.devices.base import Device
from memsim.errors import InputError
from memsim.fit.fitting import SHORTER_STEPS, Fit, Settings, error, fit
from memsim.fit.grids import Grid, make_grid
from memsim.fit.problem import initial_name
from memsim.fit.records import Array, Record
from memsim.fit.transient import Batch, currents, simulate

# Tried where no model is named: switches of Knowm's kind, thresholds, and sinh conduction.
USUAL_MODELS = ("metastable-switch", "schottky-metastable-switch", "spread-switch", "vteam", "yakopcic")
# A model that contains a simpler one under the same parameter names starts from the simpler one's fit.
CONTAINS = {"spread-switch": "metastable-switch", "schottky-metastable-switch": "metastable-switch"}
MOST_CYCLES = 64
REPEATS = 1e-3  # of the state: a cycle that ends this close to its start is periodic


@dataclass(frozen=True)
class Ranked:
    """A model's fit, and its error on records that took no part in it.

    Args:
        fit: to the records given.
        held_out: RMSE relative to the peak of each record left out of `fit`, by name.
    """

    fit: Fit
    held_out: Mapping[str, float]

    @property
    def held_out_error(self) -> float:
        """Root mean square over the records left out; NaN where there are none."""
        values = np.array(list(self.held_out.values()))
        return float(np.sqrt(np.mean(values**2))) if values.size else float("nan")


def rank(
    records: Sequence[Record],
    models: Sequence[type[Device]],
    *,
    held_out: Sequence[Record] = (),
    settings: Settings | None = None,
    known: Mapping[str, type[Device]] | None = None,
    fixed: Mapping[str, float] | None = None,
    processes: int = 1,
) -> list[Ranked]:
    """Fit several models to the same records; best first, by held-out error where there is one, else by AIC.

    Args:
        records: measured transients, fitted jointly.
        models: device classes.
        held_out: records to predict.
        settings: how to search.
        known: all models by name, among which simpler forms of a model are looked up.
        fixed: parameter values that are known; each model takes those that it has.
        processes: models fitted at the same time.
    """
    if not models:
        raise InputError("there are no models to rank; give at least one")
    settings, known = settings or Settings(), known or {}
    options: dict[str, Any] = {"settings": settings, "known": known, "fixed": fixed}
    fits: list[Fit]
    if min(processes, len(models)) > 1:
        fits = _side_by_side(records, models, processes, options)
    else:
        done: dict[str, Fit] = {}
        fits = [
            fit_from_simpler(records, m, done=done, **options)
            for m in sorted(models, key=lambda m: len(m.parameters))
        ]
    ranked = [Ranked(one, {r.name: error(r, predict(one, r)) for r in held_out}) for one in fits]
    return sorted(ranked, key=lambda r: r.held_out_error if held_out else r.fit.aic)


def _side_by_side(
    records: Sequence[Record], models: Sequence[type[Device]], processes: int, options: Mapping[str, Any]
) -> list[Fit]:
    """Fits of all models in so many processes; a model that contains another of them waits for its fit."""
    names = {model.model for model in models}
    waiting = [model for model in models if CONTAINS.get(model.model) in names]
    free = [model for model in models if model not in waiting]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        jobs = {
            m.model: pool.submit(fit_from_simpler, records, m, **options)
            for m in sorted(free, key=lambda m: m.model not in CONTAINS.values())
        }
        for model in waiting:
            simpler = CONTAINS[model.model]
            done = {simpler: jobs[simpler].result()}
            jobs[model.model] = pool.submit(fit_from_simpler, records, model, done=done, **options)
        return [job.result() for job in jobs.values()]


def fit_from_simpler(
    records: Sequence[Record],
    model: type[Device],
    *,
    settings: Settings,
    known: Mapping[str, type[Device]],
    done: dict[str, Fit] | None = None,
    fixed: Mapping[str, float] | None = None,
) -> Fit:
    """Fit a model, starting among others from what simpler fits found.

    These are the fit of a simpler model that it contains or, for several records, the fits of each record alone.

    Args:
        records: measured transients, fitted jointly.
        model: the device class.
        settings: how to search.
        known: all models by name, among which simpler forms of the model are looked up.
        done: fits by model name; what is fitted on the way is added.
        fixed: parameter values that are known.
    """
    done = {} if done is None else done
    own = {name: value for name, value in (fixed or {}).items() if name in model.parameters}
    simpler = known.get(CONTAINS.get(model.model, ""))
    guesses = []
    if simpler is not None:
        if simpler.model not in done:
            fit_from_simpler(records, simpler, settings=settings, known=known, done=done, fixed=fixed)
        guesses.append(_guess(done[simpler.model], done[simpler.model].initial, records))
    elif len(records) > 1:
        alone = replace(
            settings, starts=max(settings.starts // 2, 4), iterations=settings.iterations * 2 // 3
        )
        fits = [fit([record], model, settings=alone, fixed=own) for record in records]
        initial = [one.initial[0] for one in fits]
        guesses = [_guess(one, initial, records) for one in fits]
    done[model.model] = fit(records, model, settings=settings, fixed=own, guesses=guesses)
    return done[model.model]


def _guess(
    fitted: Fit, initial: Sequence[Mapping[str, float]], records: Sequence[Record]
) -> dict[str, float]:
    """A fit as a starting point, with the states at the start of each record."""
    starts = {
        initial_name(state, record, number): value
        for number, (record, states) in enumerate(zip(records, initial, strict=True))
        for state, value in states.items()
    }
    capacitance, polarity = fitted.capacitance, float(fitted.polarity)
    return {**fitted.device.values, **starts, "capacitance": capacitance, "polarity": polarity}


def predict(fitted: Fit, record: Record, *, substeps: int = 4) -> Array:
    """Current [n] in A that a fit expects for a record it has not seen.

    A record of whole periods starts from the state to which the cycle leads; any other from the fit's initial state.
    """
    return transient_current(
        fitted.device,
        record,
        capacitance=fitted.capacitance,
        polarity=fitted.polarity,
        substeps=substeps,
        most_cycles=MOST_CYCLES,
    )


def transient_current(
    device: Device,
    record: Record,
    *,
    capacitance: float = 0.0,
    polarity: int = 1,
    substeps: int = 4,
    most_cycles: int = 0,
) -> Array:
    """Current [n] in A of a device under the drive of a record, from the device's initial state.

    Args:
        device: the device.
        record: its current is looked at only where an instrument limited it.
        capacitance: in parallel to the device [F].
        polarity: -1 where the device's terminals are swapped.
        substeps: steps between two samples.
        most_cycles: periods to run beforehand, until they repeat, where the record is whole periods.
    """
    states = np.array([device.initial[name] for name in device.states])
    values = np.array([[value] for value in device.values.values()])
    batch = Batch(
        type(device), values, states.reshape(-1, 1, 1), np.array([capacitance]), np.array([float(polarity)])
    )
    # in the midst of a runaway a long step has no solution, and a shorter one has
    for shorter in SHORTER_STEPS:
        grid = make_grid([record], substeps=shorter * substeps)
        settled = _periodic(grid, batch, most_cycles) if record.closed else batch
        trajectory = simulate(grid, settled)
        if trajectory.converged.all():
            break
    y, _ = currents(grid, settled, trajectory, [])
    return y[:, 0]


def _periodic(grid: Grid, batch: Batch, most_cycles: int) -> Batch:
    """The batch started from the state to which periods of the drive lead, after so many of them at most."""
    for _ in range(most_cycles):
        end = simulate(grid, batch).unknowns[-1, 1:, 0]
        moved = np.abs(end - batch.initial[:, 0, 0]).max()
        batch = replace(batch, initial=end.reshape(-1, 1, 1))
        if moved < REPEATS:
            break
    return batch


def cross_validate(
    records: Sequence[Record],
    model: type[Device],
    *,
    settings: Settings | None = None,
    known: Mapping[str, type[Device]] | None = None,
) -> dict[str, float]:
    """Error on each record, relative to its peak, when the model is fitted to all the others.

    Raises:
        InputError: fewer than two records.
    """
    if len(records) < 2:
        raise InputError(
            f"cross-validation leaves out one record at a time; {len(records)} given, at least 2 needed"
        )
    errors = {}
    for k, record in enumerate(records):
        others = [*records[:k], *records[k + 1 :]]
        result = fit_from_simpler(others, model, settings=settings or Settings(), known=known or {})
        errors[record.name] = error(record, predict(result, record))
    return errors
