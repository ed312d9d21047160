from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from memsim.devices.base import Device
from memsim.errors import InputError
from memsim.fit.coordinates import KEPT, coordinates
from memsim.fit.intervals import Uncertainty, uncertainty
from memsim.fit.problem import HOPELESS, Problem
from memsim.fit.records import Array, Record
from memsim.fit.search import Optimum, levenberg_marquardt

Polarity = Literal["auto", "as measured", "swapped"]

SEARCHED_SAMPLES = 250  # per record: enough to find the basin, few enough to try many starts
POLISHED_SAMPLES = 1000
POLISHED_STARTS = 2  # of each polarity
PROGRESS = 1e-4  # relative fall of the loss that counts as such
SCREENING = 4  # starting points tried for each that is followed
SAME_MINIMUM = 1.01  # ratio of RMSE of two starts that ended together
LOUDEST = 0.03  # residual, relative to the peak, beyond which a robust fit takes a sample for an outlier at the latest
SHORTER_STEPS = (1, 2, 4, 8)  # tried in turn until every step has a solution
CAPACITIVE_SHARE = 0.5  # of the peak current: what a capacitance may take at the steepest drive


@dataclass(frozen=True)
class Settings:
    """How to search.

    Args:
        starts: starting points that are followed to their minimum, of each polarity.
        iterations: of the optimiser, at most.
        seed: of the starting points.
        robust: use a loss that spares outliers (soft l1) in place of least squares.
        capacitance: fit a capacitance of the set-up in parallel to the device.
        polarity: whether the device's terminals may be swapped.
        keep: parameters that stay at their default or at `fixed`.
    """

    starts: int = 48
    iterations: int = 40
    seed: int = 0
    robust: bool = False
    capacitance: bool = True
    polarity: Polarity = "auto"
    keep: Sequence[str] = KEPT


@dataclass(frozen=True)
class Fit:
    """A model fitted to one or several records.

    Args:
        device: the fitted model; its initial state is that at the start of the first record.
        polarity: -1 where the device sits with its terminals swapped.
        capacitance: of the set-up in parallel to the device [F].
        records: what was fitted, thinned as it was fitted.
        predicted: current of each record [n] in A.
        initial: states at the start of each record.
        uncertainty: intervals and correlations.
        same_minimum: share of the followed starts that ended at this fit.
        numerical_error: change of the current, relative to the peak, with steps a quarter as long.
        seconds: time it took.
    """

    device: Device
    polarity: int
    capacitance: float
    records: tuple[Record, ...]
    predicted: tuple[Array, ...]
    initial: tuple[Mapping[str, float], ...]
    uncertainty: Uncertainty
    same_minimum: float
    numerical_error: float
    seconds: float

    @property
    def errors(self) -> tuple[float, ...]:
        """RMSE of each record over its used samples, relative to its peak current."""
        return tuple(error(r, y) for r, y in zip(self.records, self.predicted, strict=True))

    @property
    def error(self) -> float:
        """RMSE over all used samples, each relative to the peak of its record."""
        counts = np.array([record.used.sum() for record in self.records])
        return float(np.sqrt(np.average(np.square(self.errors), weights=counts)))

    @property
    def samples(self) -> int:
        """Number of samples used."""
        return int(sum(record.used.sum() for record in self.records))

    @property
    def unknowns(self) -> int:
        """Number of fitted values."""
        return len(self.uncertainty.names)

    @property
    def aic(self) -> float:
        """Akaike's criterion with the correction for few samples, n ln(RSS/n) + 2 k n / (n - k - 1)."""
        n, k = self.samples, self.unknowns + 1
        penalty = 2 * k * n / (n - k - 1) if n > k + 1 else np.inf
        return float(n * np.log(self.error**2) + penalty)


def error(record: Record, predicted: Array) -> float:
    """RMSE over the used samples, relative to the record's peak current."""
    return float(np.sqrt(np.mean((predicted - record.current)[record.used] ** 2))) / record.peak


def fit(
    records: Sequence[Record],
    model: type[Device],
    *,
    settings: Settings | None = None,
    fixed: Mapping[str, float] | None = None,
    guesses: Sequence[Mapping[str, float]] = (),
) -> Fit:
    """Fit one parameter set of a model to all records.

    Starting points are spread over ranges that follow from the units of the parameters and the size of the data,
    screened, and followed by Levenberg and Marquardt's method with exact derivatives through the transient.

    Args:
        records: measured transients; several give a joint fit.
        model: the device class.
        settings: how to search.
        fixed: parameter values that are known.
        guesses: starting points to follow as well, parameters by name; defaults of the model where left out.

    Raises:
        InputError: no records, a parameter the model has not, or no start that could be simulated.
    """
    began = clock.perf_counter()
    settings, fixed = settings or Settings(), dict(fixed or {})
    if not records:
        raise InputError("there are no records to fit; give at least one")
    model(initial=None, **fixed)  # refuses unknown names and values out of range
    keep = {*settings.keep, *fixed}
    coarse, fine = (
        _problem(model, [r.thinned(samples) for r in records], fixed, keep, settings, substeps=substeps)
        for samples, substeps in ((SEARCHED_SAMPLES, 1), (POLISHED_SAMPLES, 2))
    )
    # a start may lead to parameters whose currents overflow: its loss is infinite
    with np.errstate(all="ignore"):
        rough = _follow(coarse, *_screened(coarse, settings, guesses), settings)
        if not np.isfinite(rough.loss[0]):
            raise InputError(
                f"no start of {model.model} could be simulated on these records; fix some parameters"
            )
        best = _follow(fine, *_leaders(rough), settings)
    ended = np.sqrt(rough.loss / rough.loss[0])
    return _result(fine, best, float((ended < SAME_MINIMUM).mean()), began)


def _problem(
    model: type[Device],
    records: Sequence[Record],
    fixed: Mapping[str, float],
    keep: set[str],
    settings: Settings,
    *,
    substeps: int,
) -> Problem:
    largest = 0.0
    if settings.capacitance:
        steepest = max(float(np.abs(np.diff(r.drive) / np.diff(r.time)).max()) for r in records)
        largest = CAPACITIVE_SHARE * min(record.peak for record in records) / steepest
    free = coordinates(model, records, keep=tuple(keep))
    if max(len(record.time) for record in records) > SEARCHED_SAMPLES:
        substeps = 1
    return Problem(model, tuple(records), free, fixed, largest, substeps)


def _screened(
    problem: Problem, settings: Settings, guesses: Sequence[Mapping[str, float]]
) -> tuple[Array, Array]:
    """The guesses, and the best of many more starting points than are followed, with their polarity."""
    signs = {"as measured": [1.0], "swapped": [-1.0], "auto": [1.0, -1.0]}[settings.polarity]
    z = problem.starts(settings.starts * SCREENING * len(signs), settings.seed)
    for row, guess in zip(z, guesses, strict=False):
        values = {**{c.name: problem.model.parameters[c.name].default for c in problem.free}, **guess}
        for k, c in enumerate(problem.unknowns):
            if c.name in values:
                row[k] = c.to_z(values[c.name])
    polarity = np.resize(signs, len(z))
    for k, guess in enumerate(guesses):
        polarity[k] = guess.get("polarity", polarity[k])
    z = np.clip(z, *problem.bounds)
    r, _ = problem.residuals(z, polarity)
    first = np.nan_to_num(np.abs(r).mean(1), nan=np.inf)
    first[: len(guesses)] = -1.0
    order = np.argsort(first, kind="stable")
    best = np.concatenate([order[polarity[order] == sign][: settings.starts] for sign in signs])
    return z[best], polarity[best]


def _leaders(rough: Optimum) -> tuple[Array, Array]:
    """The best of each polarity: a device that looks the same from both ends fits both ways."""
    groups = [np.flatnonzero(rough.polarity == sign)[:POLISHED_STARTS] for sign in np.unique(rough.polarity)]
    leaders = np.concatenate(groups)
    return rough.z[leaders], rough.polarity[leaders]


def _follow(problem: Problem, z: Array, polarity: Array, settings: Settings) -> Optimum:
    scale = None
    if settings.robust:
        # the scale of the noise: the typical residual of the better starts, with three deviations left alone
        r, _ = problem.residuals(z, polarity)
        noise = 1.4826 * float(np.quantile(np.median(np.abs(r), axis=1), 0.1))
        scale = min(max(3 * noise, 1e-6), LOUDEST)
    return levenberg_marquardt(
        problem.residuals,
        z,
        polarity,
        problem.bounds,
        iterations=settings.iterations,
        progress=PROGRESS,
        outlier_scale=scale,
    )


def _solved(problem: Problem, z: Array, polarity: Array) -> tuple[Problem, Array, Array]:
    """Predictions by steps so short that each has a solution: in the midst of a runaway a longer one has none."""
    for shorter in SHORTER_STEPS:
        chosen = replace(problem, substeps=shorter * problem.substeps)
        y, jacobian = chosen.predictions(z, polarity)
        if np.abs(y).max() < HOPELESS:
            break
    return chosen, y, jacobian


def _result(problem: Problem, optimum: Optimum, same: float, began: float) -> Fit:
    equal = optimum.loss <= SAME_MINIMUM**2 * optimum.loss[0]
    chosen = int(np.argmax(equal * (1 + (optimum.polarity > 0))))
    z, polarity = optimum.z[chosen : chosen + 1], optimum.polarity[chosen : chosen + 1]
    problem, y, jacobian = _solved(problem, z, polarity)
    finer, _ = replace(problem, substeps=4 * problem.substeps).predictions(z, polarity)
    residuals, rows, change = [], [], 0.0
    for k, record in enumerate(problem.records):
        n = len(record.time)
        residuals.append(((y[0, k, :n] - record.current) / record.peak)[record.used])
        rows.append((jacobian[0, k, :n] / record.peak)[record.used])
        change = max(change, float(np.sqrt(np.mean((finer[0, k] - y[0, k])[:n] ** 2))) / record.peak)
    # exp(log(bound)) may lie a rounding beyond the bound
    values = {
        c.name: float(np.clip(c.to_value(z[0, k]), c.low, c.high)) for k, c in enumerate(problem.unknowns)
    }
    states = list(problem.model.states)
    own = z[0, len(z[0]) - len(states) * len(problem.records) :].reshape(len(problem.records), -1)
    initial = tuple(dict(zip(states, map(float, row), strict=True)) for row in own)
    parameters = {name: values[name] for name in problem.model.parameters if name in values}
    return Fit(
        device=problem.model(initial=initial[0], **{**problem.fixed, **parameters}),
        polarity=int(polarity[0]),
        capacitance=values.get("capacitance", 0.0),
        records=problem.records,
        predicted=tuple(y[0, k, : len(r.time)] for k, r in enumerate(problem.records)),
        initial=initial,
        uncertainty=uncertainty(problem.unknowns, z[0], residuals, np.concatenate(rows)),
        same_minimum=same,
        numerical_error=change,
        seconds=clock.perf_counter() - began,
    )
